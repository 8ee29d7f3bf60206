"""The settings of log-ins."""

from __future__ import annotations

from pydantic import Field

from voicebot.config_base import Section


class Accounts(Section):
    """[accounts] Sessions and passwords of people who log in (docs/security.md)."""

    idle_s: float = Field(3600.0, ge=60)
    """A session without a request for so long is over, seconds."""
    session_s: float = Field(43200.0, ge=60)
    """A session is over after so long in any case, seconds."""
    password_length: int = Field(12, ge=8, le=64)
    """Characters of a password at least."""
