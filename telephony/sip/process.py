"""One media process as its supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable

import structlog

from telephony.sip.call import SipCall
from telephony.sip.channel import Channel
from telephony.sip.settings import SipSettings
from telephony.sip.wire import Audio, Clear, Control, Message

log = structlog.get_logger()

BEAT_S = 0.5
"""How often each side says that it is alive."""
SILENT_S = 3.0
"""A media process that says nothing for so long hangs, and is killed."""
START_S = 15.0
"""How long one may take until it answers calls."""
PENDING_S = 4.0
"""How long a call that was sent to a process is counted before the process offers it."""


SOCKET_BYTES = 1 << 20
"""Asked for in each direction; the kernel may give less."""


class MediaProcess:
    """Starts with `run`, which returns when the process is gone.

    Parameters:
        settings: of the endpoint.
        port: where the process listens for SIP; 0 for a free port.
        front: address that calls come through, host:port; "" for none.
        offered: takes the calls.
        began: told once the process answers calls.
    """

    def __init__(
        self,
        settings: SipSettings,
        port: int,
        front: str,
        offered: Callable[[SipCall], None],
        began: Callable[[], None],
    ) -> None:
        self._settings, self._port, self._front = settings, port, front
        self._offered, self._began = offered, began
        self._channel: Channel | None = None
        self._calls: dict[int, SipCall] = {}
        self._pending: dict[str, float] = {}
        self._heard_at = 0.0
        self._room_told = settings.callers_per_process
        """What it said last; legs that are ending take room that only it knows of."""
        self._gone = asyncio.Event()
        self.settled = asyncio.Event()
        """It is ready, or gone."""
        self.ready = False
        self.port = 0
        """Where it listens, once it is ready."""
        self.pid = 0

    @property
    def room(self) -> int:
        """Callers that it can still take; 0 until it is ready."""
        if not self.ready:
            return 0
        now = asyncio.get_running_loop().time()
        self._pending = {each: at for each, at in self._pending.items() if now - at < PENDING_S}
        known = self._settings.callers_per_process - len(self._calls)
        return min(known, self._room_told) - len(self._pending)

    def expect(self, sip_id: str) -> None:
        """A call of this Call-ID is on its way to the process."""
        self._pending[sip_id] = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """From the start of the process to its end; cancelled, it lets go of it.

        A process that is let go of keeps what callers it has (`telephony.sip.caretaker`).
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for each in (ours, theirs):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        process = _start(theirs)
        self.pid = process.pid
        self._channel = Channel(ours, self._took, self._lost)
        self._heard_at = asyncio.get_running_loop().time() + START_S - SILENT_S
        self._say(
            Control(
                "settings",
                values={
                    "settings": self._settings.to_values(),
                    "front": self._front,
                    "port": self._port,
                },
            )
        )
        try:
            await self._beat(process)
        finally:
            self.settled.set()
            self._channel.close()
            process.poll()

    async def _beat(self, process: subprocess.Popen[bytes]) -> None:
        loop = asyncio.get_running_loop()
        while not self._gone.is_set():
            self._say(Control("beat"))
            asked = loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._gone.wait()
            if loop.time() - asked > 2 * BEAT_S:
                # We were asleep ourselves: what the process said is still to be read.
                self._heard_at = max(self._heard_at, loop.time() - BEAT_S)
            if loop.time() - self._heard_at > SILENT_S:
                log.error("sip_process_hangs", pid=process.pid)
                process.kill()
                return

    def _say(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def _took(self, message: Message) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        match message:
            case Control("offer", index, _, values):
                self._pending.pop(values["sip_id"], None)
                call = self._calls[index] = SipCall(self._settings, message, self._say)
                self._offered(call)
            case Control("ready", values=values):
                self.port = values["port"]
                self.ready = True
                self.settled.set()
                log.info("sip_process_ready", pid=self.pid, priority=values["priority"])
                self._began()
            case Control("beat", values=values):
                self._room_told = values["room"]
            case Control("failed", values=values):
                log.error("sip_process_not_started", reason=values["reason"])
            case Control() | Audio() if message.call in self._calls:
                self._calls[message.call].took(message)
                if isinstance(message, Control) and message.op == "closed":
                    del self._calls[message.call]
            case Control() | Audio() | Clear():
                pass

    def _lost(self) -> None:
        self.ready = False
        self._gone.set()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.lost()


def _start(sock: socket.socket) -> subprocess.Popen[bytes]:
    """Starts the program with its end of the socket, in a session of its own.

    It is not waited for: it may outlive us, and its end is seen on the socket. One that has
    ended is reaped when the next is started.
    """
    with sock:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "telephony.sip.worker", str(sock.fileno())],
            pass_fds=(sock.fileno(),),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
