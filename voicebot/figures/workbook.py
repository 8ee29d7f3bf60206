"""The figures as a workbook (XLSX): totals, groups with a chart, definitions."""

from __future__ import annotations

import io
from typing import Any

from voicebot.figures.definitions import HEAD, definitions, goal
from voicebot.figures.indicators import Indicator, Unit
from voicebot.figures.report import BY_NAMES, Report
from voicebot.monthly_workbook import add_chart, add_sheet

_FORMATS = {Unit.SHARE: "0.0%", Unit.SECONDS: "0.0", Unit.COUNT: "#,##0"}
_MET = {True: "达标", False: "未达标", None: ""}


def workbook(found: Report) -> bytes:
    """An XLSX of three sheets: 概况, the groups, 口径."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    figures = found.total.figures
    overview = add_sheet(
        book,
        "概况",
        ("指标", "数值", "分子", "分母", "目标", ""),
        (
            (
                each.chinese,
                figures[each.name].value,
                figures[each.name].numerator,
                figures[each.name].denominator,
                goal(each),
                _MET[figures[each.name].meets(each)],
            )
            for each in found.indicators
        ),
    )
    for row, each in enumerate(found.indicators, 2):
        overview.cell(row, 2).number_format = _FORMATS[each.unit]
    name = BY_NAMES[found.by]
    groups = add_sheet(
        book,
        f"按{name}",
        (name, *(each.chinese for each in found.divided)),
        ((row.label, *(row.figures[i.name].value for i in found.divided)) for row in found.rows),
    )
    _format(groups, found.divided)
    add_chart(groups, found.divided[0].chinese, stacked=False, columns=1)
    add_sheet(book, "口径", HEAD, definitions(found.indicators))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _format(sheet: Any, indicators: tuple[Indicator, ...]) -> None:
    for place, each in enumerate(indicators, 2):
        for (cell,) in sheet.iter_rows(min_row=2, min_col=place, max_col=place):
            cell.number_format = _FORMATS[each.unit]
