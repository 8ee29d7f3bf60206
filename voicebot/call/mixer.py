"""The one sender of a call's line: what the bot says and what the far side says, mixed.

It sends 20 ms at a time with a 60 ms cushion, so that a barge-in drops at most the
cushion and no backlog can build up in a PBX (asterisk#2115, pipecat#366). Two senders
on one line would chop each other's audio; here the caller hears both at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import structlog

from telephony.call_control import Line
from telephony.codecs import FRAME_SECONDS, Int16, padded
from voicebot.call.far_side import FarSide
from voicebot.call.rendering import Rendering

log = structlog.get_logger()

CUSHION_S = 0.06
"""Audio sent ahead of time; covers the scheduling gaps of a loaded machine."""

SEND_S = 1.0
"""How long a line may take one frame; one that takes longer has failed."""


@dataclass(slots=True, eq=False)
class Speech:
    """One utterance on its way to the line.

    Parameters:
        audio: at the line's rate; what of it is late is waited for in silence.
        begin, end: marks round it.
        began: called when its begin mark is sent.
    """

    audio: Rendering
    begin: str
    end: str
    began: Callable[[], None]
    samples: int = 0
    """Sent so far, padding included."""
    open: bool = False
    """Its begin mark is sent."""
    left_s: float = 0.0
    """Once it is sent: how long the caller still hears it."""
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """All of it is sent."""
        return self.audio.whole and self.samples >= len(self.audio.pcm)


class Mixer:
    """Sends one call's audio.

    Parameters:
        line: where the audio goes.
        tap: sees everything that was sent, for the recording.
        now: seconds, of any clock.
    """

    def __init__(self, line: Line, tap: Callable[[Int16], None], now: Callable[[], float]) -> None:
        self._line, self._tap, self._now = line, tap, now
        self._far_sides: dict[str, FarSide] = {}
        """The other parties, by the line they were called for."""
        self._frame = round(line.rate * FRAME_SECONDS)
        self._speech: Speech | None = None
        self._wake = asyncio.Event()
        self._began: float | None = None
        """When the present stretch of sound began; None when the line is idle."""
        self._sent_s = 0.0
        self._failing = False

    def speak(self, speech: Speech) -> None:
        """Send an utterance now; `speech.sent` is set when it is on its way."""
        self._speech = speech
        self._wake.set()

    def drop(self) -> None:
        """Nothing more of the utterance in hand; what the line has buffered is gone too."""
        self._speech = None
        self._began = None

    @property
    def loud_at(self) -> float:
        """When a far side was last heard; −∞ for never."""
        return max((each.loud_at for each in self._far_sides.values()), default=float("-inf"))

    def hear_far_side(self, pcm: Int16, rate: int, bridged: bool = False, party: str = "") -> None:
        """Audio of a far side, as it comes; `bridged`: the caller hears it without us."""
        if party not in self._far_sides:
            self._far_sides[party] = FarSide(self._line.rate, self._now)
        far_side = self._far_sides[party]
        far_side.bridged = bridged
        far_side.push(pcm, rate)
        self._wake.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            if not self._due():
                self._began = None
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._pace()
                async with asyncio.timeout(SEND_S):
                    await self._step()
                self._failing = False
            except Exception:
                if not self._failing:  # once, not fifty times a second
                    log.exception("line_not_sent")
                self._failing = True
                if self._speech is not None:
                    self._finish(self._speech)
                await asyncio.sleep(FRAME_SECONDS)

    def _due(self) -> bool:
        """There is something to send, be it the silence between two frames of the far side."""
        if self._speech is not None:
            return True
        far_sides = self._far_sides.values()
        if self._began is None:
            return any(each.ready(CUSHION_S) for each in far_sides)
        return any(each.present for each in far_sides)

    async def _step(self) -> None:
        if not self._due():  # it was taken back meanwhile
            return
        speech = self._speech
        if speech is not None and not speech.open:
            speech.open = True
            await self._line.send_mark(speech.begin)
            if self._speech is not speech:
                return
            speech.began()
        await self._send(*self._next(speech))
        if speech is not None and self._speech is speech and speech.over:
            await self._line.send_mark(speech.end)
            if self._speech is speech:
                self._finish(speech)

    async def _pace(self) -> None:
        clock = asyncio.get_running_loop().time
        if self._began is not None:
            ahead = self._sent_s - (clock() - self._began)
            if ahead > CUSHION_S - FRAME_SECONDS:
                await asyncio.sleep(ahead - (CUSHION_S - FRAME_SECONDS))
            elif ahead < 0:
                self._began = None  # it ran dry: what is late stays late, nothing piles up
        if self._began is None:
            self._began, self._sent_s = clock(), 0.0

    def _next(self, speech: Speech | None) -> tuple[Int16 | None, Int16 | None]:
        """The next 20 ms, (to the line, as the caller hears it); None where there is nothing."""
        to_line = heard = self._said(speech) if speech is not None else None
        for far_side in self._far_sides.values():
            far = far_side.take()
            heard = _mixed(heard, far)
            to_line = to_line if far_side.bridged else _mixed(to_line, far)
        if speech is None and heard is None:
            heard = np.zeros(self._frame, np.int16)
            only_bridged = all(each.bridged for each in self._far_sides.values())
            to_line = None if only_bridged else heard
        return to_line, heard

    def _said(self, speech: Speech) -> Int16 | None:
        said = speech.audio.pcm[speech.samples : speech.samples + self._frame]
        if len(said) < self._frame and not speech.audio.whole:
            return np.zeros(self._frame, np.int16)
        if not len(said):
            return None
        speech.samples += self._frame
        return padded(said, self._frame)

    async def _send(self, to_line: Int16 | None, heard: Int16 | None) -> None:
        if to_line is not None:
            await self._line.send_audio(to_line)
        if heard is not None:
            self._tap(heard)
            self._sent_s += FRAME_SECONDS

    def _finish(self, speech: Speech) -> None:
        now = asyncio.get_running_loop().time()
        speech.left_s = max(0.0, self._sent_s - (now - self._began)) if self._began else 0.0
        self._speech = None
        speech.sent.set()


def _mixed(said: Int16 | None, far: Int16 | None) -> Int16 | None:
    if said is None or far is None:
        return far if said is None else said
    both: Int16 = np.clip(said.astype(np.int32) + far, -32768, 32767).astype(np.int16)
    return both
