"""What the two kinds of tables have in common: columns of hours and places, faults in a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from kb.headings import Headings, RowError
from kb.table_file import read_rows
from voicebot.duty.hours import DAY, Hours, read_clock, read_date, read_days
from voicebot.duty.names import LINES, read_line, read_region

T = TypeVar("T")

COMMON = {
    "line": ("线路", "类别", "部门"),
    "region": ("地区", "属地", "区划代码", "区域"),
    "days": ("值班日", "日期", "班次"),
    "start": ("开始", "开始时间", "起"),
    "end": ("结束", "结束时间", "止"),
    "valid_from": ("生效日期", "启用日期"),
    "valid_to": ("失效日期", "停用日期"),
    "remove": ("删除", "操作"),
}
"""Columns, with the headings that mean them; the first one is written."""
_REMOVE = {"": False, "删除": True, "是": True, "remove": True, "yes": True, "1": True}


class BadCell(Exception):
    """A cell that spoils its row: `field` and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A file's good rows, those to be removed, why rows were left out, what to look at."""

    rows: tuple[tuple[int, T], ...]
    """With the line that each is on."""
    removed: tuple[tuple[int, T], ...]
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]


def read_table(
    data: bytes,
    names: Headings,
    read: Callable[[Mapping[str, str]], T],
    key: Callable[[T], str],
) -> Read[T]:
    """Rows of a file as bytes: CSV (UTF-8 or GBK), XLSX or JSON Lines; never raises.

    `read` makes one row of its cells, or raises BadCell.
    """
    errors: list[RowError] = []
    warnings: list[RowError] = []
    rows: list[tuple[int, T]] = []
    removed: list[tuple[int, T]] = []
    lines: dict[str, int] = {}
    for row, titles in read_rows(data, names, errors, warnings):
        try:
            found = read({field: row.cells.get(field, "") for field in names.names})
            remove = _REMOVE.get(row.cells.get("remove", "").lower())
            if remove is None:
                raise BadCell("remove", "is empty, or 删除 to remove the row")
            if (before := lines.get(key(found))) is not None:
                raise BadCell("", f"says again what line {before} says")
        except BadCell as bad:
            errors.append(RowError(row.line, titles.get(bad.field, bad.field), bad.reason))
            continue
        lines[key(found)] = row.line
        (removed if remove else rows).append((row.line, found))
    if not (rows or removed or errors):
        errors.append(RowError(1, "", "the file holds no row"))
    return Read(tuple(rows), tuple(removed), tuple(errors), tuple(warnings))


def line_of(cells: Mapping[str, str]) -> str:
    line = read_line(cells["line"])
    if line is None:
        raise BadCell(
            "line", f"{cells['line'][:20]!r} is no line; there are {', '.join(LINES.values())}"
        )
    return line


def region_of(cells: Mapping[str, str]) -> str:
    region = read_region(cells["region"])
    if region is None:
        raise BadCell(
            "region",
            f"{cells['region'][:20]!r} is no place of Hainan: a code of six digits (GB/T 2260), "
            "a name such as 海口市龙华区, or 全省",
        )
    return region


def hours_of(cells: Mapping[str, str]) -> Hours:
    days = read_days(cells["days"])
    if days is None:
        raise BadCell(
            "days",
            f"{cells['days'][:20]!r} is no 每天, 工作日, 休息日, 节假日, 周一 … 周日 "
            "or date such as 2026-10-01",
        )
    start, end = (_clock(cells, field) for field in ("start", "end"))
    if (start is None) != (end is None):
        raise BadCell("end" if end is None else "start", "is empty; give both hours or neither")
    first, last = (_date(cells, field) for field in ("valid_from", "valid_to"))
    if first is not None and last is not None and last < first:
        raise BadCell("valid_to", f"{last} is before {first}")
    return Hours(days, start or 0, DAY if end is None else end, first, last)


def _clock(cells: Mapping[str, str], field: str) -> int | None:
    text = cells[field].strip()
    minutes = read_clock(text)
    if text and (minutes is None or (field == "start" and minutes == DAY)):
        raise BadCell(field, f"{text[:20]!r} is no time of day such as 08:00")
    return minutes


def _date(cells: Mapping[str, str], field: str) -> date | None:
    text = cells[field].strip()
    day = read_date(text)
    if text and day is None:
        raise BadCell(field, f"{text[:20]!r} is no date such as 2026-01-31")
    return day
