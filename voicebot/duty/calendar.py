"""Working days, rest days and public holidays of China (法定节假日、调休), by chinesecalendar.

The State Council announces each year's holidays in the autumn before. For a year that the
library does not know yet, the holidays with a fixed date and the weekends are taken.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import chinese_calendar

_FIXED = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""全国年节及纪念日放假办法 (国务院令第795号, 2024): those of a fixed date."""


class DayKind(StrEnum):
    WORKDAY = "workday"
    REST = "rest"
    """A weekend, or a working day that was moved for a holiday."""
    HOLIDAY = "holiday"
    """A day of a public holiday."""


def day_kind(day: date) -> DayKind:
    """What kind of day it is in China."""
    if announced(day):
        off, holiday = chinese_calendar.get_holiday_detail(day)
        if not off:
            return DayKind.WORKDAY
        return DayKind.HOLIDAY if holiday else DayKind.REST
    if (day.month, day.day) in _FIXED:
        return DayKind.HOLIDAY
    return DayKind.REST if day.weekday() >= 5 else DayKind.WORKDAY


def announced(day: date) -> bool:
    """Whether the holidays of that year are known here."""
    try:
        chinese_calendar.is_holiday(day)
    except NotImplementedError:
        return False
    return True
