"""The real endpoints and the real media WebSocket, with a script in place of the bot."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from asr.pool import DecodePool, PoolFigures
from telephony.call_control import CallControl, CallInfo, IncomingCall, Rejection
from telephony.codecs import Int16
from telephony.pacing import FrameClock
from voicebot.admission import Room
from voicebot.app import Service
from voicebot.call.live import LiveFeed
from voicebot.config import Settings
from voicebot.loop_lag import LoopLag
from voicebot.metrics.instruments import Metrics
from voicebot.records.store import Records
from voicebot.surge.control import SurgeControl


@dataclass(eq=False)
class ScriptedCall:
    """One answered call: what the caller said and pressed, and the line to speak on."""

    info: CallInfo
    line: CallControl
    pcm: list[Int16] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    heard_enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, pcm: Int16) -> None:
        self.pcm.append(pcm)
        if len(self.pcm) >= 150:
            self.heard_enough.set()

    def press(self, key: str) -> None:
        self.keys.append(key)

    def caller_hung_up(self) -> None:
        self.over.set()

    async def say(self, name: str, pcm: Int16, *, at_once: bool = False) -> None:
        """Plays at the speed of life, 60 ms ahead, or as one burst."""
        await self.line.send_mark(f"begin:{name}")
        clock, frame = FrameClock(), self.line.rate // 50
        for at in range(0, len(pcm), frame):
            if not at_once and at >= 3 * frame:
                await clock.tick()
            await self.line.send_audio(pcm[at : at + frame])
        await self.line.send_mark(f"end:{name}")

    async def hang_up(self) -> None:
        self.over.set()


class ScriptedService(Service):
    """`take` answers and hands the call to the test."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self.settings, self.records, self.live = settings, records, LiveFeed()
        self.surge = SurgeControl(
            settings, records, lambda: Room(0, 8, 16, 0), lambda *_: False, lambda _: False
        )
        self.metrics = Metrics()
        self.started_at = 0.0
        self.refusal: Rejection | None = None
        self.silent = False
        self.calls: asyncio.Queue[ScriptedCall] = asyncio.Queue()

    @property
    def loop_lag(self) -> LoopLag:
        return LoopLag()

    @property
    def recognition(self) -> PoolFigures:
        return DecodePool(ThreadPoolExecutor(1)).figures(0.9, 1.5)

    @property
    def calls_in_progress(self) -> int:
        return 0

    async def take(self, call: IncomingCall) -> None:
        if self.refusal is not None:
            await call.reject(self.refusal)
            return
        line = await call.answer()
        scripted = ScriptedCall(call.info, line)
        line.listen(scripted)
        if not self.silent:
            await scripted.say("prompt:greeting", tone(523, 0.2, line.rate))
        self.calls.put_nowait(scripted)
        await scripted.over.wait()
        await line.hang_up()
        await call.closed()


def tone(hertz: float, seconds: float, rate: int, amplitude: int = 9000) -> Int16:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def pitch(pcm: Int16, rate: int) -> float:
    """The strongest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum[5:]) + 5) * rate / len(pcm)
