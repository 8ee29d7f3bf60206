"""The SIP endpoint: calls taken by several media processes behind one address.

    async def take(call: IncomingCall) -> None: ...

    endpoint = SipEndpoint(SipSettings(trunks={"police": "sip:127.0.0.1:5110"}), take)
    await endpoint.run()        # until cancelled

UDP calls come to `front.Front`, which spreads them over the processes. With TCP or TLS
process k listens on port + k itself, and whoever sends calls knows them all (DNS SRV, a
dispatcher): docs/sip.md.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable

import structlog

from telephony.call_control import IncomingCall
from telephony.sip.call import SipCall
from telephony.sip.front import Front
from telephony.sip.process import MediaProcess
from telephony.sip.settings import SipSettings

log = structlog.get_logger()

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Before a process that has ended is started again; doubled while it ends soon again."""
SOON_S = 10.0
COMING_S = 3.0
"""How long a new call waits for a process that is being started, instead of being refused."""
AT_ONCE = os.cpu_count() or 1
"""Processes that start at a time: more would all be up later, and take the machine from calls."""

Take = Callable[[IncomingCall], Awaitable[None]]


class SipEndpoint:
    """Parameters:
    take: serves a call from its offer to its end; voicebot.app.Service.take.
    """

    def __init__(self, settings: SipSettings, take: Take) -> None:
        self.settings, self._take = settings, take
        self._front: Front | None = None
        self._processes: list[MediaProcess | None] = [None] * settings.processes
        self._turned_at = [-math.inf] * settings.processes
        """When the process of each slot was started, or ended."""
        self._starting = asyncio.Semaphore(AT_ONCE)
        self._calls: set[asyncio.Task[None]] = set()
        self.started = asyncio.Event()
        """Every process has come up once: calls are answered."""
        self.port = settings.port
        """Where calls are taken; another than the settings' when that is 0."""

    @property
    def processes(self) -> list[MediaProcess]:
        """Those that are up."""
        return [each for each in self._processes if each is not None]

    @property
    def up(self) -> bool:
        """At least one process takes calls."""
        return any(process.ready for process in self.processes)

    @property
    def room(self) -> int:
        """Callers that can be taken at this moment."""
        return sum(max(0, process.room) for process in self.processes)

    async def run(self) -> None:
        """Answers calls until cancelled. Errors: OSError when the port is taken (UDP)."""
        if self.settings.front:
            self._front = await Front.open(self.settings, self._choose, self._ports, self._coming)
            self.port = self._front.port
        try:
            async with asyncio.TaskGroup() as group:
                for slot in range(self.settings.processes):
                    group.create_task(self._keep(slot))
        finally:
            if self._front is not None:
                self._front.close()

    def _ready(self) -> None:
        if all(each is not None and each.ready for each in self._processes):
            self.started.set()

    async def _keep(self, slot: int) -> None:
        """Starts a process again and again."""
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE_S
        front = f"{self.settings.host}:{self.port}" if self._front else ""
        while True:
            port = 0 if self._front or not self.settings.port else self.settings.port + slot
            process = self._processes[slot] = MediaProcess(
                self.settings, port, front, self._offered, self._ready
            )
            async with asyncio.TaskGroup() as group, self._starting:
                began = self._turned_at[slot] = loop.time()
                group.create_task(process.run())
                await process.settled.wait()
            self._turned_at[slot] = loop.time()
            log.error("sip_process_ended", slot=slot, pid=process.pid)
            lived = loop.time() - began
            pause = FIRST_PAUSE_S if lived > SOON_S else min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    def _ports(self) -> set[int]:
        return {process.port for process in self.processes if process.ready}

    def _coming(self) -> bool:
        now = asyncio.get_running_loop().time()
        return any(
            now - turned_at < COMING_S and not (process and process.ready)
            for process, turned_at in zip(self._processes, self._turned_at, strict=True)
        )

    def _choose(self, sip_id: str) -> int | None:
        """The port of the process with the most room, for a new call; None when all are full."""
        best = max(self.processes, key=lambda each: each.room, default=None)
        if best is None or best.room <= 0:
            return None
        best.expect(sip_id)
        return best.port

    def _offered(self, call: SipCall) -> None:
        task = asyncio.create_task(self._serve(call), name="sip-call")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _serve(self, call: SipCall) -> None:
        try:
            await self._take(call)
        except Exception:
            log.exception("sip_call_failed", call=call.info.call_id)
        finally:
            await call.finish()
