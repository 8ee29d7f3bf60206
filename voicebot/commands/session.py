"""What every command begins with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from voicebot.errors import VoicebotError

if TYPE_CHECKING:
    from voicebot.config import Settings


class InputError(VoicebotError):
    """What was handed to a command cannot be used."""

    code = "voicebot.input"


def open_settings(*, quiet: bool = True) -> Settings:
    """The settings, with logging set up: for a command (`quiet`) only warnings."""
    from voicebot import logs
    from voicebot.config import load_settings

    settings = load_settings()
    logs.configure("warning" if quiet else settings.log.level, as_json=settings.log.as_json)
    return settings


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))
