"""How recordings are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import field_validator, model_validator

from voicebot.config_base import Section
from voicebot.exchange.address import unsafe


class Recordings(Section):
    """[recordings] Two-channel recordings of the calls."""

    encrypt_to: tuple[str, ...] = ()
    """age public keys; with any, recordings are encrypted as soon as a call is over."""
    kms_url: str = ""
    """A KMS with the HTTP API of HashiCorp Vault's Transit engine, as well or instead; such as
    https://vault.example:8200."""
    kms_mount: str = "transit"
    kms_key: str = "voicebot-recordings"
    """Of the engine, that data keys are encrypted with."""
    kms_token_file: Path | None = None
    """Holds a token that may encrypt with the key, and nothing else."""
    kms_tls_ca: str = ""
    """PEM file of whom its certificate is from; empty: the system's."""

    @field_validator("kms_token_file", mode="before")
    @classmethod
    def _none(cls, given: Any) -> Any:
        return given or None

    @model_validator(mode="after")
    def _usable(self) -> Recordings:
        if self.kms_url and (reason := unsafe(self.kms_url)):
            raise ValueError(f"kms_url: {reason.replace('dossiers leave', 'keys leave')}")
        if self.kms_url and self.kms_token_file is None:
            raise ValueError("kms_url needs kms_token_file: a file with a token that may encrypt")
        if not self.kms_mount.strip("/") or not self.kms_key:
            raise ValueError("kms_mount and kms_key may not be empty")
        return self
