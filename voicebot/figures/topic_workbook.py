"""Hot topics as a workbook (XLSX): the list, and calls by day with a chart."""

from __future__ import annotations

import io
from collections.abc import Sequence

from voicebot.figures.report import Period
from voicebot.figures.topic_list import TopicLine
from voicebot.figures.topic_page import HEAD, rows
from voicebot.monthly_workbook import add_chart, add_sheet

DRAWN = 10
"""Topics of the sheet by day."""


def workbook(period: Period, lines: Sequence[TopicLine]) -> bytes:
    """An XLSX of two sheets: 热点话题, 每日."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    add_sheet(book, "热点话题", HEAD, rows(lines))
    drawn = lines[:DRAWN]
    days = add_sheet(
        book,
        "每日",
        ("日期", *(line.label for line in drawn)),
        ((day, *(line.days.get(day, 0) for line in drawn)) for day in period.days),
    )
    if drawn:
        add_chart(days, "每日来电", stacked=True, columns=len(drawn))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
