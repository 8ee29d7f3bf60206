"""A SIP telephone in this process that holds as many calls as it must (UDP, RFC 3261).

The telephones of tests/asterisk hold four calls and take a twentieth of a core each; forty of
them would be what the trial measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

from benchmarks.cluster_trial import sip_messages as sip
from benchmarks.cluster_trial.sound import STEP_S, Sound
from telephony.sip.datagram import Datagram, read

T1_S = 0.5
"""Before a request that nothing answers is sent again; twice that each time."""
GIVE_UP_S = 8.0
"""Nobody waits longer for a telephone exchange that says nothing."""
T2_S = 4.0
"""The longest pause."""
BYE_S = 32.0
"""Timer F: so long a telephone goes on saying that it has hung up."""


class Line:
    """One call."""

    def __init__(self, call_id: str, number: str, sound: Sound, media: sip.Address) -> None:
        self.call_id, self.number = call_id, number
        self.sound, self.media = sound, media
        self.dialogue: sip.Dialogue | None = None
        self.heard_of = asyncio.Event()
        """Anything at all was answered."""
        self.up, self.over = asyncio.Event(), asyncio.Event()
        self.up_at = self.over_at = 0.0
        """Monotonic seconds."""
        self.far: sip.Address | None = None
        self.code = 0
        """Of the final answer."""
        self.by_far = False
        """The other side has ended it."""
        self.bye_answered = asyncio.Event()
        self.last_answer = b""

    def talk(self, description: str) -> None:
        """It is up; the other side listens where it says."""
        self.far = sip.media_of(description)
        if self.far is not None:
            self.sound.start(self.far)
        self.up_at = self.up_at or time.monotonic()
        self.up.set()

    def end(self, *, by_far: bool) -> None:
        if not self.over.is_set():
            self.by_far, self.over_at = by_far, time.monotonic()
            self.sound.close()
            self.over.set()


class Softphone(asyncio.DatagramProtocol):
    """Made by `open`.

    Parameters:
        on_call: what is done with a call that comes in; it calls `answer`.
    """

    def __init__(self, on_call: Callable[[Line, Datagram], Awaitable[None]] | None) -> None:
        self._on_call = on_call
        self._transport: asyncio.DatagramTransport | None = None
        self.address: sip.Address = ("", 0)
        self.lines: dict[str, Line] = {}
        self._invites: dict[str, Datagram] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        host: str = "127.0.0.1",
        on_call: Callable[[Line, Datagram], Awaitable[None]] | None = None,
    ) -> AsyncIterator[Softphone]:
        """On a free port, until the block ends."""
        loop = asyncio.get_running_loop()
        _, phone = await loop.create_datagram_endpoint(lambda: cls(on_call), local_addr=(host, 0))
        pacing = asyncio.create_task(phone._pace())
        try:
            yield phone
        finally:
            pacing.cancel()
            for task in (*phone._tasks,):
                task.cancel()
            await asyncio.gather(pacing, *phone._tasks, return_exceptions=True)
            phone._close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = cast(sip.Address, transport.get_extra_info("sockname")[:2])

    async def call(
        self, number: str, caller: str, proxy: sip.Address, *, patience_s: float = GIVE_UP_S
    ) -> Line:
        """A new call, which becomes up or over; over when nothing at all is said for so long."""
        sound, media = await Sound.open(self.address[0])
        line = Line(secrets.token_hex(8), caller, sound, media)
        self.lines[line.call_id] = line
        to = f"sip:{number}@{proxy[0]}:{proxy[1]}"
        request = sip.invite(to, caller, self.address, line.call_id, _branch(), media)
        sent = read(request)
        assert sent is not None
        self._invites[line.call_id] = sent
        self._spawn(self._insist(request, proxy, line.heard_of, line, patience_s))
        return line

    async def hang_up(self, line: Line) -> None:
        """BYE, until it is answered or `BYE_S` have passed."""
        if line.over.is_set():
            return
        dialogue = line.dialogue
        line.end(by_far=False)
        if dialogue is not None and line.up.is_set():
            bye = sip.within("BYE", dialogue, self.address, 2, _branch())
            self._spawn(self._insist(bye, dialogue.hop, line.bye_answered, None, BYE_S))
        elif (sent := self._invites.get(line.call_id)) is not None:
            self._send(sip.cancel(sent), sip.address_of(sent.start.split()[1]))

    def ring(self, line: Line, request: Datagram) -> None:
        self._answer(line, request, "180 Ringing")

    def answer(self, line: Line, request: Datagram) -> None:
        """200, again until it is acknowledged."""
        line.dialogue = sip.called(request, line.call_id)
        self._answer(line, request, "200 OK", line.media)
        line.talk(request.body)
        self._spawn(self._insist(line.last_answer, sip.source_of(request), line.heard_of, None))

    # ── what comes ────────────────────────────────────────────────────────────────────

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = read(data)
        if message is None:
            return
        line = self.lines.get(message.first("call-id"))
        if not message.method:
            if line is not None:
                self._response(line, message)
        elif message.method == "INVITE" and line is None:
            if self._on_call is not None:
                self._spawn(self._take(message))
        elif message.method == "OPTIONS" and line is None:
            # The dispatcher asks whether it is there.
            self._send(sip.answer(message, "200 OK", _tag(), self.address), sip.source_of(message))
        elif line is not None:
            self._request(line, message)

    def _response(self, line: Line, message: Datagram) -> None:
        method = message.first("cseq").split()[-1]
        code = int(message.start.split()[1])
        if method == "BYE":
            line.bye_answered.set()
            return
        if method != "INVITE":
            return
        line.heard_of.set()
        if code < 200:
            return
        line.code = code
        if code < 300:
            if line.dialogue is None:
                line.dialogue = sip.called_by(message)
                if line.over.is_set():  # given up while the answer was on its way
                    bye = sip.within("BYE", line.dialogue, self.address, 2, _branch())
                    self._send(bye, line.dialogue.hop)
                else:
                    line.talk(message.body)
            ack = sip.within("ACK", line.dialogue, self.address, 1, _branch())
            self._send(ack, line.dialogue.hop)
        else:
            sent = self._invites[line.call_id]
            ack = sip.of_refusal(sent, message.first("to"))
            self._send(ack, sip.address_of(sent.start.split()[1]))
            line.end(by_far=True)

    def _request(self, line: Line, message: Datagram) -> None:
        match message.method:
            case "ACK":
                line.heard_of.set()
            case "BYE":
                self._reply(line, message)
                line.end(by_far=True)
            case "CANCEL":
                self._reply(line, message)
                if not line.up.is_set() and (offered := self._invites.get(line.call_id)):
                    self._answer(line, offered, "487 Request Terminated")
                    line.end(by_far=True)
            case "INVITE" if ";tag=" in message.first("to").lower():
                self._answer(line, message, "200 OK", line.media)
                line.talk(message.body or "")
            case "INVITE":
                if line.last_answer:
                    self._send(line.last_answer, sip.source_of(message))
            case _ if line.over.is_set():
                gone = "481 Call/Transaction Does Not Exist"
                self._send(
                    sip.answer(message, gone, line.call_id, self.address), sip.source_of(message)
                )
            case _:
                self._reply(line, message)

    def _reply(self, line: Line, request: Datagram) -> None:
        self._send(
            sip.answer(request, "200 OK", line.call_id, self.address), sip.source_of(request)
        )

    async def _take(self, request: Datagram) -> None:
        assert self._on_call is not None
        call_id = request.first("call-id")
        sound, media = await Sound.open(self.address[0])
        if call_id in self.lines:  # sent twice meanwhile
            sound.close()
            return
        line = Line(call_id, sip.user_of(request.first("from")), sound, media)
        self.lines[call_id], self._invites[call_id] = line, request
        await self._on_call(line, request)

    # ── what goes out ─────────────────────────────────────────────────────────────────

    async def _pace(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + STEP_S, time.monotonic() - 0.2)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            for line in [each for each in self.lines.values() if not each.over.is_set()]:
                line.sound.tick()

    async def _insist(
        self,
        data: bytes,
        to: sip.Address,
        until: asyncio.Event,
        line: Line | None,
        seconds: float = GIVE_UP_S,
    ) -> None:
        """Sends until it is answered; a `line` without any answer is over then."""
        pause, ends = T1_S, time.monotonic() + seconds
        while not until.is_set() and time.monotonic() < ends:
            if line is not None and line.over.is_set():
                return
            self._send(data, to)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), min(pause, ends - time.monotonic()))
            pause = min(2 * pause, T2_S)
        if line is not None and not until.is_set():
            line.end(by_far=True)

    def _answer(
        self, line: Line, request: Datagram, status: str, media: sip.Address | None = None
    ) -> None:
        line.last_answer = sip.answer(request, status, line.call_id, self.address, media)
        self._send(line.last_answer, sip.source_of(request))

    def _send(self, data: bytes, to: sip.Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _close(self) -> None:
        for line in self.lines.values():
            line.end(by_far=False)
        if self._transport is not None:
            self._transport.close()


def _tag() -> str:
    return secrets.token_hex(4)


def _branch() -> str:
    return f"z9hG4bK{secrets.token_hex(8)}"
