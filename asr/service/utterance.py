"""One utterance on its way through the recognisers."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from threading import Lock

import numpy as np

from asr.guards import judged
from asr.hanzi import written
from asr.hypothesis import Hypothesis, Pcm, RecognizerStream
from asr.service.hearing import Hearing, Reading
from asr.service.wire import RATE, Int16

_FEWEST_HEARD = 2
"""Syllables that must be heard where a transcriber found no words: one alone may be noise."""


class Utterance:
    """Audio of one speaker between two silences, and what was heard in it.

    Args:
        number: of the side's utterances, from 1.
        start: in seconds of the stream.
        hearing: the recognisers.
    """

    def __init__(self, number: int, start: float, hearing: Hearing) -> None:
        self._number, self._start, self._hearing = number, start, hearing
        self.end: float | None = None
        """Once it is over."""
        self.over_at = 0.0
        """When that was, of the loop's clock."""
        self.seconds = self.voiced_s = 0.0
        """Its length, and the seconds with a voice since the last partial."""
        self._waiting: deque[Pcm] = deque()
        self._audio: list[Pcm] = []
        self._streams: list[RecognizerStream] = []
        self._working = Lock()
        self._by_sound: Hypothesis | None = None

    def add(self, pcm: Int16, *, voiced: bool) -> None:
        """Its next audio (n,) at 16 kHz; `voiced` where a voice is in it."""
        seconds = pcm.size / RATE
        self.seconds += seconds
        self.voiced_s += seconds if voiced else 0.0
        samples = pcm.astype(np.float32) / 32768.0
        self._waiting.append(samples)
        self._audio.append(samples)

    def recognise(self, *, final: bool) -> Reading | None:
        """In the pool's thread. None for a partial that comes too late."""
        with self._working:
            if not final and self.end is not None:
                return None
            if not self._streams:
                engines = (self._hearing.engine, self._hearing.listener)
                self._streams = [engine.stream() for engine in engines if engine is not None]
            while self._waiting:
                pcm = self._waiting.popleft()
                for stream in self._streams:
                    stream.feed(pcm)
            hypothesis, *heard = [stream.decode(final=final) for stream in self._streams]
        syllables = heard[0].syllables if heard else hypothesis.syllables
        if final and heard:
            hypothesis = judged(hypothesis, syllables, self._hearing.words)
        by_sound = not hypothesis.text and len(syllables) >= (_FEWEST_HEARD if heard else 1)
        if by_sound:
            ear = replace(heard[0] if heard else hypothesis, intelligible=hypothesis.intelligible)
            hypothesis = self._by_sound = written(ear, before=self._by_sound)
        return self._reading(hypothesis, syllables, by_sound=by_sound)

    def by_sound(self) -> Reading | None:
        """The final by the listener alone; None without one, or where it heard no words."""
        if self._hearing.listener is None:
            return None
        heard = self._hearing.listener.transcribe(np.concatenate(self._audio))
        if len(heard.syllables) < _FEWEST_HEARD:
            return None
        return self._reading(written(heard, before=None), heard.syllables, by_sound=True)

    def _reading(
        self, hypothesis: Hypothesis, syllables: tuple[str, ...], *, by_sound: bool
    ) -> Reading:
        end = self._start + hypothesis.end
        return Reading(
            self._number,
            self._start,
            self._start + hypothesis.start if hypothesis else self._start,
            min(end, self.end) if self.end is not None else end,
            hypothesis,
            syllables,
            by_sound,
        )

    def lost(self, engine: str) -> Reading:
        """The final of an utterance that the engine failed on."""
        end = self._start + self.seconds
        return Reading(
            self._number, self._start, self._start, end, Hypothesis(engine, final=True), failed=True
        )
