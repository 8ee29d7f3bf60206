"""What is done to the service, its desks, its disk, its clock and its database."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.chaos.callers import until
from benchmarks.chaos.judging import Span
from benchmarks.chaos.stage import Stage

TRANSCRIBER, EARS = "asr.supervised.program", "voicebot.ear_process.program"
HANDOFF_S = 60.0
"""How long a hand-off is waited for in which the desk is killed."""
EXTRA_S = 1.0
"""Nobody is blamed for silence so long after a thaw: what was frozen has to catch up."""


class Fault:
    """One fault, injected and undone.

    Parameters:
        excused: spans of time.time() in which nobody can be heard are added to it as they begin.
    """

    def __init__(self, stage: Stage, excused: list[Span]) -> None:
        self._stage, self._plan, self._excused = stage, stage.plan, excused
        self.died_at: float | None = None
        """When the service was killed, by time.time()."""

    async def run(self) -> None:
        """Returns when it is over; undoes it also when it is cancelled."""
        act: dict[str, Callable[[], Awaitable[None]]] = {
            "transcriber_killed": partial(self._kill, TRANSCRIBER),
            "transcriber_frozen": partial(self._freeze, TRANSCRIBER),
            "ears_killed": partial(self._kill, EARS),
            "ears_frozen": partial(self._freeze, EARS),
            "desk_killed": self._kill_desk,
            "service_killed": self._kill_service,
            "service_frozen": self._freeze_service,
            "postgresql_killed": self._kill_postgresql,
            "database_locked": self._lock_database,
            "disk_full": self._fill_disk,
            "clock_jump": self._move_clock,
        }
        todo = act.get(self._plan.kind)
        if todo is not None:
            if self._plan.kind != "desk_killed":
                await asyncio.sleep(self._plan.at_s)
            await todo()

    async def _kill(self, module: str) -> None:
        for pid in self._stage.processes(module):
            os.kill(pid, signal.SIGKILL)

    async def _freeze(self, module: str) -> None:
        pids = self._stage.processes(module)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._plan.lasts_s)
        finally:
            for pid in set(pids) & set(self._stage.processes(module)):
                os.kill(pid, signal.SIGCONT)

    async def _kill_desk(self) -> None:
        police = self._stage.police
        await until(police.rung, HANDOFF_S)
        await asyncio.sleep(self._plan.at_s / 4)
        await asyncio.to_thread(police.kill)
        try:
            await asyncio.sleep(self._plan.lasts_s)
        finally:
            await asyncio.to_thread(police.start, self._stage.desk_token)

    async def _kill_service(self) -> None:
        self.died_at = time.time()
        await asyncio.to_thread(self._stage.running.kill)
        await asyncio.to_thread(self._stage.running.start)

    async def _freeze_service(self) -> None:
        service, began = self._stage.running, time.time()
        self._excused.append((began, math.inf))
        service.freeze(True)
        try:
            await asyncio.sleep(self._plan.lasts_s)
        finally:
            service.freeze(False)
            self._excused[-1] = (began, time.time() + EXTRA_S)

    async def _kill_postgresql(self) -> None:
        server = self._stage.postgres
        assert server is not None
        await asyncio.to_thread(server.kill)
        try:
            await asyncio.sleep(self._plan.lasts_s)
        finally:
            await asyncio.to_thread(server.start, durable=True)

    async def _lock_database(self) -> None:
        with contextlib.closing(
            sqlite3.connect(self._stage.state / "voicebot.db", timeout=10, isolation_level=None)
        ) as database:
            database.execute("BEGIN EXCLUSIVE")
            await asyncio.sleep(self._plan.lasts_s)
            database.execute("ROLLBACK")

    async def _fill_disk(self) -> None:
        ballast = self._stage.state / "ballast"
        try:
            await asyncio.to_thread(_fill, ballast)
            await asyncio.sleep(self._plan.lasts_s)
        finally:
            ballast.unlink(missing_ok=True)

    async def _move_clock(self) -> None:
        self._stage.move_clock(self._plan.jump_s)
        try:
            await asyncio.sleep(self._plan.lasts_s)
        finally:
            self._stage.move_clock(0)


def _fill(path: Path) -> None:
    """Until not one byte more fits."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


class LossyNetwork:
    """A line to the service on which packets get lost, as TCP lets it be felt.

    What is lost is sent again after 200 ms, then 400: nothing of the connection arrives
    meanwhile, and then all at once. `tc netem` would do it to packets themselves where the
    kernel has it.

    Parameters:
        loss: of packets, from 0 to 1.
        delay_s, jitter_s: of each piece of data that is not lost.
    """

    def __init__(
        self, port: int, dice: Random, *, loss: float, delay_s: float, jitter_s: float
    ) -> None:
        self._to, self._dice = port, dice
        self._loss, self._delay_s, self._jitter_s = loss, delay_s, jitter_s
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """The port that leads through it."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, out = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            back.close()
            return
        await asyncio.gather(self._pump(near, out), self._pump(far, back))
        for writer in (out, back):
            writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        arrivals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(arrivals, sink))
        due = 0.0
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                due = max(due, time.monotonic() + self.late_by())
                arrivals.put_nowait((due, data))
        arrivals.put_nowait((due, b""))
        await delivering

    async def _deliver(
        self, arrivals: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = await arrivals.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    sink.write_eof()
                    return
                sink.write(data)
                await sink.drain()

    def late_by(self) -> float:
        """Seconds by which the next piece comes late."""
        late, again = self._delay_s + self._dice.uniform(0, self._jitter_s), 0.2
        while self._dice.random() < self._loss:
            late, again = late + again, again * 2
        return late
