"""Engines without models and a voice detector by level, and the service on a free port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from asr.hypothesis import Capabilities, Hypothesis, Pcm, Recognizer
from asr.pool import DecodePool
from asr.service.hearing import Hearing
from asr.service.server import ServiceLimits, TranscriptionServer
from asr.service.utterances import UtteranceLimits
from asr.service.wire import RATE, Int16
from asr.streaming import ChunkedStream
from telephony.resampling import StreamResampler

WINDOW = 512


class LevelVoice:
    """A voice is whatever is loud."""

    def __init__(self) -> None:
        self._heard = 0
        self._left = np.zeros(0, np.int16)

    @property
    def heard_s(self) -> float:
        """Seconds of the stream that have come so far."""
        return self._heard / RATE

    def probabilities(self, pcm: Int16) -> list[tuple[float, int]]:
        self._heard += pcm.size
        audio = np.concatenate([self._left, pcm])
        whole = len(audio) // WINDOW * WINDOW
        self._left = audio[whole:]
        return [
            (float(np.abs(window.astype(int)).mean() > 1000), WINDOW)
            for window in audio[:whole].reshape(-1, WINDOW)
        ]


class PitchEngine:
    """Reads a tone as its frequency and its length: "440Hz 1.2s".

    `hold` stops every decode until it is set; `broken` makes finals fail.
    """

    name = "pitch"
    capabilities = Capabilities(False, True, False, False, False, ("zh",))

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.hold.set()
        self.broken = False
        self.partials = self.finals = 0

    def stream(self) -> ChunkedStream:
        return ChunkedStream(self.name, self._quick, self.transcribe)

    def _quick(self, pcm: Pcm) -> Hypothesis:
        self.partials += 1
        return replace(self._read(pcm), final=False)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        self.finals += 1
        if self.broken:
            raise RuntimeError("the engine's own words")
        return self._read(pcm)

    def _read(self, pcm: Pcm) -> Hypothesis:
        assert self.hold.wait(20)
        loud = np.flatnonzero(np.abs(pcm) > 0.05)
        if not loud.size:
            return Hypothesis(self.name, final=True)
        sound = pcm[loud[0] : loud[-1] + 1]
        pitch = round(np.abs(np.diff(np.signbit(sound).astype(int))).sum() / 2 / len(sound) * RATE)
        text = f"{round(pitch, -1)}Hz"
        return Hypothesis(
            self.name, text, ("other", "third"), final=True, scores=(-0.1, -0.2, -0.3),
            start=float(loud[0]) / RATE, end=float(loud[-1] + 1) / RATE,
        )  # fmt: skip


def tone(pitch: float, seconds: float, rate: int) -> Int16:
    times = np.arange(round(seconds * rate)) / rate
    return (12_000 * np.sin(2 * np.pi * pitch * times)).astype(np.int16)


def silence(seconds: float, rate: int) -> Int16:
    return np.zeros(round(seconds * rate), np.int16)


@dataclass
class Service:
    """A service at work, for a test."""

    port: int
    server: TranscriptionServer
    stop: Callable[[], None]
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"ws://127.0.0.1:{self.port}"


async def anybody(_: str | None) -> bool:
    return True


@asynccontextmanager
async def serving(
    engine: Recognizer,
    *,
    listener: Recognizer | None = None,
    new_voice: Callable[[], Any] = LevelVoice,
    admit: Callable[[str | None], Any] = anybody,
    limits: ServiceLimits | None = None,
    **hearing: Any,
) -> AsyncIterator[Service]:
    """The service on a free port; `stop` is what SIGTERM does."""
    stopped = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with ThreadPoolExecutor(1) as decoding, ThreadPoolExecutor(1) as hearing_executor:
        pool = DecodePool(decoding)
        working = asyncio.create_task(pool.run())
        heard = Hearing(
            engine, listener, pool, hearing_executor, new_voice, StreamResampler,
            **{"limits": UtteranceLimits(), **hearing},
        )  # fmt: skip
        server = TranscriptionServer(heard, admit, limits)

        async def run() -> None:
            async with server.listening("127.0.0.1", 0) as bound:
                port.set_result(bound)
                await stopped.wait()

        running = asyncio.create_task(run())
        try:
            yield Service(await port, server, stopped.set)
        finally:
            stopped.set()
            await running
            working.cancel()
