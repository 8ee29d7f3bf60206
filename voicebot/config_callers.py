"""Settings of the lines that callers dial, and of what is done about callers themselves."""

from __future__ import annotations

from datetime import datetime, time
from functools import cache

from pydantic import Field, ValidationInfo, field_validator, model_validator

from flows.prompts import load_prompts
from voicebot.config_base import Section


class DialledLine(Section):
    """[[lines]] One dialled number (DID) of the platform."""

    did: str = Field(min_length=1)
    name: str = ""
    greeting: str = "greeting"
    """Prompt of `flows/prompts.toml` without blanks."""
    region: str | None = None
    """GB/T 2260 code, if the number belongs to one county."""
    merged_into: str = ""
    """Another line's number: this one is cancelled (取消号码, R16). Its greeting says so, and the
    call goes on as the other line's, with that line's entries of the knowledge base."""
    opens: time | None = None
    """From when on there are seats, Hainan's time; with `closes`, empty for day and night."""
    closes: time | None = None
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """The days on which that holds; 1 is Monday."""

    @field_validator("greeting")
    @classmethod
    def _can_be_said(cls, greeting: str, others: ValidationInfo) -> str:
        sayable = _sayable()
        if greeting not in sayable:
            usual = ", ".join(name for name in sayable if name.startswith("greeting"))
            raise ValueError(
                f"line {others.data.get('did', '')} can greet with {usual} or another prompt of "
                "flows/prompts.toml that has no blanks"
            )
        return greeting

    @model_validator(mode="after")
    def _hours_are_hours(self) -> DialledLine:
        if (self.opens is None) != (self.closes is None):
            raise ValueError("opens and closes belong together: set both or neither")
        if self.opens is not None and self.opens == self.closes:
            raise ValueError("opens and closes are the same; leave both out for day and night")
        if not self.weekdays or not set(self.weekdays) <= set(range(1, 8)):
            raise ValueError("weekdays are numbers from 1 (Monday) to 7 (Sunday)")
        return self

    def closed_at(self, moment: datetime) -> bool:
        """Outside the hours of service; `moment` in Hainan's time.

        Hours past midnight (20:00 to 06:00) belong to the day on which they begin.
        """
        if self.opens is None or self.closes is None:
            return moment.isoweekday() not in self.weekdays
        now, today = moment.time(), moment.isoweekday()
        if self.opens < self.closes:
            return today not in self.weekdays or not self.opens <= now < self.closes
        if now >= self.opens:
            return today not in self.weekdays
        yesterday = (today - 2) % 7 + 1
        return now >= self.closes or yesterday not in self.weekdays


@cache
def _sayable() -> tuple[str, ...]:
    """Prompts that can be said without knowing anything about a call."""
    return tuple(prompt.id for prompt in load_prompts().values() if not prompt.blanks)


class Callers(Section):
    """[callers] Limited numbers, missed calls, evaluations."""

    limit_days: int = Field(30, ge=1, le=30)
    """Calendar days (自然日) of a limit for nuisance; the plan allows 30 at most."""
    evaluate_calls: bool = False
    """Callers are asked how content they are at the end of an answered call or of a ticket."""
    evaluate_call_backs: bool = True
    """Who is called back about a ticket is asked."""
    evaluate_every_days: int = Field(30, ge=1)
    """A number is not asked again for so many days."""
    call_back: bool = True
    """Missed calls are called back over `handoff.call_back_trunk`, if there is one; else they are
    a list for agents."""
    call_back_from: time = time(8)
    """Nobody but those in danger is called before, Hainan's time …"""
    call_back_until: time = time(21)
    """… nor from then on."""
    call_back_tries: int = Field(3, ge=1, le=10)
    """Then a person decides."""

    @model_validator(mode="after")
    def _a_window(self) -> Callers:
        if self.call_back_from >= self.call_back_until:
            raise ValueError("call_back_from must be earlier in the day than call_back_until")
        return self
