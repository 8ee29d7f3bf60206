"""The settings of log-ins."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from telephony.access import is_loopback
from voicebot.config_base import Section

PersonRole = Literal["admin", "supervisor", "agent", "editor", "reviewer", "auditor", "desk", "110"]
"""The roles of people; the others are for programs, which show tokens."""


class Accounts(Section):
    """[accounts] Sessions and passwords of people who log in (docs/security.md)."""

    idle_s: float = Field(3600.0, ge=60)
    """A session without a request for so long is over, seconds."""
    session_s: float = Field(43200.0, ge=60)
    """A session is over after so long in any case, seconds."""
    password_length: int = Field(12, ge=8, le=64)
    """Characters of a password at least."""


class Oidc(Section):
    """[oidc] Log-ins at a provider of OpenID Connect, beside the accounts of this service."""

    issuer: str = Field("", max_length=255)
    """The provider, as its tokens name it; https, or on this machine. Empty: none."""
    client_id: str = ""
    """What it knows this service as."""
    client_secret: SecretStr = SecretStr("")
    """Empty: a public client, which PKCE alone protects."""
    url: str = ""
    """Where browsers reach this service; URL/v1/session/oidc/callback is to be registered."""
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    """The claim of the ID token with the person's name …"""
    role_claim: str = "roles"
    """… and the one with what the person may do, one value or several; `realm_access.roles`
    names a claim within a claim."""
    roles: dict[str, PersonRole] = Field(default_factory=dict)
    """Our role by value of that claim; of several the one that stands first here."""
    tls_ca: str = ""
    """Certificates (PEM) that the provider's own is checked with; empty: those of the system."""

    @model_validator(mode="after")
    def _sound(self) -> Oidc:
        if not self.issuer:
            return self
        for name, url in (("issuer", self.issuer), ("url", self.url)):
            if not is_safe(url):
                raise ValueError(
                    f"{name} must be an https address (http on this machine alone), not {url!r}"
                )
        if not self.client_id or not self.roles:
            raise ValueError(
                "issuer needs client_id, and roles: which value of role_claim is which role"
            )
        if "openid" not in self.scopes.split():
            raise ValueError("scopes must contain openid")
        return self

    @property
    def callback(self) -> str:
        """Where the provider sends browsers back to."""
        return f"{self.url.rstrip('/')}/v1/session/oidc/callback"


def is_safe(url: str) -> bool:
    """Nobody in between can read or change what goes there."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
