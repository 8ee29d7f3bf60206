"""The directory (值班号码表) from a file and into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kb.headings import Headings
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.errors import TelephonyError
from voicebot.duty.hours import Hours, write_clock, write_days
from voicebot.duty.names import LINES, write_region
from voicebot.duty.reading_rows import (
    COMMON,
    BadCell,
    Read,
    hours_of,
    line_of,
    read_table,
    region_of,
)
from voicebot.exchange.address import unsafe

HEADINGS = Headings(
    {
        "number": ("号码", "值班号码", "电话"),
        "name": ("名称", "单位"),
        "url": ("话务地址", "线路地址"),
        "http_url": ("通知地址", "消息地址"),
        **COMMON,
    },
    ("number", "line"),
)
_ANY_LINE = "trunk:any/0"
"""In the check of a row that leaves its line's address as it is."""


@dataclass(frozen=True, slots=True)
class Number:
    """One row of the directory; `url` and `http_url` empty: what they were, or the line's."""

    number: str
    line: str
    region: str = ""
    name: str = ""
    url: str = ""
    http_url: str = ""
    hours: Hours = field(default_factory=Hours)


def read_numbers(data: bytes) -> Read[Number]:
    """Numbers of a file (`voicebot.duty.reading_rows.read_table`); never raises."""
    return read_table(data, HEADINGS, _number, lambda number: number.number)


def number_cells(numbers: Iterable[Number]) -> list[tuple[str, ...]]:
    """Head and rows that `read_numbers` reads back without a difference."""
    columns = [field for field in HEADINGS.names if field != "remove"]
    rows = [tuple(HEADINGS.names[column][0] for column in columns)]
    for each in numbers:
        cells = {
            "number": each.number,
            "name": each.name,
            "url": each.url,
            "http_url": each.http_url,
            "line": LINES.get(each.line, each.line),
            "region": each.region or write_region(""),
            **hours_cells(each.hours),
        }
        rows.append(tuple(cells[column] for column in columns))
    return rows


def hours_cells(hours: Hours) -> dict[str, str]:
    return {
        "days": write_days(hours.days),
        "start": write_clock(hours.start),
        "end": write_clock(hours.end),
        "valid_from": hours.valid_from.isoformat() if hours.valid_from else "",
        "valid_to": hours.valid_to.isoformat() if hours.valid_to else "",
    }


def _number(cells: Mapping[str, str]) -> Number:
    number = Number(
        cells["number"],
        line_of(cells),
        region_of(cells),
        cells["name"],
        cells["url"],
        cells["http_url"],
        hours_of(cells),
    )
    try:
        url = number.url or _ANY_LINE
        DutyDirectory([DutyNumber(number.number, number.line, number.region, url, number.name)])
    except TelephonyError as error:
        field = "number" if error.code in ("bad_number", "double_number") else "url"
        raise BadCell(field, error.message.rstrip(".")) from None
    if number.http_url and (reason := unsafe(number.http_url)):
        raise BadCell("http_url", reason)
    return number
