"""A stream out of an engine that only knows whole utterances: decode again and again, and agree.

A partial's text is what the newest decode heard, and how much of its beginning the decode before
heard too is said beside it (LocalAgreement-2: Macháček, Dabre and Bojar 2023, "Turning Whisper into
real-time transcription system"). Only the newest seconds are decoded again: what lies before a
pause is kept as it was heard; where no decode ended in a pause, the quietest place is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from threading import Lock

import numpy as np

from asr.hypothesis import Hypothesis, Pcm, Word, as_pcm
from asr.segmentation import Segmenter, quietest
from asr.timing import later

SAMPLE_RATE = 16_000
_LEAST = SAMPLE_RATE  # left after a cut: a word at least, with what was before it
_PAUSE_SECONDS = 0.16  # longer than a stop consonant's closure
_FIRST_CUT = 0.5  # of the window: a piece too short is heard badly
_NOTHING: Pcm = np.empty(0, np.float32)
Transcribe = Callable[[Pcm], Hypothesis]


def shared_length(a: Sequence[str], b: Sequence[str]) -> int:
    """How many leading items two sequences have in common."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


class ChunkedStream:
    """A ``RecognizerStream`` over a transcriber of whole utterances.

    ``feed`` only stores; ``decode`` computes, in whichever thread calls it, while others feed.

    Args:
        engine: name put into hypotheses; "": that of each decode stays.
        quick: the partial of an utterance, cheap.
        transcribe: its final, with n-best.
        window_seconds: longest audio decoded at once for a final; of a longer utterance the
            beginning is settled with a final at a pause and not decoded again.
        partial_seconds: the same for a partial, which must cost the same late in a turn as early.
        max_buffer_seconds: if nobody decodes or resets, older audio than this is let go.
    """

    def __init__(
        self,
        engine: str,
        quick: Transcribe,
        transcribe: Transcribe,
        *,
        window_seconds: float = 24.0,
        partial_seconds: float = 9.0,
        max_buffer_seconds: float = 120.0,
    ) -> None:
        self._engine = engine
        self._quick = quick
        self._transcribe = transcribe
        self._window = round(window_seconds * SAMPLE_RATE)
        self._partial_window = round(partial_seconds * SAMPLE_RATE)
        self._feeding = Lock()
        self._decoding = Lock()
        self._chunks: list[Pcm] = []
        self._max_buffer = round(max_buffer_seconds * SAMPLE_RATE)
        self._fed = self._held = 0  # samples since the stream began, and those still in _chunks
        self._utterance = 0
        self._begin_utterance(after=0)

    def feed(self, pcm: Pcm) -> None:
        """Store float32 mono samples at 16 kHz; costs nothing."""
        pcm = as_pcm(pcm)
        with self._feeding:
            self._chunks.append(pcm)
            self._fed += pcm.size
            self._held += pcm.size
            while self._held - self._chunks[0].size >= self._max_buffer:
                self._held -= self._chunks.pop(0).size

    @property
    def pending_seconds(self) -> float:
        """Length of the audio that the next final would work on."""
        return self._held / SAMPLE_RATE

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial; None before the first ``decode`` of this utterance."""
        return self._newest

    def decode(self, final: bool = False) -> Hypothesis:
        """Recognise the audio fed since the last reset; blocks, one decode at a time."""
        with self._decoding:
            return self._decode(final)[0]

    def finish(self) -> Hypothesis:
        """The final hypothesis; what is fed meanwhile belongs to the next utterance."""
        with self._decoding:
            hypothesis, end = self._decode(final=True)
            with self._feeding:
                self._begin_utterance(after=end)
            return hypothesis

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` of audio; never waits for a decode.

        A decode at work goes on and answers its caller, and leaves no trace in the new utterance.
        """
        with self._feeding:
            self._begin_utterance(after=self._fed - round(keep_seconds * SAMPLE_RATE))

    def _begin_utterance(self, *, after: int) -> None:
        """Keep the samples after position ``after`` of the stream; called with the lock held."""
        self._keep_from(after)
        self._utterance += 1
        self._settled = _Heard(self._fed - self._held, "")  # final text of what was let go
        self._heard = _Heard(self._fed - self._held, "")
        self._pause: _Heard | None = None
        self._newest: Hypothesis | None = None

    def _keep_from(self, position: int) -> None:
        first = self._fed - self._held
        pcm = np.concatenate(self._chunks or [_NOTHING])[max(0, position - first) :]
        self._chunks, self._held = [pcm], pcm.size

    def _decode(self, final: bool) -> tuple[Hypothesis, int]:
        """The hypothesis and the stream position up to which it heard."""
        with self._feeding:
            pcm = np.concatenate(self._chunks or [_NOTHING])
            self._chunks = [pcm]
            audio = _Audio(pcm, self._fed, self._utterance)
            before = replace(self._settled, until=audio.first) if final else self._heard
        if final:
            before = self._settle_beginning(audio, before)
            heard = self._transcribe(audio.since(before.until))
        else:
            before = self._settle_partial(audio, before)
            heard = self._quick(audio.since(before.until))
        offset = (audio.end - audio.since(before.until).size) / SAMPLE_RATE
        heard = replace(
            heard,
            engine=self._engine or heard.engine,
            start=heard.start + offset,
            end=heard.end + offset,
            text=_join(before.text, heard.text),
            alternatives=tuple(_join(before.text, a) for a in heard.alternatives),
            words=(*before.words, *later(heard.words, offset)) if final else (),
            final=final,
        )
        with self._feeding:
            if audio.utterance == self._utterance:
                heard = self._remember(heard, audio, before)
            return heard, audio.end

    def _settle_beginning(self, audio: _Audio, before: _Heard) -> _Heard:
        """Before a final: decode all but the last piece for good, so that the window is short."""
        if audio.pcm.size <= self._window:
            return before
        pieces = list(Segmenter(max_seconds=self._window / SAMPLE_RATE * 0.6).split([audio.pcm]))
        heard = [(self._transcribe(piece.pcm), piece.start) for piece in pieces[:-1]]
        first = audio.first / SAMPLE_RATE
        words = [later(final.words, first + start) for final, start in heard]
        # Nothing but silence: its end may be the beginning of a word.
        cut = round(pieces[-1].start * SAMPLE_RATE) if pieces else audio.pcm.size - SAMPLE_RATE
        return _Heard(
            audio.first + cut,
            _join(before.text, *(final.text for final, _ in heard)),
            tuple(chain(before.words, *words)),
        )

    def _settle_partial(self, audio: _Audio, before: _Heard) -> _Heard:
        """Before a partial: what is not decoded again, free if a decode ended in a pause."""
        with self._feeding:
            pause = self._pause
        while (pcm := audio.since(before.until)).size > self._partial_window:
            if pause is not None and before.until < pause.until <= audio.end - _LEAST:
                before = pause
                continue
            window = pcm[: self._partial_window]
            cut = quietest(window, _FIRST_CUT * window.size, window.size - _LEAST)
            text = self._quick(window[:cut]).text
            before = _Heard(audio.end - pcm.size + cut, _join(before.text, text))
        return before

    def _remember(self, heard: Hypothesis, audio: _Audio, before: _Heard) -> Hypothesis:
        """Take a decode into the utterance it belongs to; called with the lock held."""
        if heard.final and before.until > audio.first:
            self._settled = before
            self._keep_from(before.until)
            if self._heard.until < before.until:
                self._heard = before
        if heard.text and (heard.final or audio.end / SAMPLE_RATE - heard.end >= _PAUSE_SECONDS):
            self._pause = _Heard(audio.end, heard.text)
        if heard.final:
            return replace(heard, stable=len(heard.text))
        last = self._newest.text if self._newest else ""
        self._heard = before
        self._newest = replace(heard, stable=shared_length(last, heard.text))
        return self._newest


@dataclass(frozen=True, slots=True)
class _Heard:
    """The text of an utterance up to a position in the stream, in samples; its words if final."""

    until: int
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class _Audio:
    """What is held of an utterance when a decode begins; ``end`` is a position in the stream."""

    pcm: Pcm
    end: int
    utterance: int  # a decode begun before a reset must not touch the new utterance

    @property
    def first(self) -> int:
        return self.end - self.pcm.size

    def since(self, position: int) -> Pcm:
        return self.pcm[max(0, position - self.first) :]


def _join(*texts: str) -> str:
    return "，".join(filter(None, texts))
