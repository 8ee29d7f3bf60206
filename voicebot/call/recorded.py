"""Prompts that people have recorded: instead of the bot's voice, or in another language after it.

A folder of WAV files (`speech.recordings`), named by the prompts of `flows/prompts.toml`:

    greeting.wav                 is heard instead of the synthesised greeting
    failure_human.hainan.wav     is heard after it, here in Hainanese
    language_human.en.wav        the same in English, instead of the synthesised English

A prompt that has words in English (`english` in the file) and no recording of them is spoken in
English by espeak-ng, where that is installed.
"""

from __future__ import annotations

import re
import wave
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog

from flows.prompts import Prompt
from telephony.codecs import Int16
from voicebot.call.audio_check import measure
from voicebot.call.voices.espeak import EnglishVoice
from voicebot.call.voices.sound import SILENCE_DBFS, Speech, at_rate
from voicebot.errors import SpeechUnavailable, VoicebotError

log = structlog.get_logger(__name__)

RATES = (8000, 16000)
SHORTEST_S, LONGEST_S = 0.3, 20.0
PAUSE_S = 0.4
"""Between two languages."""
ENGLISH = "en"
_NAME = re.compile(r"(?P<prompt>[a-z0-9_]+)(?:\.(?P<language>[a-z]{2,16}))?\.wav", re.ASCII)


class RecordingInvalid(VoicebotError):
    """Recorded prompts that cannot be played; the message says of each file what to do."""

    code = "voicebot.recording_invalid"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What there is beside the synthesised prompts."""

    instead: Mapping[str, Speech] = field(default_factory=dict)
    """By prompt."""
    after: Mapping[str, tuple[Speech, ...]] = field(default_factory=dict)
    """By prompt, in the order of the languages' names."""

    def with_others(self, prompt: str, parts: Iterable[Int16], rate: int) -> Iterator[Int16]:
        """The prompt at `rate` Hz as it is to be heard: recorded, and in the other languages.

        Parameters:
            parts: of the synthesised prompt.
        """
        if prompt in self.instead:
            yield at_rate(self.instead[prompt], rate).pcm
        else:
            yield from parts
        pause = np.zeros(round(PAUSE_S * rate), np.int16)
        for speech in self.after.get(prompt, ()):
            yield np.concatenate([pause, at_rate(speech, rate).pcm])


def open_recorded(folder: Path | None, prompts: Mapping[str, Prompt]) -> Recorded:
    """The recordings of a folder, checked, and the English that is still to be synthesised.

    Raises:
        RecordingInvalid: there is no such folder, or a file in it is not what it should be.
    """
    instead: dict[str, Speech] = {}
    others: dict[str, dict[str, Speech]] = {
        name: {ENGLISH: speech} for name, speech in _english(prompts).items()
    }
    faults: list[str] = []
    for path in _files(folder):
        try:
            prompt, language = _named(path, prompts)
            speech = _read(path)
        except ValueError as error:
            faults.append(f"{path.name}: {error}")
            continue
        if language:
            others.setdefault(prompt, {})[language] = speech
        else:
            instead[prompt] = speech
    if faults:
        raise RecordingInvalid(f"Recorded prompts in {folder}:\n" + "\n".join(faults))
    return Recorded(
        instead,
        {name: tuple(each for _, each in sorted(found.items())) for name, found in others.items()},
    )


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise RecordingInvalid(
            f"speech.recordings: there is no folder {folder}; make it, or leave the setting empty."
        )
    return sorted(folder.glob("*.wav"))


def _named(path: Path, prompts: Mapping[str, Prompt]) -> tuple[str, str]:
    found = _NAME.fullmatch(path.name)
    if found is None or found["prompt"] not in prompts:
        raise ValueError(
            "no prompt has this name; name it PROMPT.wav or PROMPT.LANGUAGE.wav, with a PROMPT of "
            "flows/prompts.toml and a LANGUAGE such as en or hainan"
        )
    if prompts[found["prompt"]].blanks and not found["language"]:
        raise ValueError("this prompt has blanks that are filled in each call; leave it out")
    return found["prompt"], found["language"] or ""


def _read(path: Path) -> Speech:
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error, RuntimeError) as error:
        raise ValueError(f"cannot be read as WAV ({error}); save it as PCM") from None
    if channels != 1 or width != 2 or rate not in RATES:
        raise ValueError(
            f"{channels} channels, {8 * width} bits, {rate} Hz; save it mono with 16 bits at "
            "8000 or 16000 Hz"
        )
    speech = Speech(np.frombuffer(data[: len(data) // 2 * 2], "<i2"), rate, "recorded")
    if not SHORTEST_S <= speech.seconds <= LONGEST_S:
        raise ValueError(
            f"{speech.seconds:.1f} s long; {SHORTEST_S} to {LONGEST_S:.0f} s can be used"
        )
    found = measure(speech, "")
    if found.peak_dbfs < SILENCE_DBFS:
        raise ValueError("there is nothing to be heard in it; record it again")
    if found.flat:
        raise ValueError(f"clipped at {found.peak_dbfs} dBFS; record it again, less loud")
    return speech


def _english(prompts: Mapping[str, Prompt]) -> dict[str, Speech]:
    wanted = {name: prompt.english for name, prompt in prompts.items() if prompt.english}
    if not wanted:
        return {}
    try:
        voice = EnglishVoice()
        return {name: voice.render(text) for name, text in wanted.items()}
    except SpeechUnavailable as error:
        log.warning("english_not_spoken", reason=str(error))
        return {}
