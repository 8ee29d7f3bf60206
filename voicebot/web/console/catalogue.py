"""What the console says, in Chinese and in English, by key.

A message is a line of a `messages*.toml` in or below this folder: ``title = { zh = "…", en = "…"
}`` in table ``[now]`` has the key ``now.title``. Values are put in as `str.format` does. What
begins with ``js.`` goes to the browser with each page.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog

from voicebot.errors import VoicebotError

LANGUAGES = ("zh", "en")
"""The first is the one of whoever has not chosen."""
FOR_BROWSERS = "js."
TABLES_FOR_BROWSERS = ("side.", "leg.", "decision.", "evidence.", "route.")
"""Names of values that come in live."""

log = structlog.get_logger()


class CatalogueError(VoicebotError):
    """A file of messages cannot be used."""

    code = "console.catalogue"


class Catalogue:
    """Parameters:
    messages: texts by language, by key.
    """

    def __init__(self, messages: Mapping[str, Mapping[str, str]]) -> None:
        self._messages = messages

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._messages)

    def text(self, language: str, key: str, /, **values: object) -> str:
        """The message; a key that is missing is shown as it is, and the log says so."""
        message = self._messages.get(key)
        if message is None:
            log.error("message_missing", key=key)
            return key
        return message[language].format(**values) if values else message[language]

    def name(self, language: str, table: str, value: object, /) -> str:
        """What a value of the records is called (``outcome``, ``handed_off``); else itself."""
        message = self._messages.get(f"{table}.{value}")
        return str(value) if message is None else message[language]

    def for_browsers(self, language: str) -> dict[str, str]:
        """By key, without its ``js.``; with the names of `TABLES_FOR_BROWSERS`."""
        return {
            key.removeprefix(FOR_BROWSERS): message[language]
            for key, message in self._messages.items()
            if key.startswith((FOR_BROWSERS, *TABLES_FOR_BROWSERS))
        }


def read_catalogue(files: Iterable[Path]) -> Catalogue:
    """All files as one.

    Raises:
        CatalogueError: a file is no TOML, a key is in two of them, or a language is missing.
    """
    messages: dict[str, Mapping[str, str]] = {}
    for file in files:
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"{file.name}: {error}.") from None
        for key, message in _flat(table, ""):
            if key in messages:
                raise CatalogueError(f"{file.name}: {key} is in another file already.")
            if not isinstance(message, dict) or set(message) != set(LANGUAGES):
                raise CatalogueError(f'{file.name}: {key} needs zh = "…" and en = "…".')
            messages[key] = message
    return Catalogue(messages)


def _flat(table: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and not set(value) & set(LANGUAGES):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def preferred(accept_language: str) -> str:
    """The language that a browser's Accept-Language asks for first among `LANGUAGES`."""
    for part in accept_language.split(","):
        primary = part.split(";")[0].strip().split("-")[0].lower()
        if primary in LANGUAGES:
            return primary
    return LANGUAGES[0]
