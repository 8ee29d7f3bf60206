"""Vosk (Kaldi): a streaming transcriber for any model of alphacephei.com/vosk/models.

``vosk-model-small-cn-0.22`` and ``vosk-model-cn-0.22`` are the Mandarin ones; the adapter is the
same for every language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from asr.cleaning import clean, simplify
from asr.errors import ModelBroken, ModelMissing
from asr.hypothesis import Capabilities, Hypothesis, Pcm, Word, as_pcm

SAMPLE_RATE = 16_000
_FLUSH_SECONDS = 0.3
_SILENT_PEAK = (
    0.004  # −48 dBFS: the quietest caller's voice peaks at about −33, an idle line at −58
)
_LEAD = SAMPLE_RATE // 2  # of silence before a voice: it may hold the beginning of a soft consonant
_HANZI_SPACE = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")


class VoskTranscriber:
    """A loaded Vosk model, shared by all calls; a Kaldi decoder for each stream.

    Args:
        model_dir: unpacked Vosk model (``am/final.mdl``, ``conf/``, ``graph/``).
        languages: what the model understands, for the capability record.
        alternatives: readings of a final at most, 1 or more.

    Raises:
        ModelMissing, ModelBroken: the folder cannot be used.
    """

    name = "vosk"
    declared = Capabilities(
        streaming=True, n_best=True, word_times=True, hot_words=False, phonetic=False,
        languages=("zh",),
    )  # fmt: skip
    """What the engine can do with a Mandarin model."""

    def __init__(
        self, model_dir: str | Path, *, languages: tuple[str, ...] = ("zh",), alternatives: int = 5
    ) -> None:
        folder = Path(model_dir)
        if not (folder / "am" / "final.mdl").is_file():
            raise ModelMissing(
                f"There is no Vosk model in {folder} (am/final.mdl is missing). "
                "Unpack one there and set paths.vosk to its folder."
            )
        import vosk

        vosk.SetLogLevel(-1)
        try:
            self._model: Any = vosk.Model(str(folder))
        except Exception as error:
            raise ModelBroken(f"The Vosk model in {folder} does not load.") from error
        self._decoder: Any = vosk.KaldiRecognizer
        self._alternatives = max(1, alternatives)
        self.capabilities = replace(
            self.declared, n_best=self._alternatives > 1, languages=languages
        )

    def stream(self) -> VoskStream:
        """A new stream for one call."""
        return VoskStream(self._new_decoder)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """The final text of an utterance of any length, with n-best and word times."""
        stream = self.stream()
        for begin in range(0, len(pcm), SAMPLE_RATE // 4):
            stream.feed(pcm[begin : begin + SAMPLE_RATE // 4])
        return stream.finish()

    def decoder(
        self,
        sample_rate: float = SAMPLE_RATE,
        phrases: Sequence[str] = (),
        *,
        words: bool,
        alternatives: int,
    ) -> Any:
        """A bare `vosk.KaldiRecognizer`, for whoever wants Kaldi's own endpoints and JSON.

        Args:
            sample_rate: of its audio, Hz.
            phrases: all that may be said, where the model allows a grammar.
            words: whether its finals have the words' times.
            alternatives: readings of a final at most; 0 for one with confidences.
        """
        grammar = [json.dumps(phrases, ensure_ascii=False)] if phrases else []
        decoder = self._decoder(self._model, sample_rate, *grammar)
        decoder.SetMaxAlternatives(alternatives)
        decoder.SetWords(words)
        return decoder

    def _new_decoder(self) -> Any:
        return self.decoder(words=True, alternatives=self._alternatives)


class VoskStream:
    """One call's audio; recognition happens inside ``feed`` (with the interpreter lock released).

    Kaldi ends a part by itself at a pause; such parts are kept and joined, so nothing is lost. A
    final ends Kaldi's last part, in a word perhaps: if more audio follows, that part is decoded
    anew with it, and the silence that drained the final is in neither its words nor its times.

    Silence before a part is not decoded, but for its last half second: Kaldi takes half as long for
    it as for speech (0.19 against 0.42 s of a core a second, small Korean model). Each utterance,
    and each part after such a silence, has a decoder of its own, so that none grows old.
    """

    def __init__(self, new_decoder: Any) -> None:
        self._new_decoder = new_decoder
        self._lock = Lock()
        self._fed = 0
        self._recent = np.empty(0, np.float32)
        self._begin_utterance()

    def _begin_utterance(self) -> None:
        self._start = self._fed
        self._parts: list[_Part] = []
        self._newest: Hypothesis | None = None
        self._begin_part()
        self._begin_decoder()

    def _begin_part(self) -> None:
        """Kaldi has closed a part at exactly what was fed."""
        self._part: list[Pcm] = []
        self._part_start = self._fed
        self._part_voiced = self._skipping = False

    def _begin_decoder(self) -> None:
        self._decoder = self._new_decoder()
        self._offset = self._part_start / SAMPLE_RATE  # the decoder's own times begin at 0
        self._final: Hypothesis | None = None

    def feed(self, pcm: Pcm) -> None:
        """Take float32 mono samples at 16 kHz, any number, and recognise them."""
        pcm = as_pcm(pcm)
        if not pcm.size:
            return
        with self._lock:
            self._recent = np.concatenate([self._recent, pcm])[-SAMPLE_RATE:]
            if self._final is not None:
                self._resume()
            self._accept(pcm)

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial of this utterance; None while nothing was heard."""
        return self._newest

    def decode(self, final: bool = False) -> Hypothesis:
        """What was heard so far. More audio after a final makes its last part be decoded anew."""
        with self._lock:
            return self._decode(final)

    def finish(self) -> Hypothesis:
        """The final hypothesis; what is fed from now on belongs to the next utterance."""
        with self._lock:
            final = self._decode(final=True)
            self._begin_utterance()
            return final

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` (at most 1) of audio."""
        with self._lock:
            kept = self._recent[max(0, self._recent.size - round(keep_seconds * SAMPLE_RATE)) :]
            self._fed -= kept.size
            self._begin_utterance()
            if kept.size:
                self._accept(kept)

    def _decode(self, final: bool) -> Hypothesis:
        if not final:
            return self._newest or self._hypothesis("", final=False)
        if self._final is None:
            silence = np.zeros(round(_FLUSH_SECONDS * SAMPLE_RATE), np.float32)
            closed = self._decoder.AcceptWaveform(_bytes(silence))
            parts = [self._decoder.Result()] if closed else []
            kept = [self._read(result) for result in [*parts, self._decoder.FinalResult()]]
            self._final = self._hypothesis("", final=True, last=[part for part in kept if part])
        return self._final

    def _resume(self) -> None:
        """Audio goes on after a final: its last part again, from a decoder that knows no end."""
        again = self._part
        self._fed = self._part_start
        self._begin_part()
        self._begin_decoder()
        for pcm in again:
            self._accept(pcm)

    def _accept(self, pcm: Pcm) -> None:
        self._fed += pcm.size
        self._part.append(pcm)
        if not self._part_voiced:
            self._part_voiced = bool(np.abs(pcm).max() > _SILENT_PEAK)
            if not self._part_voiced and self._fed - self._part_start > _LEAD:
                self._skipping = True
                self._keep_lead()
                return
        if self._skipping:
            pcm = self._after_silence()
        if self._decoder.AcceptWaveform(_bytes(pcm)):
            part = self._read(self._decoder.Result())
            if part:
                self._parts.append(part)
            self._begin_part()
            partial = ""
        else:
            partial = json.loads(self._decoder.PartialResult()).get("partial", "")
        if partial or self._parts:
            self._newest = self._hypothesis(partial, final=False)

    def _keep_lead(self) -> None:
        while self._fed - self._part_start - self._part[0].size >= _LEAD:
            self._part_start += self._part.pop(0).size

    def _after_silence(self) -> Pcm:
        """A new decoder, which knows nothing of what was skipped, and all that it is to hear."""
        self._begin_decoder()
        self._skipping = False
        return np.concatenate(self._part)

    def _read(self, result: str) -> _Part | None:
        """A part that Kaldi has closed: its readings, best first, and the best one's words."""
        answer = json.loads(result)
        readings = answer.get("alternatives") or [answer]
        texts = tuple(dict.fromkeys(_plain(r.get("text", "")) for r in readings))
        texts = tuple(text for text in texts if text)
        if not texts:
            return None
        end = self._fed / SAMPLE_RATE  # the silence after it is not the caller's
        words = tuple(
            Word(
                simplify(w["word"]),
                min(end, round(w["start"] + self._offset, 3)),
                min(end, round(w["end"] + self._offset, 3)),
            )
            for w in readings[0].get("result", ())
        )
        return _Part(texts, words)

    def _hypothesis(self, partial: str, *, final: bool, last: Sequence[_Part] = ()) -> Hypothesis:
        parts = [*self._parts, *last]
        closed = [part.readings[0] for part in parts]
        settled = _plain(" ".join(closed))
        text = _plain(f"{settled} {partial}")
        words = tuple(word for part in parts for word in part.words)
        alternatives: list[str] = []
        if final and parts:  # readings of the last part; those of all would multiply
            alternatives = [
                _plain(" ".join([*closed[:-1], reading])) for reading in parts[-1].readings[1:]
            ]
        start = words[0].start if words else self._start / SAMPLE_RATE
        end = words[-1].end if words and final else self._fed / SAMPLE_RATE
        return Hypothesis(
            engine=VoskTranscriber.name, text=text, alternatives=tuple(alternatives), words=words,
            start=start, end=end, final=final, stable=len(text) if final else len(settled),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """What lies between two pauses: its readings, best first, and the words of the best."""

    readings: tuple[str, ...]
    words: tuple[Word, ...]


def _bytes(pcm: Pcm) -> bytes:
    return (pcm * 32767.0).astype("<i2").tobytes()


def _plain(text: str) -> str:
    """Vosk puts a space between words: none between hanzi, one between Korean or Latin words."""
    return clean(_HANZI_SPACE.sub("", text))
