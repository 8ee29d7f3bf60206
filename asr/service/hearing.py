"""What the sides of all connections share, and what they give."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from asr.domain import NO_WORDS, DomainWords
from asr.hypothesis import Hypothesis, Recognizer
from asr.pool import DecodePool
from asr.service.utterances import UtteranceLimits, VoiceActivity
from asr.service.wire import NewResampler


@dataclass(frozen=True, slots=True)
class Hearing:
    """What all connections share.

    Args:
        engine: gives the readings.
        listener: a phonetic recogniser that judges them and adds syllables; None without one.
        pool: the queue of both.
        executor: the thread of voice activity.
        new_voice: a voice detector for one stream. Called in `executor`.
        new_resampler: for rates other than 16 kHz.
        limits: of utterances.
        partial_every_s: seconds with a voice between two partials at least.
        waiting_s: seconds of finished utterances a side may have waiting; then it is not read.
        words: of the domain, which finals are corrected to.
        again_s: how long after its end an utterance is asked for again while the engine is away.
    """

    engine: Recognizer
    listener: Recognizer | None
    pool: DecodePool
    executor: Executor
    new_voice: Callable[[], VoiceActivity]
    new_resampler: NewResampler
    limits: UtteranceLimits = field(default_factory=UtteranceLimits)
    partial_every_s: float = 0.5
    waiting_s: float = 60.0
    words: DomainWords = NO_WORDS
    again_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What was recognised of an utterance, its times in seconds from the start of the stream.

    ``hypothesis`` holds the text, its own times from second ``offset`` of the stream on;
    ``syllables`` what the phonetic recogniser heard. ``by_sound`` is True where the text was
    written from them alone: the transcriber has no words for it, or it is away or missing. Of an
    utterance that could not be recognised ``failed`` is True and the text empty.
    """

    utterance: int
    offset: float
    start: float
    end: float
    hypothesis: Hypothesis
    syllables: tuple[str, ...] = ()
    by_sound: bool = False
    failed: bool = False

    @property
    def text(self) -> str:
        """What was said, in hanzi or another script."""
        return self.hypothesis.text
