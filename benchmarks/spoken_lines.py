"""Lines spoken over a simulated telephone and heard by both ears of the service.

Each line has a pitch, a pace, a level and noise of its own, drawn by its id, so that a run that
was cut off goes on where it was and two runs make the same.
"""

from __future__ import annotations

import json
import random
import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from asr.guards import judged
from asr.hanzi import by_sound
from asr.hypothesis import Hypothesis, Pcm
from asr.listener import Listener
from asr.phonetics import parse_tokens
from asr.whisper import WhisperTranscriber
from benchmarks.speech_data import RATE, listener_folder
from flows.triage.errors import InputError
from telephony.codecs import Int16
from telephony.line_simulation import NOISES, LineCondition, simulate_line
from telephony.line_simulation import RATE as LINE_RATE
from telephony.resampling import StreamResampler
from voicebot.call.speech import Synthesizer, ZhttsSynthesizer
from voicebot.call.turn_audio import as_float
from voicebot.config import load_settings
from voicebot.domain_words import domain_words
from voicebot.errors import SpeechUnavailable

PITCHES = (0.88, 1.12)
"""Least and most: the voice played slower and deeper, or faster and higher."""
LEVELS_DBFS = (-34.0, -18.0)
SNRS_DB = (8.0, 30.0)
NOISY = 0.6
"""Share of the lines with noise behind them."""

EARS = ("both ears", "listener only", "transcriber only")

_LATIN = re.compile(r"[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Speaking:
    """How one line is said, and over what line."""

    pitch: float
    level_dbfs: float
    noise: str
    snr_db: float
    seed: int

    @classmethod
    def of(cls, id: str) -> Speaking:
        seed = zlib.crc32(id.encode())
        chance = random.Random(seed)
        return cls(
            round(chance.uniform(*PITCHES), 3),
            round(chance.uniform(*LEVELS_DBFS), 1),
            chance.choice(("pink", "white", "hum")) if chance.random() < NOISY else "",
            round(chance.uniform(*SNRS_DB), 1),
            seed,
        )


def telephoned(pcm: Int16, rate: int, how: Speaking) -> Pcm:
    """Speech as the ears get it, (samples,) float32 at 16 kHz; longer where the pitch is lower."""
    line = simulate_line(
        as_float(pcm),
        round(rate * how.pitch),
        LineCondition(
            level_dbfs=how.level_dbfs,
            noise=NOISES[how.noise] if how.noise else None,
            snr_db=how.snr_db,
            seed=how.seed,
        ),
    )
    return as_float(StreamResampler(LINE_RATE, RATE).push(line.pcm))


def said(voice: Synthesizer, text: str, how: Speaking) -> Pcm:
    """A line with half a second of the line's own noise around it."""
    speech = voice.render(text)
    return telephoned(np.pad(speech.pcm, speech.rate // 2), speech.rate, how)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What each ear had, and what the service makes of the two."""

    both: Hypothesis
    transcriber: Hypothesis
    syllables: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """The fields of `flows.triage.cases`, and the transcriber's own words beside them."""
        return {
            "asr_text": self.both.text,
            "alternatives": list(self.both.alternatives),
            "syllables": list(self.syllables),
            "alone": list(self.transcriber.n_best),
        }


class Heard(NamedTuple):
    """What the service goes by."""

    text: str
    alternatives: tuple[str, ...]
    syllables: tuple[str, ...]


def of_ears(ears: str, row: Mapping[str, Any]) -> Heard:
    """What the service would have where these of `EARS` are there, of a row of `recognise`."""
    syllables = parse_tokens(tuple(row["syllables"]))
    if ears == "listener only":
        heard = by_sound(syllables)
        return Heard(heard.text, heard.alternatives, syllables)
    if ears == "transcriber only":
        first, *others = row["alone"] or [""]
        return Heard(first, tuple(others), ())
    return Heard(row["asr_text"], tuple(row["alternatives"]), syllables)


class BothEars:
    """The service's engines on finished utterances; one thread."""

    def __init__(self, models: Path, listener: Path) -> None:
        self._whisper = WhisperTranscriber(models / "whisper-base", threads=1)
        self._listener = Listener(listener)
        self._words = domain_words()

    def recognise(self, pcm: Pcm) -> Recognised:
        alone = self._whisper.transcribe(pcm)
        syllables = self._listener.transcribe(pcm).syllables
        return Recognised(judged(alone, syllables, self._words), alone, syllables)


def sayable(text: str) -> bool:
    """Without Latin words, which the voice cannot say."""
    return not _LATIN.search(text)


def rows(path: Path) -> list[dict[str, Any]]:
    """What was recognised before; a last line that was cut off does not count."""
    if not path.exists():
        return []
    whole = path.read_text("utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def recognise(wanted: Mapping[str, Mapping[str, Any]], path: Path, console: Console) -> None:
    """Appends to the file what it lacks; lines that were spoken before get the labels of now.

    Parameters:
        wanted: by id the labels of each line, "id" and "text" among them.

    Raises:
        InputError: there is no listener.
    """
    kept = [row | dict(wanted.get(row["id"], {})) for row in rows(path)]
    path.write_text("".join(_line(row) for row in kept), "utf-8")
    known = {row["id"] for row in kept}
    missing = [labels for id, labels in wanted.items() if id not in known]
    if not missing:
        return
    settings = load_settings()
    listener = listener_folder(settings.paths.models)
    if listener is None:
        raise InputError(f"There is no listener in {settings.paths.models}; run `make setup`.")
    voice = ZhttsSynthesizer(settings.paths.models)
    ears = BothEars(settings.paths.models, listener)
    with path.open("a", encoding="utf-8") as out:
        for labels in track(missing, description="speaking", console=console):
            begun, how = time.perf_counter(), Speaking.of(labels["id"])
            try:
                pcm = said(voice, labels["text"], how)
            except SpeechUnavailable:
                continue  # dots alone, for a caller who says nothing
            row = dict(labels) | ears.recognise(pcm).row()
            row |= {"audio_s": round(pcm.size / RATE, 2), "noise": how.noise, "snr_db": how.snr_db}
            row["work_s"] = round(time.perf_counter() - begun, 3)
            out.write(_line(row))
            out.flush()


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
