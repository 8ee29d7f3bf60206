"""The role `asr`: recognition for the media nodes of an installation, over NATS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicebot.errors import VoicebotError

if TYPE_CHECKING:
    import asyncio

    from voicebot.config import Settings


async def run_asr(settings: Settings, stopping: asyncio.Event) -> None:
    """Until `stopping` is set."""
    raise VoicebotError("The role asr is not there yet.")
