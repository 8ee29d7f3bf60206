"""espeak-ng: a formant voice that needs no model; robotic, instant, always there.

It is given pinyin: the dictionary of hanzi that Debian ships for its `cmn` voice reads
nearly every character as an English word.
"""

from __future__ import annotations

import shutil
import subprocess

import numpy as np

from voicebot.call.voices.baker import syllables
from voicebot.call.voices.reading import LONG_PAUSE_S, clauses
from voicebot.call.voices.sound import Speech, speech_from
from voicebot.errors import SpeechUnavailable

_PROGRAM = "espeak-ng"
_VOICE, _WORDS_PER_MINUTE = "cmn-latn-pinyin", "130"


class _Program:
    """One short process of espeak-ng for each text.

    Raises:
        SpeechUnavailable: espeak-ng is not installed.
    """

    def __init__(self, timeout_s: float) -> None:
        program = shutil.which(_PROGRAM)
        if program is None:
            raise SpeechUnavailable(
                "espeak-ng is not installed; install the Debian package espeak-ng."
            )
        self._program, self._timeout_s = program, timeout_s

    def speak(self, language: str, voice: str, text: str) -> Speech:
        """Raises SpeechUnavailable when espeak-ng failed."""
        command = [self._program, "-v", language, "-s", _WORDS_PER_MINUTE, "--stdin", "--stdout"]
        try:
            done = subprocess.run(  # noqa: S603  the text goes in by stdin, not as an argument
                command,
                input=text.encode(),
                capture_output=True,
                timeout=self._timeout_s,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SpeechUnavailable(f"espeak-ng failed: {error}.") from error
        return _read(done.stdout, voice)


class EnglishVoice:
    """The few sentences that are said in English.

    Raises:
        SpeechUnavailable: espeak-ng is not installed.
    """

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._program = _Program(timeout_s)

    def render(self, text: str) -> Speech:
        """Raises SpeechUnavailable when espeak-ng failed."""
        return self._program.speak("en-us", "espeak-ng-en-us/1", text)


class EspeakSynthesizer:
    """Mandarin by Debian's espeak-ng, one short process for each text.

    Raises:
        SpeechUnavailable: espeak-ng is not installed.
    """

    name = "espeak"
    voice = "espeak-ng-cmn-latn-pinyin/1"

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._program = _Program(timeout_s)

    def render(self, text: str) -> Speech:
        """The text as speech, levelled and trimmed.

        Raises:
            SpeechUnavailable: nothing can be spoken, or espeak-ng failed.
        """
        pinyin = _pinyin(text)
        if not pinyin:
            raise SpeechUnavailable("There is nothing in this text that can be spoken.")
        return self._program.speak(_VOICE, self.voice, pinyin)


def _pinyin(text: str) -> str:
    parts = []
    for clause in clauses(text):
        sounds = " ".join(syllables(clause.text))
        if sounds:
            parts.append(sounds + (". " if clause.pause_s >= LONG_PAUSE_S else ", "))
    return "".join(parts)


def _read(wav: bytes, voice: str) -> Speech:
    # A streamed WAV's header gives no true length: everything after it is audio.
    start = wav.find(b"data")
    if start < 0:
        raise SpeechUnavailable("espeak-ng gave no audio.")
    rate = int.from_bytes(wav[24:28], "little")
    body = wav[start + 8 :]
    samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2")
    speech = speech_from(samples.astype(np.float32) / np.float32(32768), rate, voice)
    if not len(speech.pcm):
        raise SpeechUnavailable("espeak-ng gave silence for this text.")
    return speech
