"""One call's audio, kept until its utterance is over, and its stream in whichever process is alive.

The process is told what is new and asked; where it is another than the last time, it is told the
utterance from its beginning, in the same pieces.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from threading import Lock

from asr.hypothesis import Hypothesis, Pcm, Word, as_pcm
from asr.supervised.process import EngineProcess, Place
from asr.supervised.supervisor import Supervisor

SAMPLE_RATE = 16_000


class SupervisedStream:
    """A ``RecognizerStream``. ``feed`` only stores; all that is heard comes from ``decode``.

    Args:
        supervisor: of the processes.
        owner: what ends them when it is let go of; lives as long as this stream.
        max_buffer_seconds: audio kept of an utterance at most. Of a longer one a process that is
            lost takes the beginning with it.
    """

    def __init__(
        self,
        supervisor: Supervisor[EngineProcess],
        *,
        owner: object = None,
        max_buffer_seconds: float = 120.0,
    ) -> None:
        self._supervisor, self._owner = supervisor, owner
        self._max_buffer = round(max_buffer_seconds * SAMPLE_RATE)
        self._feeding = Lock()
        self._decoding = Lock()
        self._chunks: deque[Pcm] = deque()
        self._fed = self._held = 0  # samples since the stream began, and those still in _chunks
        self._utterance = 0
        self._place: Place | None = None
        self._newest: Hypothesis | None = None

    def feed(self, pcm: Pcm) -> None:
        """Store float32 mono samples at 16 kHz; costs nothing."""
        pcm = as_pcm(pcm)
        if not pcm.size:
            return
        with self._feeding:
            self._chunks.append(pcm)
            self._fed += pcm.size
            self._held += pcm.size
            if self._held > self._max_buffer:  # by half: a process that missed some begins anew
                self._keep(self._max_buffer // 2)

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial; None before the first ``decode`` of this utterance."""
        return self._newest

    def decode(self, final: bool = False) -> Hypothesis:
        """Recognise the audio fed since the last reset; blocks, one decode at a time.

        Raises:
            EngineLost: each process that was asked was lost. The audio is kept: ask again.
            DecodeFailed: the engine raised.
        """
        with self._decoding:
            return self._decode(final)[0]

    def finish(self) -> Hypothesis:
        """The final hypothesis; what is fed meanwhile belongs to the next utterance.

        Raises as ``decode``; the utterance is then not over.
        """
        with self._decoding:
            hypothesis, end, utterance = self._decode(final=True)
            with self._feeding:
                if utterance == self._utterance:
                    self._begin_utterance(keep=self._fed - end)
            return hypothesis

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` of audio; never waits for a decode.

        A decode at work goes on and answers its caller, and leaves no trace in the new utterance.
        """
        with self._feeding:
            self._begin_utterance(keep=round(keep_seconds * SAMPLE_RATE))

    def _begin_utterance(self, *, keep: int) -> None:
        self._keep(keep)
        self._utterance += 1
        self._place = self._newest = None

    def _keep(self, samples: int) -> None:
        """The newest so many; called with the lock held."""
        while self._held > samples:
            oldest = self._chunks.popleft()
            left = self._held - samples
            if oldest.size > left:
                self._chunks.appendleft(oldest[left:])
            self._held -= min(left, oldest.size)

    def _decode(self, final: bool) -> tuple[Hypothesis, int, int]:
        """The hypothesis, the stream position up to which it heard, and its utterance."""
        with self._feeding:
            audio = _Audio(tuple(self._chunks), self._fed - self._held, self._fed)
            utterance, place = self._utterance, self._place
        # Kept here while the process works: nobody must meet a stream whose feed was lost.
        self._place = None

        def ask(process: EngineProcess) -> tuple[Hypothesis, Place]:
            here = place
            if here is None or here.process is not process or here.sent < audio.first:
                here = process.place(audio.first)
            heard = process.decode(here, audio.since(here.sent), final=final)
            here.sent = audio.end
            return _moved(heard, here.start / SAMPLE_RATE), here

        last = place.process if place is not None else None
        heard, place = self._supervisor.run(ask, beginning=place is None, last=last)
        with self._feeding:
            if utterance == self._utterance:
                self._place = place
                if not final:
                    self._newest = heard
        return heard, audio.end, utterance


@dataclass(frozen=True, slots=True)
class _Audio:
    """What is held of an utterance when a decode begins; positions in the stream, in samples."""

    chunks: tuple[Pcm, ...]
    first: int
    end: int

    def since(self, position: int) -> list[Pcm]:
        """What comes after a position where one of the chunks begins."""
        found, at = [], self.first
        for chunk in self.chunks:
            if at >= position:
                found.append(chunk)
            at += chunk.size
        return found


def _moved(heard: Hypothesis, seconds: float) -> Hypothesis:
    """From the process's clock, which began with the utterance, to the stream's."""
    return replace(
        heard,
        start=heard.start + seconds,
        end=heard.end + seconds,
        words=tuple(Word(w.text, w.start + seconds, w.end + seconds) for w in heard.words),
    )
