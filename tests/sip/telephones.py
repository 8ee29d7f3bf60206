"""Telephones of the tests, each a process of its own, and what they heard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

PROGRAM = Path(__file__).with_name("phone.py")
PATIENCE_S = 60.0


class Program:
    """A process that tells what happens, a JSON line for each event."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await self._process.stdout.readline():
            if line.startswith(b"{"):
                async with self._changed:
                    self.events.append(json.loads(line))
                    self._changed.notify_all()

    def all(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    async def wait(self, event: str, count: int = 1, **values: Any) -> dict[str, Any]:
        """The event of that name that has these values, the `count`-th."""

        def found() -> list[dict[str, Any]]:
            return [e for e in self.all(event) if values.items() <= e.items()]

        async with self._changed:
            await asyncio.wait_for(
                self._changed.wait_for(lambda: len(found()) >= count), PATIENCE_S
            )
        return found()[count - 1]

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader


class Telephone(Program):
    """Made by `telephone`."""

    def __init__(self, process: asyncio.subprocess.Process, record: Path) -> None:
        super().__init__(process)
        self._record = record

    async def hang_up(self) -> None:
        await self.do("hang up")
        await self.wait("over")

    async def press(self, keys: str) -> None:
        await self.wait("state", state="CONFIRMED")
        await self.do(f"press {keys}")

    async def do(self, what: str) -> None:
        """A line of its input, see phone.py."""
        self._process.stdin.write(what.encode() + b"\n")
        await self._process.stdin.drain()

    async def end(self) -> None:
        """Waits until it is on-hook."""
        await self.wait("end")
        await self._process.wait()

    @property
    def heard(self) -> tuple[np.ndarray, int]:
        """What it heard from the moment audio was up, and its rate."""
        return soundfile.read(self._record, dtype="int16")

    def hears(
        self, hertz: float, *, last_s: float = 0.0, first_s: float = 0.0, share: float = 0.2
    ) -> bool:
        """Whether there is that tone in what it heard, its last or first seconds alone."""
        pcm, rate = self.heard
        if last_s:
            pcm = pcm[-round(last_s * rate) :]
        if first_s:
            pcm = pcm[: round(first_s * rate)]
        return has_tone(pcm, rate, hertz, share)


def has_tone(pcm: np.ndarray, rate: int, hertz: float, share: float = 0.2) -> bool:
    """At least that share of 0.1 s windows has this tone clearly (amplitude over about 300)."""
    size = rate // 10
    windows = pcm[: len(pcm) // size * size].reshape(-1, size).astype(float)
    if not len(windows):
        return False
    wave = np.exp(-2j * np.pi * hertz * np.arange(size) / rate)
    levels = np.abs(windows @ (wave * np.hanning(size))) / (size / 4)
    return bool((levels > 300).mean() > share)


@contextlib.asynccontextmanager
async def telephone(folder: Path, name: str, **spec: Any) -> AsyncIterator[Telephone]:
    """A telephone by its specification (see phone.py), ready."""
    record = folder / f"{name}.wav"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), json.dumps({"record": str(record), **spec}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    phone = Telephone(process, record)
    try:
        yield phone
    finally:
        await phone.close()


@contextlib.asynccontextmanager
async def service(**spec: Any) -> AsyncIterator[Program]:
    """A main process by its specification (see service.py)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sip.service", json.dumps(spec),
        stdout=asyncio.subprocess.PIPE, cwd=PROGRAM.parents[2],
    )  # fmt: skip
    program = Program(process)
    try:
        yield program
    finally:
        await program.close()


async def desk(stack: contextlib.AsyncExitStack, folder: Path, name: str, **spec: Any):
    """A telephone that waits for calls; gives it and its SIP address."""
    phone = await stack.enter_async_context(telephone(folder, name, **spec))
    port = (await phone.wait("ready"))["port"]
    return phone, f"sip:127.0.0.1:{port}"
