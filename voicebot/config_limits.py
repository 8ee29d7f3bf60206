"""How often a client may ask."""

from __future__ import annotations

from pydantic import Field

from voicebot.config_base import Section


class RateLimits(Section):
    """[rate_limits] Requests of one client, which is an address with its token or session
    (docs/security.md)."""

    enabled: bool = True
    per_minute: float = Field(600.0, gt=0)
    """Requests in the long run …"""
    burst: int = Field(200, ge=1)
    """… and so many at once."""
    refused_per_minute: float = Field(20.0, gt=0)
    """Requests of one address without a token, or with a wrong one, that are looked at."""
    refused_burst: int = Field(40, ge=1)
    sign_in_per_minute: float = Field(6.0, gt=0)
    """Log-ins of one address that fail."""
    sign_in_burst: int = Field(12, ge=1)
    clients: int = Field(10_000, ge=100)
    """Clients that are remembered; the one longest silent is forgotten first."""
