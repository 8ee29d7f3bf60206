"""How long what is kept about people is kept."""

from __future__ import annotations

from datetime import time

from pydantic import Field, ValidationInfo, field_validator

from voicebot.config_base import Section

LEAST_AUDIT_DAYS = 180
"""网络安全法 art. 21: logs of a network's running are kept for six months at least."""

LEAST_TRANSCRIPT_DAYS = 7
"""The ledgers of the last days are compared with 110's each day, and again when that failed."""

LEAST_BESIDE = {
    "exchange": (7, "until both ledgers were compared"),
    "limits": (30, "so long may a limit last, and the next one looks back at it"),
    "topics": (56, "the past that a rising topic is compared with"),
}


class Retention(Section):
    """[retention] Days after which personal data is deleted; 0: never (docs/security.md)."""

    recordings: int = Field(0, ge=0)
    """Recordings of calls, from the end of the call."""
    transcripts: int = Field(0, ge=0)
    """What was said, in transcripts, dossiers and incidents; 7 at least."""
    personal: int = Field(0, ge=0)
    """Names, numbers, places and words of closed tickets; numbers of callers."""
    events: int = Field(0, ge=0)
    """The event logs of calls, by which they are replayed."""
    exchange: int = Field(0, ge=0)
    """What was told in the envelopes of the exchange with 110, from their arrival; 7 at least."""
    limits: int = Field(0, ge=0)
    """Numbers that were limited (骚扰限制), from the limit's end; 30 at least."""
    notices: int = Field(0, ge=0)
    """What people on duty were told, and their numbers and addresses, from the receipt on."""
    topics: int = Field(0, ge=0)
    """The wordings of topics, from the last call about them; 56 at least."""
    webhooks: int = Field(30, ge=0)
    """Events for webhooks, from delivery on; what no receiver has taken by then is given up. They
    hold no personal data."""
    audit: int = Field(0, ge=0)
    """The audit, from its beginning; 180 at least."""
    at: time = time(2, 30)
    """From when on it is done each day, Hainan's time."""

    @field_validator("transcripts")
    @classmethod
    def _reconciled(cls, days: int) -> int:
        if 0 < days < LEAST_TRANSCRIPT_DAYS:
            raise ValueError(
                f"what was said is kept for {LEAST_TRANSCRIPT_DAYS} days at least, until its "
                "dossiers were compared with 110's (0: for ever)"
            )
        return days

    @field_validator("exchange", "limits", "topics")
    @classmethod
    def _in_use(cls, days: int, info: ValidationInfo) -> int:
        least, because = LEAST_BESIDE[str(info.field_name)]
        if 0 < days < least:
            raise ValueError(f"kept for {least} days at least, {because} (0: for ever)")
        return days

    @field_validator("audit")
    @classmethod
    def _six_months(cls, days: int) -> int:
        if 0 < days < LEAST_AUDIT_DAYS:
            raise ValueError(
                f"the audit is kept for {LEAST_AUDIT_DAYS} days at least (网络安全法 第二十一条)"
            )
        return days
