"""When a row of the directory or of a rota is in force: kind of day, hours, period. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from voicebot.clock import BEIJING
from voicebot.duty.calendar import DayKind, day_kind

DAY = 24 * 60
"""Minutes."""
DAILY = "daily"

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CHINESE = {
    "": DAILY, "每天": DAILY, "每日": DAILY, "工作日": "workday", "休息日": "rest",
    "节假日": "holiday", "法定节假日": "holiday",
    **{f"{week}{day}": name
       for week in ("周", "星期") for day, name in zip("一二三四五六日", WEEKDAYS, strict=True)},
    "星期天": "sun", "周天": "sun",
}  # fmt: skip
_NAMES = {name: chinese for chinese, name in reversed(_CHINESE.items()) if chinese}
_CLOCK = re.compile(r"([01]?[0-9]|2[0-4])[:：]([0-5][0-9])(?:[:：]00)?")


@dataclass(frozen=True, slots=True)
class Hours:
    """When something is in force.

    Parameters:
        days: ``daily`` | ``workday`` | ``rest`` (holidays too) | ``holiday`` | ``mon`` … ``sun``
            | a date such as ``2026-10-01``. A shift across midnight is one of the day it begins.
        start, end: minutes of the day; an `end` not after `start` is on the next day.
        valid_from, valid_to: first and last day on which it begins; None: no such limit.
    """

    days: str = DAILY
    start: int = 0
    end: int = DAY
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def length(self) -> int:
        """Minutes, 1 to 1440."""
        return self.end - self.start if self.end > self.start else self.end - self.start + DAY

    @property
    def always(self) -> bool:
        return self == Hours()

    @property
    def specificity(self) -> int:
        """What is said of one date comes before holidays, weekdays, kinds of day, every day."""
        if self.days == DAILY:
            return 0
        if self.days in (DayKind.WORKDAY, DayKind.REST):
            return 1
        return 2 if self.days in WEEKDAYS else 3 if self.days == DayKind.HOLIDAY else 4

    def on(self, day: date) -> bool:
        """Whether it begins on that day."""
        if (self.valid_from is not None and day < self.valid_from) or (
            self.valid_to is not None and day > self.valid_to
        ):
            return False
        match self.days:
            case "daily":
                return True
            case "workday" | "holiday":
                return day_kind(day) == self.days
            case "rest":
                return day_kind(day) != DayKind.WORKDAY
            case _ if self.days in WEEKDAYS:
                return WEEKDAYS[day.weekday()] == self.days
            case _:
                return day.isoformat() == self.days

    def beginning(self, at: datetime) -> datetime | None:
        """When what is in force at `at` (zone-aware) began; None: it is not in force."""
        local = at.astimezone(BEIJING)
        for day in (local.date(), local.date() - timedelta(days=1)):
            begins = midnight(day) + timedelta(minutes=self.start)
            if begins <= local < begins + timedelta(minutes=self.length) and self.on(day):
                return begins
        return None

    def edges(self, day: date) -> tuple[datetime, ...]:
        """Beginning and end of what begins on that day; nothing where nothing does."""
        if not self.on(day):
            return ()
        begins = midnight(day) + timedelta(minutes=self.start)
        return begins, begins + timedelta(minutes=self.length)


def midnight(day: date) -> datetime:
    """The beginning of a day in Hainan."""
    return datetime.combine(day, time(), BEIJING)


def read_days(text: str) -> str | None:
    """``workday`` from 工作日, ``2026-10-01`` from 2026/10/1; None: it means no days."""
    text = text.strip()
    if text in _CHINESE:
        return _CHINESE[text]
    if text.lower() in _NAMES:
        return text.lower()
    day = read_date(text)
    return day.isoformat() if day is not None else None


def read_date(text: str) -> date | None:
    """A day written 2026-10-01, 2026/10/1, 2026.10.1 or 2026年10月1日; None: it is none."""
    found = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", text.strip())
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def read_clock(text: str) -> int | None:
    """Minutes of the day of 8:00, 08：00, 08:00:00 or 24:00; None: it is no time of day."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    minutes = int(found[1]) * 60 + int(found[2])
    return minutes if minutes <= DAY else None


def write_days(days: str) -> str:
    """As `read_days` reads it, in Chinese."""
    return _NAMES.get(days, days)


def write_clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
