"""The settings of the exchange with 110."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from voicebot.config_base import Section
from voicebot.exchange.address import unsafe


class ExchangeKey(Section):
    """A key of message signatures (RFC 9421, HMAC-SHA256)."""

    file: Path
    """Its file: one line of base64, 32 bytes or more, readable by its owner alone."""
    owner: Literal["12345", "110"]
    """Who signs with it; a message of 110 that is signed with a key of ours is refused."""


class Exchange(Section):
    """[exchange] Messages between 12345 and 110 (docs/exchange.md)."""

    url: str = ""
    """110's platform; beyond this machine https:// only. Empty: what is for it waits here."""
    keys: dict[str, ExchangeKey] = Field(default_factory=dict)
    """By key id. Several at once while one takes over from another."""
    sign_with: str = ""
    """The id of our own key."""
    clock_skew_s: float = Field(300.0, gt=0, le=3600)
    """How far a signature's time may be from ours, seconds."""
    token: SecretStr = SecretStr("")
    """Bearer token to show to 110's platform beside the signature; empty: none."""
    alarm_s: float = Field(60.0, gt=0)
    """What 110 has not confirmed for so long is an alarm for people, once in such a time, seconds.
    Nothing is given up: it goes on being tried."""
    reconcile_at: time | None = time(3, 30)
    """From when on each day the service compares the ledgers of the days before with 110's, and
    mends what a rule can mend (docs/reconciliation.md), "03:30"; "" for never. Needs `url`."""
    tls_ca: str = ""
    """Certificates (PEM) that 110's own is checked with; empty: those of the system."""
    tls_certificate: str = ""
    """PEM file that we show to 110 (mutual TLS); with `tls_key`."""
    tls_key: str = ""

    @field_validator("reconcile_at", mode="before")
    @classmethod
    def _never(cls, given: object) -> object:
        return None if given == "" else given

    @model_validator(mode="after")
    def _sound(self) -> Exchange:
        if self.url and (reason := unsafe(self.url)):
            raise ValueError(f"url: {reason}")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together: set both or neither")
        if self.url and not self.sign_with:
            raise ValueError("url needs sign_with: the id of the key that messages are signed with")
        if self.sign_with:
            key = self.keys.get(self.sign_with)
            if key is None or key.owner != "12345":
                raise ValueError('sign_with must be the id of one of keys whose owner is "12345"')
        return self
