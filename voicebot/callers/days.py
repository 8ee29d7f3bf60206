"""Calendar days in Hainan: when a limit ends, and how its last day is said. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from voicebot.clock import BEIJING

_DIGITS = "零一二三四五六七八九"


def local(at: float) -> datetime:
    """The moment on Hainan's clocks; `at` in seconds since the epoch."""
    return datetime.fromtimestamp(at, BEIJING)


def end_of_limit(set_at: float, days: int) -> float:
    """The first moment after a limit of so many calendar days (自然日), seconds since the epoch.

    The day on which it is set does not count, and the last one counts to its end (Civil Code,
    articles 201 and 203).
    """
    midnight = local(set_at).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=days + 1)).timestamp()


def days_before(at: float, days: int) -> float:
    """Midnight before the first of the last `days` calendar days, today among them."""
    midnight = local(at).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - timedelta(days=days - 1)).timestamp()


def last_day_spoken(ends_at: float) -> str:
    """The last day of a limit as it is said: 十二月一号."""
    return day_spoken(local(ends_at - 1).date())


def day_spoken(day: date) -> str:
    """A day of the year as it is said: 十二月一号."""
    return f"{_spoken(day.month)}月{_spoken(day.day)}号"


def _spoken(number: int) -> str:
    tens, ones = divmod(number, 10)
    if not tens:
        return _DIGITS[ones]
    return f"{_DIGITS[tens] if tens > 1 else ''}十{_DIGITS[ones] if ones else ''}"
