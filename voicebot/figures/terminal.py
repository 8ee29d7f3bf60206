"""The figures as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from voicebot.figures.indicators import Indicator
from voicebot.figures.page import DRAWN
from voicebot.figures.report import Report, Row, shown

MOST_ACROSS = 5
"""Groups that stand side by side."""
MISSED = "! 未达到目标"


def table(found: Report) -> Table:
    """Few groups side by side with all figures; many below each other with the main ones."""
    return _across(found) if len(found.rows) <= MOST_ACROSS else _down(found)


def _across(found: Report) -> Table:
    made = Table(title=f"{found.period}（北京时间）", caption=MISSED)
    made.add_column("")
    for row in (found.total, *found.rows):
        made.add_column(row.label, justify="right")
    for each in found.indicators:
        groups = [_cell(row, each) if each in found.divided else "" for row in found.rows]
        made.add_row(each.chinese, _cell(found.total, each), *groups)
    return made


def _down(found: Report) -> Table:
    made = Table(
        title=f"{found.period}（北京时间）",
        caption=f"{MISSED}；全部指标：--json，或 voicebot figures export",
    )
    made.add_column("")
    main = [each for each in found.divided if each.name in DRAWN]
    for each in main:
        made.add_column(each.chinese, justify="right")
    for row in (*found.rows, found.total):
        made.add_row(row.label, *(_cell(row, each) for each in main))
    return made


def _cell(row: Row, indicator: Indicator) -> str:
    figure = row.figures[indicator.name]
    return shown(figure, indicator) + (" !" if figure.meets(indicator) is False else "")
