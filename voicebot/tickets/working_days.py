"""Working days in China: public holidays and the weekends that are worked for them (调休).

By the State Council's yearly notice (国务院办公厅关于部分节假日安排的通知) as chinesecalendar
holds it. Beyond its years every Monday to Friday counts, and `known` says so: the notice
for a year comes out in the November before. Days are counted as the Civil Code does
(民法典 art. 201, 203): the day itself not, and the last one until its 24:00. Pure.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import chinese_calendar

from voicebot.clock import BEIJING

_DAY = timedelta(days=1)


def known(day: date) -> bool:
    """Whether the holidays of this day's year are known; else weekends alone are free."""
    try:
        chinese_calendar.is_workday(day)
    except NotImplementedError:
        return False
    return True


def is_working(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def end_of(at: float, days: int) -> float:
    """The end (24:00 in Beijing) of the `days`-th working day after the day of `at`.

    Times are seconds since the epoch; `days` may be 0: the day of `at` itself.
    """
    day = _day(at)
    for _ in range(days):
        day = following(day)
    return _midnight(day + _DAY)


def between(start: float, end: float) -> int:
    """Working days after the day of `start` up to and with that of `end`; 0 if none."""
    day, last, count = _day(start), _day(end), 0
    while day < last:
        day += _DAY
        count += is_working(day)
    return count


def start_of_last(deadline: float) -> float:
    """When the last working day before `deadline` (a moment of `end_of`) begins."""
    day = _day(deadline) - _DAY
    while not is_working(day):
        day -= _DAY
    return _midnight(day)


def last_day(deadline: float) -> date:
    """The day at whose end `deadline` is."""
    return _day(deadline - 1.0)


def following(day: date) -> date:
    """The next working day."""
    day += _DAY
    while not is_working(day):
        day += _DAY
    return day


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, BEIJING).date()


def _midnight(day: date) -> float:
    return datetime.combine(day, time.min, BEIJING).timestamp()
