"""A caller who says what a scenario wants when it wants it, and keeps what he is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from telephony import messages
from telephony.clips import load_clip
from telephony.codecs import Int16, WireFormat
from telephony.pacing import FrameClock
from tests.browser.console.stage import Stage

FRAME = 160
RATE = 8000
PATIENCE_S = 60
"""A busy machine is no fault of the service."""


class Telephone:
    """Sends a frame every 20 ms, silent or not; never blocks on what it hears."""

    def __init__(self, socket: ClientConnection, call_id: str) -> None:
        self._socket, self._stream = socket, f"MZ{call_id}"
        self._wire = WireFormat.named("alaw")
        self._saying: asyncio.Queue[Int16] = asyncio.Queue()
        self._sent = 0
        self.heard: list[tuple[float, Int16]] = []
        """(when it came, seconds since the epoch; PCM at 8 kHz)."""
        self.marks: list[str] = []
        self._marked = asyncio.Event()
        self.over = asyncio.Event()

    async def says(self, path: Path) -> None:
        """Until the last of it is sent."""
        clip = load_clip(path, self._wire)
        pcm = clip.pcm[clip.speech[0] : clip.speech[1]]
        for at in range(0, len(pcm) - FRAME, FRAME):
            self._saying.put_nowait(pcm[at : at + FRAME])
        await self._saying.join()

    async def presses(self, key: str) -> None:
        await self._socket.send(messages.dtmf(self._stream, key))

    def loudest_hz(self, seconds: float = 1.0) -> float:
        """The strongest frequency of the last seconds heard; 0 where it was quiet."""
        frames = [pcm for _, pcm in self.heard][-round(50 * seconds) :]
        if not frames:
            return 0.0
        pcm = np.concatenate(frames).astype(np.float64)
        if np.abs(pcm).max() < 500:
            return 0.0
        spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
        return float(np.argmax(spectrum[5:]) + 5) * RATE / len(pcm)

    async def hears(self, hertz: float) -> None:
        """Waits until this tone is what is heard."""
        async with asyncio.timeout(PATIENCE_S):
            while abs(self.loudest_hz() - hertz) > 15:  # noqa: ASYNC110 - a sound has no event
                await asyncio.sleep(0.1)

    async def hears_mark(self, begins: str, has: str = "") -> None:
        """Waits for a mark of the bot's voice that begins like this and has this in it."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(mark.startswith(begins) and has in mark for mark in self.marks):
                self._marked.clear()
                await self._marked.wait()

    async def run(self, caller: str, call_id: str) -> None:
        """The call, until it is cancelled or the service hangs up."""
        start = {"caller": caller, "did": "12345"}
        await self._socket.send(messages.start(self._stream, call_id, self._wire, start))
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(self._speak())
            await self._listen()
            self.over.set()
            speaking.cancel()

    async def _speak(self) -> None:
        clock, silence = FrameClock(), np.zeros(FRAME, np.int16)
        while True:
            await clock.tick()
            said = not self._saying.empty()
            pcm = self._saying.get_nowait() if said else silence
            self._sent += 1
            payload = self._wire.encode(pcm)
            await self._socket.send(messages.media(self._stream, payload, chunk=self._sent))
            if said:
                self._saying.task_done()

    async def _listen(self) -> None:
        async for data in self._socket:
            message = messages.parse_message(data)
            if isinstance(message, messages.Media):
                self.heard.append((time.time(), self._wire.decode(message.payload)))
            elif isinstance(message, messages.Mark):
                self.marks.append(message.name)
                self._marked.set()
                await self._socket.send(messages.mark(self._stream, message.name))


@asynccontextmanager
async def telephone(stage: Stage, call_id: str, *, caller: str) -> AsyncIterator[Telephone]:
    """A call that goes on until the block ends."""
    headers = {"Authorization": f"Bearer {stage.running.token('media')}"}
    async with connect(stage.running.media, additional_headers=headers, proxy=None) as socket:
        phone = Telephone(socket, call_id)
        calling = asyncio.create_task(phone.run(caller, call_id))
        try:
            yield phone
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
