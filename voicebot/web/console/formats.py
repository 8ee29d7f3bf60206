"""How times, durations and numbers are written on pages. Pure."""

from __future__ import annotations

from voicebot.caller_privacy import HIDDEN
from voicebot.callers.days import local
from voicebot.records.duty import region_names

SEAT = "seat"
VISIBLE = 4
"""Digits of a masked number that stay at its end."""


def clock(at: float | None) -> str:
    """The time of day: 14:03:27; `at` in seconds since the epoch."""
    return "" if at is None else f"{local(at):%H:%M:%S}"


def moment(at: float | None, now: float) -> str:
    """As short as it is plain: 14:03 today, 11-26 14:03 this year, else with the year."""
    if at is None:
        return ""
    then, today = local(at), local(now)
    if then.date() == today.date():
        return f"{then:%H:%M}"
    return f"{then:%m-%d %H:%M}" if then.year == today.year else f"{then:%Y-%m-%d %H:%M}"


def iso(at: float | None) -> str:
    """For the `datetime` of a ``<time>``."""
    return "" if at is None else local(at).isoformat(timespec="seconds")


def duration(seconds: float | None) -> str:
    """3:05, or 1:03:05 from an hour on."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def masked_number(number: str) -> str:
    """A telephone number of which only the last digits are shown: 138****0001.

    What stands in place of a number (`caller_privacy.HIDDEN`) is no number, and stays.
    """
    if number == HIDDEN:
        return number
    if len(number) <= VISIBLE:
        return "*" * len(number)
    kept = 3 if len(number) >= 11 else 0
    return number[:kept] + "*" * (len(number) - kept - VISIBLE) + number[-VISIBLE:]


def party(destination: str) -> str:
    """A number of the duty directory as people call it: 110-460100 is 海口市110."""
    if destination == SEAT:
        return "人工座席"
    line, _, code = destination.partition("-")
    place = region_names().get(code, "")
    return f"{place}{line}" if place else destination


def grouped(number: float) -> str:
    """1,234,567; a figure with a fraction keeps one place."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"
