"""The texts that clients of vosk-server send: configuration and end.

As websocket/asr_server.py of alphacep/vosk-server reads them, only that what is wrong is said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from asr.service.errors import BAD_DATA, StreamError

MOST_ALTERNATIVES = 100
MOST_PHRASES, MOST_PHRASE_CHARACTERS = 1000, 20_000


@dataclass(frozen=True, slots=True)
class VoskConfig:
    """What holds for a connection from its first audio on; defaults are vosk-server's."""

    sample_rate: float = 8000.0
    words: bool = True
    max_alternatives: int = 0
    phrase_list: tuple[str, ...] = ()

    def updated(self, given: Mapping[str, Any]) -> VoskConfig:
        """With the keys of a config message; those that vosk-server does not know are ignored.

        Raises:
            StreamError: `bad_config`.
        """
        changes: dict[str, Any] = {}
        if "sample_rate" in given:
            changes["sample_rate"] = _number("sample_rate", given["sample_rate"], 4000, 192_000)
        if "words" in given:
            changes["words"] = bool(given["words"])
        if "max_alternatives" in given:
            most = _number("max_alternatives", given["max_alternatives"], 0, MOST_ALTERNATIVES)
            changes["max_alternatives"] = int(most)
        if "phrase_list" in given:
            changes["phrase_list"] = _phrases(given["phrase_list"])
        return replace(self, **changes)


def read_text(text: str) -> Mapping[str, Any] | None:
    """The configuration in a text message; None for the end of the audio.

    Raises:
        StreamError: `bad_json`, `bad_config`, `unknown_message`.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise StreamError(
            "bad_json", "A text message must be one JSON object.", close_code=BAD_DATA
        ) from None
    if isinstance(message, dict) and "config" in message:
        config = message["config"]
        if not isinstance(config, dict):
            raise _bad("config", "a JSON object")
        return config
    if isinstance(message, dict) and message.get("eof"):
        return None
    raise StreamError(
        "unknown_message", 'Texts are {"config": {…}} and {"eof": 1}; audio is sent as binary.'
    )


def _number(key: str, value: object, least: float, most: float) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise _bad(key, f"a number from {least:.0f} to {most:.0f}")
    return number


def _phrases(value: object) -> tuple[str, ...]:
    # Kaldi ends the process for some wrong lists, so none gets there.
    if (
        not isinstance(value, list)
        or len(value) > MOST_PHRASES
        or not all(isinstance(phrase, str) for phrase in value)
        or sum(map(len, value)) > MOST_PHRASE_CHARACTERS
    ):
        raise _bad(
            "phrase_list",
            f"a list of texts, {MOST_PHRASES} and {MOST_PHRASE_CHARACTERS} characters at most",
        )
    return tuple(phrase for phrase in value if phrase.strip())


def _bad(key: str, needed: str) -> StreamError:
    return StreamError("bad_config", f"{key} must be {needed}.")
