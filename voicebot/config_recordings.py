"""How recordings are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from voicebot.config_base import Section
from voicebot.exchange.address import unsafe


class Kms(Section):
    """[recordings.kms] A KMS with the HTTP API of HashiCorp Vault's Transit engine."""

    url: str = ""
    """Such as https://vault.example:8200; empty: there is none."""
    mount: str = "transit"
    key: str = "voicebot-recordings"
    """Of the engine, that data keys are encrypted with."""
    token_file: Path | None = None
    """Holds a token that may encrypt with the key, and nothing else."""
    tls_ca: str = ""
    """PEM file of whom its certificate is from; empty: the system's."""

    @field_validator("token_file", mode="before")
    @classmethod
    def _none(cls, given: Any) -> Any:
        return given or None

    @model_validator(mode="after")
    def _usable(self) -> Kms:
        if self.url and (reason := unsafe(self.url)):
            raise ValueError(f"url: {reason.replace('dossiers leave', 'keys leave')}")
        if self.url and self.token_file is None:
            raise ValueError("url and token_file belong together: set both or neither")
        if not self.mount.strip("/") or not self.key:
            raise ValueError("mount and key may not be empty")
        return self


class Recordings(Section):
    """[recordings] Two-channel recordings of the calls."""

    encrypt_to: tuple[str, ...] = ()
    """age public keys; with any, recordings are encrypted as soon as a call is over."""
    kms: Kms = Field(default_factory=lambda: Kms.model_validate({}))
    """As well, or instead."""
