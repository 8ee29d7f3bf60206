"""The settings of notices to people on duty."""

from __future__ import annotations

import string
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from telephony.access import is_loopback
from voicebot.config_base import Section
from voicebot.exchange.address import unsafe

PLACEHOLDERS = frozenset({"line", "place", "order", "number", "minutes", "link"})
"""What a text may name: line, place, number of the order, calling number, time left, receipt."""


class Notices(Section):
    """[notices] Messages to people on duty, with receipts (docs/duty.md)."""

    acknowledge_s: float = Field(default=180.0, gt=0)
    """How long a person has to acknowledge before the next one is told, seconds."""
    alarm_every_s: float = Field(default=600.0, gt=0)
    """How often the alarm comes again when nobody is left to tell, seconds."""
    text: str = (
        "12345联动：{line}，{place}，单号{order}，来电{number}。请在{minutes}分钟内确认。{link}"
    )
    """What a message says."""
    public_url: str = ""
    """Where people on duty reach this service, for the receipt's link; https only. Empty: none."""
    secret: SecretStr = SecretStr("")
    """Key of webhook signatures and receipts; empty: made at first start (one machine)."""
    sms_url: str = ""
    """The SMS gateway; beyond this machine https only. Empty: no SMS."""
    sms_token: SecretStr = SecretStr("")
    """Bearer token of the SMS gateway."""
    sms_template: str = ""
    """The id of the text at the gateway, where it takes templates …"""
    sms_reminder_template: str = ""
    """… and that of a reminder (督办), which has `reminder` in place of `number`."""
    smtp_host: str = ""
    """The mail server; empty: no e-mail."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """``none`` is for this machine alone."""
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_from: str = ""
    """The sender's address."""

    @field_validator("text")
    @classmethod
    def _known_names(cls, text: str) -> str:
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        except ValueError as error:
            raise ValueError(f"the braces do not fit: {error}") from None
        if unknown := sorted(names - PLACEHOLDERS):
            known = ", ".join(sorted(PLACEHOLDERS))
            raise ValueError(f"there is no {{{unknown[0]}}}; there are {known}")
        return text

    @model_validator(mode="after")
    def _reachable_safely(self) -> Notices:
        for name, url in (("sms_url", self.sms_url), ("public_url", self.public_url)):
            if url and (reason := unsafe(url)):
                raise ValueError(f"{name}: {reason}")
        if self.smtp_host and not self.smtp_from:
            raise ValueError("smtp_host needs smtp_from: the sender's address")
        if self.smtp_host and self.smtp_security == "none" and not is_loopback(self.smtp_host):
            raise ValueError("smtp_security is none: mail leaves this machine only encrypted")
        return self
