"""Whether a person is on a leg: listens to the far side until that is decided.

Tones are told by their cadence (`telephony.call_progress`), announcements by their words
(`flows.far_side`, which decides). It listens in a task of its own, so that a slow model holds
up neither the far side's audio nor the leg's events. Without an ear voice must do, and
without a voice detector loudness.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
import structlog

from flows.far_side import PAUSE_S, VOICE_S, FarSideHeard, Verdict, Who, judge
from telephony.call_progress import CallProgress, Tone
from telephony.codecs import FRAME_SECONDS, Int16
from telephony.resampling import StreamResampler
from telephony.speech_level import window_is_loud
from voicebot.call.far_ear import FarEar, MakeEar

log = structlog.get_logger()

RATE = 16_000

LOUD_AS_VOICE = 0.5
"""Where nothing tells voice from other sound, twice as much of it is needed."""

VOICE = 0.6

MAX_WAITING = 100
"""Frames, 2 s: of more only the newest are listened to."""

MAKE_S = 1.0
"""How long a detector may take to be made before loudness must do."""

BATCH_S = 0.06
"""Audio that is listened to at once: fewer, longer jobs for threads that all calls share."""

TICK_S = 0.1
"""Without a frame for so long the far side is silent."""

FORGET_S = 3.0
"""Silence after which what was heard and not understood was noise."""

_TONES = {
    Tone.BUSY: Verdict(Who.REFUSED, "in_band_busy"),
    Tone.CONGESTION: Verdict(Who.REFUSED, "in_band_busy"),
    Tone.UNOBTAINABLE: Verdict(Who.REFUSED, "in_band_unobtainable"),
    Tone.DIAL: Verdict(Who.REFUSED, "in_band_dial_tone"),
    Tone.RINGBACK: Verdict(Who.QUEUE, "in_band_ringback"),
}

SPEAKING = Verdict(Who.UNDECIDED, "speaking")
"""Somebody or something has begun to speak."""

Probabilities = Callable[[Int16], Awaitable[list[tuple[float, int]]]]


@dataclass(slots=True)
class _Utterance:
    """What the far side says between two silences."""

    early: bool = False
    syllables: tuple[str, ...] | None = ()
    voice_s: float = 0.0
    pause_s: float = 0.0
    queue: str = ""
    """The phrase of an announcement that was heard in it."""


class PersonWatch:
    """Listens to one leg until a person was heard, or what means that none will be.

    Parameters:
        make_voice: makes a voice detector for 16 kHz audio.
        make_ear: makes an ear for the words.
        tell: told what is known; after a person or a refusal nothing more.
    """

    def __init__(
        self,
        make_voice: Callable[[], Awaitable[Probabilities]],
        make_ear: MakeEar,
        tell: Callable[[Verdict], None],
    ) -> None:
        self._make_voice, self._make_ear, self._tell = make_voice, make_ear, tell
        self._voice: Probabilities | None = None
        self._ear: FarEar | None = None
        self._utterance = _Utterance()
        self._queued = self._decided = False
        self._frames: deque[tuple[Int16, int, bool]] = deque(maxlen=MAX_WAITING)
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def push(self, pcm: Int16, rate: int, *, early: bool = False) -> None:
        """Audio of the far side, PCM16 mono; `early`: from before it answered."""
        self._frames.append((pcm, rate, early))
        self._arrived.set()

    @property
    def somebody(self) -> bool:
        """Speech is being heard that is no announcement so far: when time is up, a person."""
        utterance = self._utterance
        return (
            utterance.voice_s >= VOICE_S
            and utterance.syllables != ()
            and not (utterance.early or utterance.queue)
        )

    def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        if self._ear is not None:
            self._ear.renew()  # a decode under way is of no use any more

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(MAKE_S):
                self._voice = await self._make_voice()
        except Exception:
            log.exception("no_voice_detector")
        self._ear = self._made_ear()
        tones: CallProgress | None = None
        to_16k: StreamResampler | None = None
        while not self._decided:
            if not self._frames:
                await self._next_frame()
                if self._frames:
                    await asyncio.sleep(BATCH_S - FRAME_SECONDS)
                continue
            pcm, rate, early = self._frames.popleft()
            while self._frames and self._frames[0][1:] == (rate, early):
                pcm = np.concatenate([pcm, self._frames.popleft()[0]])
            if tones is None or to_16k is None or to_16k.rate_in != rate:
                tones, to_16k = CallProgress(rate), StreamResampler(rate, RATE)
            tone = tones.push(pcm)
            if tone is not None and not (early and tone in (Tone.DIAL, Tone.RINGBACK)):
                self._say(_TONES[tone])
            await self._listen(to_16k.push(pcm), early=early, in_tone=tones.in_tone)

    async def _next_frame(self) -> None:
        self._arrived.clear()
        try:
            async with asyncio.timeout(TICK_S):
                await self._arrived.wait()
        except TimeoutError:
            if self._utterance.voice_s:  # a far side that sends nothing in its pauses
                silence = np.zeros(round(TICK_S * RATE), np.int16)
                await self._listen(silence, early=self._utterance.early, in_tone=False)

    def _made_ear(self) -> FarEar | None:
        try:
            return self._make_ear()
        except Exception:
            log.exception("no_ear_for_the_far_side")
            return None

    async def _listen(self, pcm: Int16, *, early: bool, in_tone: bool) -> None:
        if self._utterance.early and not early:
            self._renew()  # it has answered: what came before was no person
        utterance = self._utterance
        utterance.early = early
        voice_s = 0.0 if in_tone else await self._voiced(pcm)
        if voice_s:
            if not utterance.voice_s:
                self._say(SPEAKING)
            utterance.voice_s += voice_s
            utterance.pause_s = 0.0
        elif utterance.voice_s:
            utterance.pause_s += len(pcm) / RATE
        utterance.syllables = await self._understood(pcm, voiced=voice_s > 0)
        if utterance.voice_s:
            self._judge(utterance)

    def _judge(self, utterance: _Utterance) -> None:
        verdict = judge(
            FarSideHeard(
                utterance.syllables,
                utterance.voice_s,
                utterance.pause_s,
                utterance.early,
                self._queued,
            )
        )
        if verdict.who is Who.QUEUE:
            if verdict.reason != utterance.queue:
                utterance.queue = verdict.reason
                self._queued = True
                self._say(verdict)
        elif verdict.who is not Who.UNDECIDED:
            self._say(verdict)
        over = PAUSE_S if utterance.queue else FORGET_S
        if utterance.pause_s >= over and utterance.syllables is not None:
            self._renew()

    def _say(self, verdict: Verdict) -> None:
        if not self._decided:
            self._decided = verdict.who in (Who.PERSON, Who.REFUSED)
            self._tell(verdict)

    def _renew(self) -> None:
        self._utterance = _Utterance()
        if self._ear is not None:
            self._ear.renew()

    async def _voiced(self, pcm: Int16) -> float:
        """Seconds of voice in it."""
        if self._voice is not None:
            try:
                found = await self._voice(pcm)
                return sum(samples for probability, samples in found if probability >= VOICE) / RATE
            except Exception:
                log.exception("voice_detector_failed")
                self._voice = None
        return LOUD_AS_VOICE * FRAME_SECONDS * float(window_is_loud(pcm, RATE).sum())

    async def _understood(self, pcm: Int16, *, voiced: bool) -> tuple[str, ...] | None:
        if self._ear is None:
            return None
        try:
            return await self._ear.hear(pcm, voiced=voiced)
        except Exception:
            log.exception("ear_for_the_far_side_failed")
            self._ear = None
            return None
