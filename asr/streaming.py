"""A stream out of an engine that only knows whole utterances: decode again and again, and agree.

LocalAgreement-2 (Macháček, Dabre and Bojar 2023, "Turning Whisper into real-time transcription
system"): what two hypotheses in a row have in common at their beginning is taken as settled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

import numpy as np

from asr.hypothesis import Hypothesis, Pcm, as_pcm
from asr.segmentation import Segmenter

SAMPLE_RATE = 16_000
_NOTHING: Pcm = np.empty(0, np.float32)
Transcribe = Callable[[Pcm], Hypothesis]


def shared_length(a: Sequence[str], b: Sequence[str]) -> int:
    """How many leading items two sequences have in common."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


class PrefixAgreement:
    """Settles the beginning of a growing text once two hypotheses in a row agree on it."""

    def __init__(self) -> None:
        self._settled = ""
        self._last = ""

    @property
    def settled(self) -> str:
        """What will not change any more; it only ever grows."""
        return self._settled

    def update(self, text: str) -> str:
        """Take the newest hypothesis; answers with it, its beginning replaced by what is settled.

        A hypothesis that contradicts the settled part is taken character for character after it:
        Mandarin misrecognised is mostly a homophone, one character for one.
        """
        agreed = text[: shared_length(self._last, text)]
        if len(agreed) > len(self._settled) and agreed.startswith(self._settled):
            self._settled = agreed
        self._last = text
        return self._settled + text[len(self._settled) :]


class ChunkedStream:
    """A ``RecognizerStream`` over a transcriber of whole utterances.

    ``feed`` only stores; ``decode`` computes, in whichever thread calls it, while others feed.

    Args:
        engine: name put into hypotheses.
        quick: the partial of an utterance, cheap.
        transcribe: its final, with n-best.
        window_seconds: longest audio decoded at once; of a longer utterance the beginning is
            settled with a final at a pause and not decoded again.
        max_buffer_seconds: if nobody decodes or resets, older audio than this is let go.
    """

    def __init__(
        self,
        engine: str,
        quick: Transcribe,
        transcribe: Transcribe,
        *,
        window_seconds: float = 24.0,
        max_buffer_seconds: float = 120.0,
    ) -> None:
        self._engine = engine
        self._quick = quick
        self._transcribe = transcribe
        self._window = round(window_seconds * SAMPLE_RATE)
        self._feeding = Lock()
        self._decoding = Lock()
        self._chunks: list[Pcm] = []
        self._max_buffer = round(max_buffer_seconds * SAMPLE_RATE)
        self._fed = self._held = 0  # samples since the stream began, and those still in _chunks
        self._utterance = 0  # a decode begun before a reset must not touch the new utterance
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
        """Length of the audio that the next ``decode`` would work on."""
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
        self._agreement = PrefixAgreement()
        self._settled_text = ""
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
            end, utterance = self._fed, self._utterance
        if pcm.size > self._window:
            pcm = self._settle_beginning(pcm, end, utterance)
        heard = self._transcribe(pcm) if final else self._quick(pcm)
        with self._feeding:
            offset = (end - pcm.size) / SAMPLE_RATE
            heard = replace(heard, start=heard.start + offset, end=heard.end + offset, final=final)
            if utterance == self._utterance:
                heard = self._in_utterance(heard)
            return heard, end

    def _settle_beginning(self, pcm: Pcm, end: int, utterance: int) -> Pcm:
        """Decode all but the last piece for good, so that the window stays short."""
        pieces = list(Segmenter(max_seconds=self._window / SAMPLE_RATE * 0.6).split([pcm]))
        texts = [self._transcribe(piece.pcm).text for piece in pieces[:-1]]
        # Nothing but silence: its end may be the beginning of a word.
        cut = round(pieces[-1].start * SAMPLE_RATE) if pieces else pcm.size - SAMPLE_RATE
        with self._feeding:
            if utterance == self._utterance:
                self._settled_text = _join(self._settled_text, *texts)
                self._agreement = PrefixAgreement()
                self._keep_from(end - pcm.size + cut)
        return pcm[cut:]

    def _in_utterance(self, heard: Hypothesis) -> Hypothesis:
        """Put what is settled before the newest window's text; called with the lock held."""
        text, stable = heard.text, len(heard.text)
        if not heard.final:
            text = self._agreement.update(text)
            stable = len(self._agreement.settled)
        whole = _join(self._settled_text, text)
        heard = replace(
            heard,
            engine=self._engine,
            text=whole,
            alternatives=tuple(_join(self._settled_text, a) for a in heard.alternatives),
            stable=len(whole) - len(text) + stable,
        )
        if not heard.final:
            self._newest = heard
        return heard


def _join(*texts: str) -> str:
    return "，".join(filter(None, texts))
