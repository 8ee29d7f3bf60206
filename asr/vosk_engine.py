"""Vosk (Kaldi): a streaming transcriber for any model of alphacephei.com/vosk/models.

``vosk-model-small-cn-0.22`` and ``vosk-model-cn-0.22`` are the Mandarin ones; the adapter is the
same for every language.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from asr.cleaning import clean, simplify
from asr.errors import ModelBroken, ModelMissing
from asr.hypothesis import Capabilities, Hypothesis, Pcm, Word, as_pcm

SAMPLE_RATE = 16_000
_FLUSH_SECONDS = 0.3
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

    def _new_decoder(self) -> Any:
        decoder = self._decoder(self._model, SAMPLE_RATE)
        decoder.SetMaxAlternatives(self._alternatives)
        decoder.SetWords(True)
        return decoder


class VoskStream:
    """One call's audio; recognition happens inside ``feed`` (with the interpreter lock released).

    Kaldi ends a part by itself at a pause; such parts are kept and joined, so nothing is lost.
    """

    def __init__(self, new_decoder: Any) -> None:
        self._new_decoder = new_decoder
        self._lock = Lock()
        self._fed = 0
        self._newest: Hypothesis | None = None
        self._recent = np.empty(0, np.float32)
        self._begin_utterance()

    def _begin_utterance(self) -> None:
        self._decoder = self._new_decoder()
        self._start = self._fed
        self._parts: list[tuple[tuple[str, ...], tuple[Word, ...]]] = []
        self._last_partial = ""
        self._newest = None

    def feed(self, pcm: Pcm) -> None:
        """Take float32 mono samples at 16 kHz, any number, and recognise them."""
        pcm = as_pcm(pcm)
        if not pcm.size:
            return
        with self._lock:
            self._recent = np.concatenate([self._recent, pcm])[-SAMPLE_RATE:]
            self._accept(pcm)

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial of this utterance; None while nothing was heard."""
        return self._newest

    def decode(self, final: bool = False) -> Hypothesis:
        """What was heard so far. A final closes Kaldi's current part: ask for it in a pause."""
        with self._lock:
            if final:
                self._accept(np.zeros(round(_FLUSH_SECONDS * SAMPLE_RATE), np.float32), real=False)
                self._keep(self._decoder.FinalResult())
                return self._hypothesis("", final=True)
            return self._newest or self._hypothesis("", final=False)

    def finish(self) -> Hypothesis:
        """The final hypothesis; what is fed from now on belongs to the next utterance."""
        final = self.decode(final=True)
        with self._lock:
            self._begin_utterance()
        return final

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` (at most 1) of audio."""
        with self._lock:
            self._begin_utterance()
            kept = self._recent[max(0, self._recent.size - round(keep_seconds * SAMPLE_RATE)) :]
            if keep_seconds > 0 and kept.size:
                self._start = self._fed = self._fed - kept.size
                self._accept(kept)

    def _accept(self, pcm: Pcm, *, real: bool = True) -> None:
        if real:
            self._fed += pcm.size
        if self._decoder.AcceptWaveform((pcm * 32767.0).astype("<i2").tobytes()):
            self._keep(self._decoder.Result())
            partial = ""
        else:
            partial = json.loads(self._decoder.PartialResult()).get("partial", "")
        if partial or self._parts:
            self._newest = self._hypothesis(partial, final=False)

    def _keep(self, result: str) -> None:
        """Keep a part that Kaldi has closed: its readings, best first, and the best one's words."""
        answer = json.loads(result)
        readings = answer.get("alternatives") or [answer]
        texts = tuple(dict.fromkeys(_plain(r.get("text", "")) for r in readings))
        texts = tuple(text for text in texts if text)
        if not texts:
            return
        offset = self._start / SAMPLE_RATE
        words = tuple(
            Word(simplify(w["word"]), w["start"] + offset, w["end"] + offset)
            for w in readings[0].get("result", ())
        )
        self._parts.append((texts, words))

    def _hypothesis(self, partial: str, *, final: bool) -> Hypothesis:
        closed = [texts[0] for texts, _ in self._parts]
        settled = _plain(" ".join(closed))
        text = _plain(f"{settled} {partial}")
        words = tuple(word for _, part in self._parts for word in part)
        alternatives: list[str] = []
        if final and self._parts:  # readings of the last part; those of all would multiply
            alternatives = [
                _plain(" ".join([*closed[:-1], reading])) for reading in self._parts[-1][0][1:]
            ]
        start = words[0].start if words else self._start / SAMPLE_RATE
        end = words[-1].end if words and final else self._fed / SAMPLE_RATE
        return Hypothesis(
            engine=VoskTranscriber.name, text=text, alternatives=tuple(alternatives), words=words,
            start=start, end=end, final=final, stable=len(text) if final else len(settled),
        )  # fmt: skip


def _plain(text: str) -> str:
    """Vosk puts a space between words: none between hanzi, one between Korean or Latin words."""
    return clean(_HANZI_SPACE.sub("", text))
