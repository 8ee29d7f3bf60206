"""How long what is kept about people is kept."""

from __future__ import annotations

from datetime import time

from pydantic import Field, field_validator

from voicebot.config_base import Section

LEAST_AUDIT_DAYS = 180
"""网络安全法 art. 21: logs of a network's running are kept for six months at least."""

LEAST_TRANSCRIPT_DAYS = 7
"""The ledgers of the last days are compared with 110's each day, and again when that failed."""


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

    @field_validator("audit")
    @classmethod
    def _six_months(cls, days: int) -> int:
        if 0 < days < LEAST_AUDIT_DAYS:
            raise ValueError(
                f"the audit is kept for {LEAST_AUDIT_DAYS} days at least (网络安全法 第二十一条)"
            )
        return days
