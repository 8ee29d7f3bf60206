"""The days that are reconciled: a message belongs to the day on which its sender sent it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from voicebot.clock import BEIJING


@dataclass(frozen=True, slots=True)
class Days:
    """Days in Hainan, from the first to the last."""

    first: date
    last: date

    @classmethod
    def until(cls, last: date, count: int = 1) -> Days:
        """The last day and those before it, `count` in all."""
        return cls(last - timedelta(days=count - 1), last)

    @classmethod
    def of(cls, first: str, last: str) -> Days:
        """From days as the database has them, 2026-11-25."""
        return cls(date.fromisoformat(first), date.fromisoformat(last))

    def __iter__(self) -> Iterator[date]:
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} … {self.last}"

    @property
    def since(self) -> float:
        """Their first moment, seconds since the epoch."""
        return datetime.combine(self.first, time(), BEIJING).timestamp()

    @property
    def before(self) -> float:
        """The first moment after them."""
        return datetime.combine(self.last + timedelta(days=1), time(), BEIJING).timestamp()
