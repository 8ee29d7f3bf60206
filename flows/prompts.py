"""The wording of the bot, read from `prompts.toml` and checked when it is loaded."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FILE = Path(__file__).with_name("prompts.toml")

MAX_CHARACTERS = 60
"""A prompt is one or two breaths; longer ones make callers hang up."""


PURPOSES = ("prompt", "safety")


class PromptError(ValueError):
    """A prompt file that cannot be used; the message names the prompt."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One sentence or two that the bot may say, with the names of its blanks."""

    id: str
    text: str
    purpose: str
    blanks: frozenset[str]
    english: str = ""
    """Said after it, to callers who spoke English; in words, without figures."""

    def fill(self, values: Mapping[str, str]) -> str:
        """The text to speak.

        Raises:
            PromptError: if a blank has no value.
        """
        missing = self.blanks - values.keys()
        if missing:
            raise PromptError(f"提示语 {self.id} 缺少内容：{', '.join(sorted(missing))}")
        return self.text.format_map(values)


def load_prompts(path: Path = DEFAULT_FILE) -> dict[str, Prompt]:
    """Read a prompt file.

    Raises:
        PromptError: if the file cannot be read, or a prompt is empty, too long,
            or has letters of the Latin alphabet in it (a caller would hear them).
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PromptError(f"{path}: the prompt file cannot be read: {error}") from error
    prompts = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise PromptError(f"{path}: {name} is no table; write [{name}] and text = below it")
        text = str(table.get("text", "")).strip()
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise PromptError(f"{path}: prompt {name}: {error}") from error
        spoken = "".join(literal for literal, *_ in parts)
        if not text:
            raise PromptError(f"{path}: prompt {name} has no text")
        if len(text) > MAX_CHARACTERS:
            raise PromptError(
                f"{path}: prompt {name} has {len(text)} characters; at most {MAX_CHARACTERS}"
            )
        if any(character.isascii() and character.isalpha() for character in spoken):
            raise PromptError(
                f"{path}: prompt {name} has Latin letters in it, which would be heard"
            )
        blanks = frozenset(field for _, field, *_ in parts if field)
        if any(field is not None and not field.isidentifier() for _, field, *_ in parts):
            raise PromptError(
                f"{path}: prompt {name} has a blank without a name, or not a plain one"
            )
        purpose = str(table.get("purpose", "prompt"))
        if purpose not in PURPOSES:
            raise PromptError(
                f"{path}: prompt {name} has the purpose {purpose}; "
                f"it is one of {', '.join(PURPOSES)}"
            )
        english = str(table.get("english", "")).strip()
        if not english.isascii():
            raise PromptError(f"{path}: prompt {name}: english is to be written in Latin letters")
        prompts[name] = Prompt(name, text, purpose, blanks, english)
    return prompts
