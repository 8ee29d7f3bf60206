"""Nodes for tests: in a thread of the test, or in a process of their own that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from asr.hypothesis import Hypothesis, Pcm, Recognizer
from asr.nodes.address import NatsServers
from asr.nodes.node import Node
from asr.streaming import ChunkedStream
from tests.asr.supervised_doubles import Letters, hear_letters

ROOT = Path(__file__).resolve().parents[2]


class Held(Letters):
    """Letters that are heard once a file is there; another file tells that a decode is at work.

    Args:
        folder: ``held`` in it holds all decodes; ``NAME.at-work`` appears with the first.
        name: of the node.
    """

    workers = 1

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def stream(self) -> ChunkedStream:
        return ChunkedStream(
            "letters", self.transcribe, self.transcribe, window_seconds=1e3, partial_seconds=1e3
        )

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        (self._folder / f"{self._name}.at-work").touch()
        while (self._folder / "held").exists():
            time.sleep(0.01)
        return hear_letters(pcm)


class NodeThread:
    """A node in a thread of the test's process."""

    def __init__(self, engine: Recognizer, servers: NatsServers, name: str, **more: str) -> None:
        self._ready = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self.node: Node | None = None
        self._thread = Thread(target=self._run, args=(engine, servers, name, more), daemon=True)
        self._thread.start()
        while self.node is None:
            time.sleep(0.01)

    def leave(self, *, wait: bool = True) -> None:
        """As at SIGTERM."""
        self._loop.call_soon_threadsafe(self._ready.set)
        if wait:
            self._thread.join()

    def _run(
        self, engine: Recognizer, servers: NatsServers, name: str, more: dict[str, str]
    ) -> None:
        async def run() -> None:
            self.node = Node(engine, servers, name=name, **more)
            await self.node.run(self._ready)

        self._loop.run_until_complete(run())


class NodeProcess:
    """A node of letters in a process of its own."""

    def __init__(self, servers: NatsServers, name: str, folder: Path) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.asr.nodes_doubles", servers.urls[0], name, str(folder)],
            cwd=ROOT,
        )

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        return self._process.wait(60)


def main(url: str, name: str, folder: str) -> None:
    """One node of letters, until SIGTERM."""

    async def run() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        await Node(Held(Path(folder), name), NatsServers((url,)), name=name).run(stopping)

    asyncio.run(run())
    os._exit(0)  # threads that are held


def in_background(work: Callable[[], Hypothesis]) -> Callable[[], Hypothesis]:
    """Runs it in a thread; call what is returned for its result, or what it raised."""
    found: list[Hypothesis | Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()

    def result() -> Hypothesis:
        thread.join(60)
        (outcome,) = found
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
