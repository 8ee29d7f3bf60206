"""The listener (听音器): a streaming phonetic recogniser, on for the whole call.

A Zipformer transducer of 3.3 M parameters (sherpa-onnx) gives toned syllables with times every
0.32 s at 2 % of a core. No text: its syllables drive triage, barge-in, endpointing and re-ranking.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from asr.errors import ModelBroken, ModelMissing
from asr.hypothesis import Capabilities, Hypothesis, Pcm, Word, as_pcm
from asr.quiet import QuietGate
from asr.syllables import token_spans

SAMPLE_RATE = 16_000
_FLUSH_SECONDS = 0.8  # the encoder holds back one chunk and its look-ahead, about 0.45 s
_SYLLABLE_SECONDS = 0.24
_TOKEN_SECONDS = 0.04  # one encoder frame
_MAX_TOKENS = 200  # half a minute of speech; then the native stream is renewed in a pause


def _one(folder: Path, *patterns: str) -> str:
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            return str(path)
    raise ModelMissing(
        f"The listener's model is not complete: nothing named {patterns[0]} in {folder}. "
        "Set paths.listener to the folder of a sherpa-onnx streaming transducer with pinyin tokens."
    )


class Listener:
    """A loaded phonetic recogniser, shared by all calls; a stream each.

    Args:
        model_dir: sherpa-onnx folder: ``encoder*.onnx``, ``decoder*.onnx``, ``joiner*.onnx``,
            ``tokens.txt`` (initials and toned finals); int8 files are preferred.
        beam: 1 is greedy search, whose results never change; above it, modified beam search.

    Raises:
        ModelMissing, ModelBroken: the folder cannot be used.
    """

    name = "listener"
    capabilities = Capabilities(
        streaming=True, n_best=False, word_times=True, hot_words=False, phonetic=True,
        languages=("zh",),
    )  # fmt: skip

    def __init__(self, model_dir: str | Path, *, beam: int = 1) -> None:
        folder = Path(model_dir)
        files = {
            "tokens": _one(folder, "tokens.txt"),
            "encoder": _one(folder, "encoder*int8*.onnx", "encoder*.onnx"),
            "decoder": _one(folder, "decoder*int8*.onnx", "decoder*.onnx"),
            "joiner": _one(folder, "joiner*int8*.onnx", "joiner*.onnx"),
        }
        import sherpa_onnx

        try:
            self._recognizer: Any = sherpa_onnx.OnlineRecognizer.from_transducer(
                **files,
                num_threads=1,  # one call never needs more; many calls share the cores
                sample_rate=SAMPLE_RATE,
                decoding_method="greedy_search" if beam <= 1 else "modified_beam_search",
                max_active_paths=max(beam, 1),
            )
        except Exception as error:
            raise ModelBroken(f"The listener's model in {folder} does not load: {error}") from error
        self._greedy = beam <= 1

    def stream(self) -> ListenerStream:
        """A new stream for one call."""
        return ListenerStream(self._recognizer, revises=not self._greedy)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """Syllables of a whole utterance of any length."""
        stream = self.stream()
        for begin in range(0, len(pcm), SAMPLE_RATE):
            stream.feed(pcm[begin : begin + SAMPLE_RATE])
        return stream.finish()


class ListenerStream:
    """One call's audio; recognition happens inside ``feed``, about 7 ms for each 0.32 s.

    ``reset`` only moves a mark: the native stream goes on, its context with it.
    """

    def __init__(self, recognizer: Any, *, revises: bool) -> None:
        self._recognizer = recognizer
        self._revises = revises
        self._lock = Lock()
        self._fed = 0  # real samples since the call began
        self._gate = QuietGate()
        self._newest: Hypothesis | None = None
        self._begin_native()

    def _begin_native(self) -> None:
        self._native = self._recognizer.create_stream()
        self._native_start = (self._fed - self._gate.held) / SAMPLE_RATE
        # (native seconds, seconds of silence that were put in there), to undo it in the times;
        # negative: of the call's that were passed over.
        self._inserted: deque[tuple[float, float]] = deque()
        self._shift = 0.0  # the sum of those before all of ``_inserted``
        self._native_samples = 0
        self._flushed = True
        self._tokens = 0
        self._syllables: list[Word] = []
        # Syllables and tokens that are not parsed again; those after them are, at each update.
        self._parsed = self._parsed_tokens = self._last_token = 0
        self._start_utterance()

    def feed(self, pcm: Pcm) -> None:
        """Take float32 mono samples at 16 kHz, any number, and recognise them."""
        pcm = as_pcm(pcm)
        if not pcm.size:
            return
        with self._lock:
            self._fed += pcm.size
            for passed, audio in self._gate.push(pcm):
                if passed:
                    at = self._native_samples / SAMPLE_RATE
                    self._inserted.append((at, -passed / SAMPLE_RATE))
                self._flushed = False
                self._accept(audio)

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial of this utterance; None while no syllable was heard."""
        return self._newest

    def decode(self, final: bool = False) -> Hypothesis:
        """What was heard since the last reset; ``final`` also drains what the encoder holds back.

        Draining puts silence into the encoder, so ask for a final only where the caller pauses.
        """
        with self._lock:
            return self._decode(final)

    def finish(self) -> Hypothesis:
        """Drain, answer with the final syllables and begin a new utterance."""
        with self._lock:
            final = self._decode(final=True)
            self._newest = None
            if self._tokens > _MAX_TOKENS:
                self._begin_native()  # drained: nothing is inside it any more
            else:
                while len(self._inserted) > 1:  # what is still to come lies after those
                    self._shift += self._inserted.popleft()[1]
                self._start_utterance()
            return final

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the syllables of the last ``keep_seconds`` and all to come.

        Audio fed but still inside the encoder is never lost: it belongs to the new utterance.
        """
        with self._lock:
            self._newest = None
            self._start_utterance()
            since = self._fed / SAMPLE_RATE - keep_seconds
            while keep_seconds and self._mark and self._syllables[self._mark - 1].end > since:
                self._mark -= 1

    def _decode(self, final: bool) -> Hypothesis:
        if final and not self._flushed:
            silence = np.zeros(round(_FLUSH_SECONDS * SAMPLE_RATE), np.float32)
            self._inserted.append((self._native_samples / SAMPLE_RATE, _FLUSH_SECONDS))
            self._accept(silence)
            self._flushed = True
        return self._hypothesis(final=final)

    def _start_utterance(self) -> None:
        self._mark = self._parsed = len(self._syllables)
        self._parsed_tokens = self._last_token
        self._previous: tuple[str, ...] = ()
        self._utterance_start = self._fed

    def _accept(self, pcm: Pcm) -> None:
        self._native.accept_waveform(SAMPLE_RATE, pcm)
        self._native_samples += pcm.size
        decoded = False
        while self._recognizer.is_ready(self._native):
            self._recognizer.decode_stream(self._native)
            decoded = True
        if decoded and self._update():
            self._newest = self._hypothesis(final=False)

    def _update(self) -> bool:
        tokens = self._recognizer.tokens(self._native)
        if len(tokens) == self._tokens and not self._revises:
            return False
        self._tokens = len(tokens)
        times = self._recognizer.timestamps(self._native)
        first_token = min(self._parsed_tokens, len(tokens))
        syllables = []
        for text, first, last in token_spans(tokens[first_token:]):
            begin = self._call_time(times[first_token + first])
            end = self._call_time(times[first_token + last - 1] + _TOKEN_SECONDS)
            syllables.append(Word(text, begin, round(max(end, begin + _SYLLABLE_SECONDS), 3)))
            self._last_token = first_token + last
        self._syllables[self._parsed :] = [
            Word(word.text, word.start, min(word.end, max(after.start, word.start)))
            for word, after in pairwise(syllables)
        ] + syllables[-1:]
        self._mark = min(self._mark, len(self._syllables))
        return len(self._syllables) > self._mark

    def _call_time(self, native: float) -> float:
        shift = self._shift
        for at, length in self._inserted:
            if native > at:
                shift += min(length, native - at)
        return round(native - shift + self._native_start, 3)

    def _hypothesis(self, *, final: bool) -> Hypothesis:
        words = tuple(self._syllables[self._mark :])
        syllables = tuple(word.text for word in words)
        stable = len(syllables)
        if self._revises and not final:
            pairs = zip(syllables, self._previous, strict=False)
            stable = next((i for i, (a, b) in enumerate(pairs) if a != b), 0)
        self._previous = syllables
        start = words[0].start if words else self._utterance_start / SAMPLE_RATE
        return Hypothesis(
            engine=Listener.name, syllables=syllables, words=words, final=final, stable=stable,
            start=start, end=words[-1].end if words else start,
        )  # fmt: skip
