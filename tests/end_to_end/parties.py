"""The parties of a call: desks, callers, a telephone that is silent on the wire."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile as sf
from websockets.asyncio.client import ClientConnection

from telephony import messages
from telephony.call_report import CallReport
from telephony.caller import place_call
from telephony.clips import load_clip
from telephony.codecs import WireFormat
from telephony.desk import create_desk
from telephony.loopback_server import LoopbackServer
from telephony.pacing import FrameClock

from .conftest import ROOT, Running
from .hearing import channel, sound_s


@dataclass
class Desk:
    """The 110 desk's side of the tests."""

    folder: Path

    def dossiers(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.folder.glob("dossiers/*.json")]

    def caller_heard_s(self) -> float:
        """Seconds of the caller's voice on the line that was up longest."""
        lines = [channel(path, 0) for path in self.folder.glob("lines/*.wav")]
        pcm, rate = max(lines, key=lambda line: len(line[0]))
        return sound_s(pcm, rate)


@asynccontextmanager
async def desk(
    running: Running, folder: Path, officer: Path, *, port: int | None = None, **options: Any
) -> AsyncIterator[Desk]:
    """A desk for every 110, or on another port."""
    pcm, rate = sf.read(officer, dtype="int16")
    app = create_desk(
        token=running.token("desk"),
        record_dir=folder,
        greeting=(pcm, rate),
        **{"answer_after_s": 0.5, **options},
    )
    async with LoopbackServer(app, port=port or running.desk_port):
        yield Desk(folder)


async def call(
    running: Running, files: list[Path], *, caller: str = "13800138000", **options: Any
) -> tuple[CallReport, dict[str, Any]]:
    """Place a call and fetch its record."""
    options = {"did": "12345", "quiet_s": 5.0, "max_s": 90.0, **options}
    did = options.pop("did")
    report = await place_call(
        running.media, files, caller, did, token=running.token("media"), **options
    )
    return report, running.record(report.call_sid)


async def connected(running: Running, call_id: str) -> None:
    """Waits until the service knows that a person is on a leg of this call."""
    async with asyncio.timeout(60):
        while True:
            answer = await asyncio.to_thread(running.get, f"/api/calls/{call_id}")
            if any(each["connected_at"] for each in answer.json().get("handoffs", ())):
                return
            await asyncio.sleep(0.1)


@contextmanager
def desk_process(
    running: Running, folder: Path, officer: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`voicebot desk` for every 110, a process that can die; it prints its events as JSON."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "voicebot.cli", "desk", "--json"),
            *("--port", str(running.desk_port), "--answer-after", "0.5"),
            *("--greeting", str(officer), "--record", str(folder)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "VOICEBOT_PATHS__STATE": str(folder),
            "VOICEBOT_DESK_TOKEN": running.token("desk"),
        },
    )
    try:
        deadline = time.monotonic() + 120
        while not _listens(running.desk_port):
            assert process.poll() is None, "the desk did not start"
            assert time.monotonic() < deadline, "the desk did not start"
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Phone:
    """A telephone that sends packets only while it has something to say (DTX)."""

    def __init__(self, socket: ClientConnection, call_id: str) -> None:
        self._socket, self._stream = socket, f"MZ{call_id}"
        self._wire = WireFormat.named("alaw")
        self._frames = 0
        self.marks: asyncio.Queue[str] = asyncio.Queue()

    async def start(self, call_id: str, caller: str) -> None:
        custom = {"caller": caller, "did": "12345"}
        await self._socket.send(messages.start(self._stream, call_id, self._wire, custom))

    async def listen(self) -> None:
        """Takes what comes, until cancelled."""
        async for data in self._socket:
            message = messages.parse_message(data)
            if isinstance(message, messages.Mark):
                self.marks.put_nowait(message.name)

    async def until(self, mark: str, seconds: float) -> None:
        """Waits for a mark that begins like this."""
        async with asyncio.timeout(seconds):
            while not (await self.marks.get()).startswith(mark):
                pass

    async def speak(self, path: Path) -> None:
        """Says what is in a file, from its first sound to its last."""
        clip = load_clip(path, self._wire)
        pcm = clip.pcm[clip.speech[0] : clip.speech[1]]
        clock = FrameClock()
        for at in range(0, len(pcm) - 160, 160):
            await clock.tick()
            self._frames += 1
            payload = self._wire.encode(pcm[at : at + 160])
            await self._socket.send(messages.media(self._stream, payload, chunk=self._frames))
