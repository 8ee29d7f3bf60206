"""The settings of webhooks: who is told what happens (docs/webhooks.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from voicebot.config_base import Section
from voicebot.exchange.address import unsafe

Event = Literal[
    "call.started",
    "call.ended",
    "handoff.changed",
    "ticket.opened",
    "ticket.changed",
    "incident.opened",
    "incident.changed",
    "surge.changed",
    "knowledge.published",
]


class Webhook(Section):
    """[[webhooks]] One receiver of events (docs/webhooks.md)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    """What commands, metrics and signatures (keyid) call it; lower-case letters, digits, - and _.
    What waits for it waits under this name."""
    url: str
    """Where events are posted; beyond this machine https:// only."""
    secret_file: Path
    """The key that they are signed with: one line of base64, 32 bytes or more, readable by its
    owner alone. ``(umask 077; openssl rand -base64 32 > FILE)``"""
    events: tuple[Event, ...] = ()
    """Which it is told of; empty: all."""
    tls_ca: str = ""
    """Certificates (PEM) that its own is checked with; empty: those of the system."""

    @field_validator("url")
    @classmethod
    def _reachable_safely(cls, url: str) -> str:
        if reason := unsafe(url):
            raise ValueError(f"{reason}: events go to https://…, or to http://127.0.0.1")
        return url


def distinct(webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
    """Raises ValueError for two of one name: each would take what waits for the other."""
    names = [each.name for each in webhooks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"there are two webhooks named {name!r}; give each its own name")
    return webhooks
