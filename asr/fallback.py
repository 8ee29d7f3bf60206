"""A second engine behind the first: an utterance that the first fails on is given to the second.

After a failure the first rests (a circuit breaker: Nygard, *Release It!*, 2nd ed. 2018, chapter 5).
When its rest is over, a copy of an utterance that the second has answered shows in the background
whether the first works again: nobody waits for the trial.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock, Thread

import numpy as np
import structlog

from asr.errors import AsrError
from asr.hypothesis import (
    Capabilities,
    Hypothesis,
    Pcm,
    Recognizer,
    RecognizerStream,
    Word,
    as_pcm,
)

log = structlog.get_logger()

SAMPLE_RATE = 16_000
_NOTHING: Pcm = np.empty(0, np.float32)
_MAX_BUFFER = 120 * SAMPLE_RATE
"""Audio of an utterance kept for the second engine; of a longer one the beginning is let go."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether the first engine is used; times are seconds of any steady clock."""

    first_rest_s: float = 5.0
    """Doubled with each failure in a row."""
    most_rest_s: float = 60.0
    failures: int = 0
    """In a row, with those of trials."""
    rests_until: float | None = None
    """None while it is used."""
    trying: bool = False

    @property
    def usable(self) -> bool:
        """Whether utterances go to the first engine."""
        return self.rests_until is None

    def trial_due(self, now: float) -> bool:
        """Whether it has rested enough, and no trial is at work."""
        return self.rests_until is not None and now >= self.rests_until and not self.trying

    def worked(self) -> Breaker:
        """It has answered an utterance."""
        return replace(self, failures=0) if self.usable else self

    def failed(self, now: float) -> Breaker:
        """It has failed on an utterance; several that fail together are one failure."""
        return self._resting(now) if self.usable else self

    def trial_begun(self) -> Breaker:
        """A copy of an utterance is on its way to it."""
        return replace(self, trying=True)

    def trial_passed(self) -> Breaker:
        """It is used again, on probation: if it fails at once, its rest is longer."""
        return replace(self, rests_until=None, trying=False)

    def trial_failed(self, now: float) -> Breaker:
        """It rests again, for longer."""
        return self._resting(now)

    def _resting(self, now: float) -> Breaker:
        rest = min(self.most_rest_s, self.first_rest_s * 2.0 ** min(self.failures, 32))
        return replace(self, failures=self.failures + 1, rests_until=now + rest, trying=False)


def _in_background(work: Callable[[], None]) -> None:
    Thread(target=work, name="engine-trial", daemon=True).start()


class FallbackTranscriber:
    """Two engines as one. A hypothesis names the engine that it is from.

    Args:
        first: used while it works.
        second: answers what the first fails on, and everything while the first rests.
        breaker: with the lengths of its rests.
        clock: seconds, steady.
        run_trial: runs a trial of the first without waiting for it.

    """

    def __init__(
        self,
        first: Recognizer,
        second: Recognizer,
        *,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        run_trial: Callable[[Callable[[], None]], None] = _in_background,
    ) -> None:
        self.first, self.second = first, second
        self.capabilities = _both(first.capabilities, second.capabilities)
        self.most_workers = max(_most_workers(first), _most_workers(second))
        """Utterances that may ever be asked for at a time."""
        self._breaker = breaker or Breaker()
        self._changing = Lock()
        self._clock = clock
        self._run_trial = run_trial

    @property
    def name(self) -> str:
        """The first engine's."""
        return self.first.name

    @property
    def workers(self) -> int:
        """Utterances that may be asked for at a time, as the engine in use says."""
        return int(getattr(self._in_use, "workers", 1))

    @property
    def share(self) -> float:
        """Of the workers, what other processes leave to this one."""
        share = getattr(self._in_use, "share", None)
        return float(self.workers if share is None else share)

    @property
    def _in_use(self) -> Recognizer:
        there = int(getattr(self.first, "workers", 1)) > 0
        return self.first if self.usable and there else self.second

    @property
    def usable(self) -> bool:
        """Whether the first engine is used now."""
        return self._breaker.usable

    def stream(self) -> FallbackStream:
        """A new stream for one call."""
        return FallbackStream(self)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """The final hypothesis of one utterance.

        Raises:
            Exception: whatever the second engine raises where the first has failed too.
        """
        if self.usable:
            try:
                heard = self.first.transcribe(pcm)
            except Exception as error:
                self.failed(error)
            else:
                self.worked()
                return heard
        heard = self.second.transcribe(pcm)
        self.try_first(pcm, heard)
        return heard

    def worked(self) -> None:
        """The first engine has answered."""
        with self._changing:
            self._breaker = self._breaker.worked()

    def failed(self, error: Exception) -> None:
        """The first engine has failed; from now on the second is used."""
        with self._changing:
            used, self._breaker = self._breaker.usable, self._breaker.failed(self._clock())
        if used:
            log.warning(
                "engine_failed", engine=self.first.name, instead=self.second.name,
                reason=_reason(error),
            )  # fmt: skip

    def try_first(self, pcm: Pcm, heard: Hypothesis) -> None:
        """Give the first engine a copy of what the second has heard, if a trial is due."""
        with self._changing:
            if not heard or not self._breaker.trial_due(self._clock()):
                return
            self._breaker = self._breaker.trial_begun()
        self._run_trial(lambda: self._trial(pcm))

    def _trial(self, pcm: Pcm) -> None:
        try:
            self.first.transcribe(pcm)
        except Exception as error:
            with self._changing:
                self._breaker = self._breaker.trial_failed(self._clock())
            log.info("engine_trial_failed", engine=self.first.name, reason=_reason(error))
            return
        with self._changing:
            self._breaker = self._breaker.trial_passed()
        log.info("engine_works_again", engine=self.first.name)


class FallbackStream:
    """One call's audio. Each utterance has a stream of its own in the engine that hears it."""

    def __init__(self, engines: FallbackTranscriber) -> None:
        self._engines = engines
        self._changing = Lock()
        self._fed = 0
        self._utterance = _Utterance(engines, begin=0)

    def feed(self, pcm: Pcm) -> None:
        """Take float32 mono samples at 16 kHz, any number."""
        pcm = as_pcm(pcm)
        with self._changing:
            self._fed += pcm.size
            self._utterance.feed(pcm)

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial of this utterance, None before the first."""
        return self._utterance.hypothesis()

    def decode(self, final: bool = False) -> Hypothesis:
        """What was heard so far; of the second engine where the first fails."""
        return self._utterance.decode(final)

    def finish(self) -> Hypothesis:
        """The final hypothesis; what is fed from now on belongs to the next utterance."""
        with self._changing:
            over = self._utterance
            self._utterance = _Utterance(self._engines, begin=self._fed)
        return over.finish()

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` of audio; never waits."""
        with self._changing:
            kept = self._utterance.last(round(keep_seconds * SAMPLE_RATE))
            self._utterance = _Utterance(self._engines, begin=self._fed - kept.size)
            if kept.size:
                self._utterance.feed(kept)


class _Utterance:
    """One utterance: its audio, and a stream of the engine that hears it.

    ``begin`` is where it starts in the call, in samples.
    """

    def __init__(self, engines: FallbackTranscriber, *, begin: int) -> None:
        self._engines = engines
        self._changing = Lock()
        self._chunks: deque[Pcm] = deque()
        self._held = 0
        self._end = begin
        self._on_first = engines.usable
        self._stream = (engines.first if self._on_first else engines.second).stream()
        self._offset = begin  # the stream's own times begin at 0

    def feed(self, pcm: Pcm) -> None:
        with self._changing:
            self._keep(pcm)
            if not self._on_first:
                self._stream.feed(pcm)
                return
            try:
                self._stream.feed(pcm)
            except Exception as error:
                self._fall_back(error)

    def hypothesis(self) -> Hypothesis | None:
        with self._changing:
            newest, offset = self._stream.hypothesis(), self._offset
        return None if newest is None else _later(newest, offset)

    def decode(self, final: bool) -> Hypothesis:
        return self._ask(lambda stream: stream.decode(final), final=final)

    def finish(self) -> Hypothesis:
        return self._ask(lambda stream: stream.finish(), final=True)

    def last(self, samples: int) -> Pcm:
        with self._changing:
            pcm = self._audio()
        return pcm[max(0, pcm.size - samples) :]

    def _ask(
        self, question: Callable[[RecognizerStream], Hypothesis], *, final: bool
    ) -> Hypothesis:
        with self._changing:
            stream, offset, on_first = self._stream, self._offset, self._on_first
        if on_first:
            try:
                heard = question(stream)
            except Exception as error:
                with self._changing:
                    if self._on_first:
                        self._fall_back(error)
                    stream, offset = self._stream, self._offset
            else:
                if final:
                    self._engines.worked()
                return _later(heard, offset)
        heard = question(stream)
        if final:
            with self._changing:
                pcm = self._audio()
            self._engines.try_first(pcm, heard)
        return _later(heard, offset)

    def _fall_back(self, error: Exception) -> None:
        """The second engine hears the utterance from its beginning; called with the lock held."""
        self._engines.failed(error)
        self._on_first = False
        self._stream = self._engines.second.stream()
        self._offset = self._end - self._held
        self._stream.feed(self._audio())

    def _keep(self, pcm: Pcm) -> None:
        self._chunks.append(pcm)
        self._held += pcm.size
        self._end += pcm.size
        while self._held - self._chunks[0].size >= _MAX_BUFFER:
            self._held -= self._chunks.popleft().size

    def _audio(self) -> Pcm:
        return np.concatenate(self._chunks) if self._chunks else _NOTHING


def _most_workers(engine: Recognizer) -> int:
    return int(getattr(engine, "most_workers", getattr(engine, "workers", 1)))


def _both(first: Capabilities, second: Capabilities) -> Capabilities:
    """What can be counted on, whichever answers."""
    return Capabilities(
        streaming=first.streaming and second.streaming,
        n_best=first.n_best and second.n_best,
        word_times=first.word_times and second.word_times,
        hot_words=first.hot_words and second.hot_words,
        phonetic=first.phonetic and second.phonetic,
        languages=tuple(each for each in first.languages if each in second.languages),
    )


def _later(heard: Hypothesis, samples: int) -> Hypothesis:
    """The same with its times counted from ``samples`` earlier."""
    by = samples / SAMPLE_RATE
    words = tuple(Word(word.text, word.start + by, word.end + by) for word in heard.words)
    return replace(heard, start=heard.start + by, end=heard.end + by, words=words)


def _reason(error: Exception) -> str:
    """Ours are fit to be logged; another's may hold what was said."""
    return str(error) if isinstance(error, AsrError) else type(error).__name__
