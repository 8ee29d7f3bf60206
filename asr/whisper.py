"""Whisper on CTranslate2 with a shortened window: text and n-best of one utterance.

Whisper always encodes 30 s; most turns last three. The log-mel features are cut to the utterance
(never below a floor, where it begins to repeat itself or to stop early), which makes a turn about
three times cheaper, and Mandarin is chosen among its own tokens alone (`asr.vocabulary`). What
looks wrong afterwards is decoded again with the ordinary window. A final says which language was
spoken, and English is written as English; partials are always Mandarin.

Word times come from the decoder's attention to the audio, where they are asked for (dynamic time
warping over the alignment heads, as openai/whisper's timing.py; CTranslate2's ``Whisper.align``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import cleaning, guards
from asr.hypothesis import Capabilities, Hypothesis, Pcm, Word, as_pcm
from asr.segmentation import Segmenter, active_extent
from asr.streaming import ChunkedStream
from asr.timing import later, retimed
from asr.vocabulary import mandarin_only
from asr.whisper_model import WhisperModel, mel_bands

SAMPLE_RATE = 16_000
_FULL_WINDOW = 30.0
_FRAMES_PER_SECOND = 100
_ALIGNED_PER_SECOND = 50  # the encoder's output
_MAX_UTTERANCE = 28.0  # longer audio is cut at its pauses first
_PROMPT_TOKENS = 4
_FEWEST_FRAMES = 10  # CTranslate2 4.8 divides by zero where there is one (its issue 2065)
_INCOMPLETE = "\ufffd"

# Guards. The first two are openai/whisper's own thresholds (transcribe.py).
_MIN_LOG_PROBABILITY = -1.0
_NO_SPEECH = 0.6
_MAX_RATE, _MIN_RATE = 10.0, 0.8  # hanzi a second of sound; quick speech has seven
_HOPELESS_LOG_PROBABILITY = -1.6


@dataclass(frozen=True, slots=True)
class _Reading:
    text: str
    score: float
    looping: bool = False
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decoded:
    readings: tuple[_Reading, ...]
    no_speech: float
    language: str = guards.UNKNOWN
    encoded: Any = None
    """The encoder's output that it was decoded from."""

    @property
    def best(self) -> _Reading:
        return self.readings[0] if self.readings else _Reading("", -math.inf)


class WhisperTranscriber:
    """A loaded Whisper model, shared by all calls and threads.

    Args:
        model_dir: CTranslate2 folder: ``model.bin``, ``config.json``, ``tokenizer.json``.
        threads: cores for one decoding.
        workers: decodings that may run at the same time, each with its own memory.
        beam: width of the search for finals; as many readings are returned at most.
        floor_seconds: shortest window.
        margin_seconds: silence after the utterance within the window.
        punctuation: let Whisper write commas inside the text. Without them the n-best differ in
            words instead of commas, and successive partials agree sooner.
        compute_type: as of CTranslate2; int8 is the quickest on a CPU.
        word_times: finals say when each word was spoken, if the model's ``config.json`` names its
            alignment heads. Costs about a tenth of a final's decode (40 ms of one core for 5 s).

    Raises:
        ModelMissing, ModelBroken: the folder cannot be used.
    """

    name = "whisper"
    declared = Capabilities(
        streaming=False, n_best=True, word_times=True, hot_words=False, phonetic=False,
        languages=("zh", "en"),
    )  # fmt: skip
    """What the engine can do where word times are asked for."""

    def __init__(
        self,
        model_dir: str | Path,
        *,
        threads: int = 2,
        workers: int = 1,
        beam: int = 5,
        floor_seconds: float = 10.0,
        margin_seconds: float = 1.0,
        punctuation: bool = False,
        compute_type: str = "int8",
        word_times: bool = False,
    ) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        folder = Path(model_dir)
        load = partial(
            WhisperModel,
            threads=threads, workers=workers, compute_type=compute_type, punctuation=punctuation,
        )  # fmt: skip
        self._model = load(mandarin_only(folder) or folder)
        self._load_whole, self._loading = partial(load, folder), Lock()
        self._whole: WhisperModel | None = None
        self._features = FeatureExtractor(feature_size=mel_bands(folder))
        # Without them CTranslate2 would align by heads that do not follow the audio.
        heads = json.loads((folder / "config.json").read_text()).get("alignment_heads")
        self.capabilities = replace(self.declared, word_times=word_times and bool(heads))
        self._beam = beam
        self._floor = floor_seconds
        self._margin = margin_seconds

    def _of(self, language: str) -> WhisperModel:
        """The model that writes it; English's is loaded when it is first spoken."""
        if language != "en":
            return self._model
        with self._loading:
            self._whole = self._whole or self._load_whole()
        return self._whole

    def stream(self) -> ChunkedStream:
        """A new stream for one call; decoding happens in ``decode``, not in ``feed``."""
        return ChunkedStream(self.name, self.quick, self.transcribe)

    def quick(self, pcm: Pcm) -> Hypothesis:
        """A cheap partial: greedy, one reading, no second try. At most 30 s of audio count."""
        pcm = as_pcm(pcm)[-int(_MAX_UTTERANCE * SAMPLE_RATE) :]
        extent = active_extent(pcm)
        if extent is None:
            return Hypothesis(self.name, end=pcm.size / SAMPLE_RATE)
        decoded = self._decode(pcm, self._window(pcm), beam=1)
        if self._invented(decoded):
            return Hypothesis(self.name, end=pcm.size / SAMPLE_RATE)
        return self._hypothesis(decoded, extent, final=False)

    def transcribe(self, pcm: Pcm, *, beam: int | None = None) -> Hypothesis:
        """The final text with its n-best; "" for silence and noise. Never raises for any audio.

        Audio above 28 s is cut at its pauses and the texts joined (then without alternatives).
        """
        pcm = as_pcm(pcm)
        if pcm.size > _MAX_UTTERANCE * SAMPLE_RATE:
            return self._long(pcm)
        extent = active_extent(pcm)
        if extent is None:
            return Hypothesis(self.name, end=pcm.size / SAMPLE_RATE, final=True)
        beam = beam or self._beam
        seconds = extent[1] - extent[0]
        decoded = self._decode(pcm, self._window(pcm), beam=beam, identify=True)
        language = decoded.language
        mandarin = language != "en"  # what is suspicious is counted in hanzi
        if mandarin and not self._invented(decoded) and self._suspicious(decoded, seconds):
            decoded = self._second_look(
                decoded, self._decode(pcm, _FULL_WINDOW, beam=beam), seconds
            )
        if self._invented(decoded):
            decoded = _Decoded((), decoded.no_speech)
        final = replace(self._hypothesis(decoded, extent, final=True), language=language)
        if not (self.capabilities.word_times and final):
            return final
        return replace(final, words=self._words(decoded, final))

    def _second_look(self, first: _Decoded, second: _Decoded, seconds: float) -> _Decoded:
        """The better of two decodes; a run of repeats stays among the readings: it may be a cry."""
        better, other = sorted(
            (first, second),
            key=lambda d: (self._invented(d), self._suspicious(d, seconds), -d.best.score),
        )
        cry = other.best
        known = {cleaning.bare(reading.text) for reading in better.readings}
        if not cry.looping or self._invented(other) or cleaning.bare(cry.text) in known:
            return better
        return replace(better, readings=(*better.readings, cry))

    def _long(self, pcm: Pcm) -> Hypothesis:
        pieces = [(s, self.transcribe(s.pcm)) for s in Segmenter().split([pcm])]
        heard = [(s, h) for s, h in pieces if h.text]
        text = "，".join(h.text for _, h in heard)
        return Hypothesis(
            self.name, text=text, final=True, stable=len(text),
            start=heard[0][0].start if heard else 0.0,
            end=heard[-1][0].end if heard else pcm.size / SAMPLE_RATE,
            words=tuple(word for s, h in heard for word in later(h.words, s.start)),
        )  # fmt: skip

    def _window(self, pcm: Pcm) -> float:
        seconds = math.ceil(pcm.size / SAMPLE_RATE + self._margin)
        return min(_FULL_WINDOW, max(self._floor, seconds))

    def _decode(self, pcm: Pcm, window: float, *, beam: int, identify: bool = False) -> _Decoded:
        """``identify``: find out the language first; else it is taken for Mandarin."""
        features = self._log_mel(pcm, int(window * _FRAMES_PER_SECOND))
        encoded = self._model.encoded(features)
        language = self._language(encoded) if identify else guards.UNKNOWN
        model = self._of(language)
        seconds = pcm.size / SAMPLE_RATE
        # Whisper's Chinese has one to three tokens a hanzi: room for the quickest speaker, no more.
        limit = min(448, _PROMPT_TOKENS + 12 + math.ceil(seconds * 14))
        result = model.native.generate(
            encoded,
            [model.prompt(language)],
            beam_size=beam,
            num_hypotheses=beam,
            max_length=limit,
            no_repeat_ngram_size=8,  # a number read out repeats shorter runs rightly
            suppress_tokens=model.suppressed,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        return _Decoded(
            readings=_distinct(model, result.sequences_ids, result.scores),
            no_speech=float(result.no_speech_prob),
            language=language,
            encoded=encoded,
        )

    def _words(self, decoded: _Decoded, final: Hypothesis) -> tuple[Word, ...]:
        """Of the best reading, within the utterance."""
        tokens = list(decoded.best.tokens)
        frames = min(
            decoded.encoded.shape[1] * _FRAMES_PER_SECOND // _ALIGNED_PER_SECOND,
            math.ceil(final.end * _FRAMES_PER_SECOND),
        )
        if not tokens or frames < _FEWEST_FRAMES:
            return ()
        model = self._of(decoded.language)
        prompt = model.prompt(decoded.language)
        aligned = model.native.align(decoded.encoded, prompt[:-1], [tokens], frames)[0].alignments
        first_frame: dict[int, int] = {}
        for token, frame in aligned:
            first_frame.setdefault(token, frame)
        if len(first_frame) <= len(tokens):  # the end of the text has a place too
            return ()
        at = [
            min(final.end, max(final.start, first_frame[i] / _ALIGNED_PER_SECOND))
            for i in range(len(tokens) + 1)
        ]
        pieces = [
            Word(cleaning.simplify(text), at[begin], at[end])
            for text, begin, end in _whole_characters(model, tokens)
        ]
        return retimed(pieces, final.text)

    def _language(self, encoded: Any) -> str:
        if not self._model.native.is_multilingual:
            return guards.UNKNOWN
        languages = self._model.native.detect_language(encoded)[0]
        return guards.spoken_language({token.strip("<|>"): float(p) for token, p in languages})

    def _log_mel(self, pcm: Pcm, frames: int) -> npt.NDArray[np.float32]:
        samples = frames * SAMPLE_RATE // _FRAMES_PER_SECOND
        padded = np.zeros(samples, np.float32)
        padded[: min(pcm.size, samples)] = pcm[:samples]
        return np.ascontiguousarray(self._features(padded, padding=0)[:, :frames], dtype=np.float32)

    @staticmethod
    def _invented(decoded: _Decoded) -> bool:
        best = decoded.best
        if not best.text or best.score < _HOPELESS_LOG_PROBABILITY:
            return True
        unsure = decoded.no_speech > _NO_SPEECH and best.score < _MIN_LOG_PROBABILITY
        return unsure or (cleaning.sign_off(best.text) and decoded.no_speech > _NO_SPEECH / 2)

    @staticmethod
    def _suspicious(decoded: _Decoded, seconds: float) -> bool:
        best = decoded.best
        count = len(cleaning.bare(best.text))
        return (
            best.score < _MIN_LOG_PROBABILITY
            or best.looping
            or count > 4 + _MAX_RATE * seconds
            or count < _MIN_RATE * (seconds - 2.0)
        )

    def _hypothesis(
        self, decoded: _Decoded, extent: tuple[float, float], *, final: bool
    ) -> Hypothesis:
        texts = tuple(reading.text for reading in decoded.readings)
        text = texts[0] if texts else ""
        return Hypothesis(
            engine=self.name, text=text, alternatives=texts[1:], final=final,
            start=extent[0], end=extent[1], stable=len(text) if final else 0,
            scores=tuple(round(reading.score, 4) for reading in decoded.readings),
        )  # fmt: skip


def _distinct(
    model: WhisperModel, sequences: Sequence[Sequence[int]], scores: Sequence[float]
) -> tuple[_Reading, ...]:
    """Readings that differ in more than script and punctuation, best first."""
    readings: dict[str, _Reading] = {}
    for tokens, score in zip(sequences, scores, strict=True):
        raw = cleaning.clean(model.text(tokens))
        text = cleaning.collapse(raw)
        if text:
            reading = _Reading(text, float(score), cleaning.looping(raw), tuple(tokens))
            readings.setdefault(cleaning.bare(text), reading)
    return tuple(sorted(readings.values(), key=lambda reading: -reading.score))


def _whole_characters(model: WhisperModel, tokens: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """The text of tokens [begin:end]; a hanzi may be spelt by three of them."""
    begin = 0
    for end in range(1, len(tokens) + 1):
        text = model.text(tokens[begin:end])
        if _INCOMPLETE not in text or end == len(tokens):
            yield text, begin, end
            begin = end
