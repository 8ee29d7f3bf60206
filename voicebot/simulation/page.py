"""A simulated scenario as one HTML file: nothing in it is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from voicebot.monthly_page import STYLE, table
from voicebot.simulation.charts import PICTURES, svg
from voicebot.simulation.result import Result
from voicebot.simulation.scenario import Scenario
from voicebot.simulation.wording import HEAD, ROWS, STAFFING_HEAD, staffing_row, staffing_said


def page(result: Result, scenario: Scenario) -> str:
    """The whole page, UTF-8."""
    return "".join(
        (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>话务模拟：{escape(result.title)}</title><style>{STYLE}</style>",
            f"<h1>话务模拟：{escape(result.title)}</h1>",
            f"<p class=note>{escape(result.scenario)}，模拟 {result.days} 日，"
            f"种子 {result.seed}。{escape(scenario.about.strip())}</p>",
            *_pictures(result),
            "<h2>全天</h2>",
            table(HEAD, (row.cells(result) for row in ROWS), numbers=(1, 2)),
            f"<h2>各时段所需坐席</h2><p class=note>{staffing_said(result)}</p>",
            table(STAFFING_HEAD, map(staffing_row, result.staffing.needs), numbers=range(1, 6)),
            *_list("依据", scenario.sources),
            *_list("假设", scenario.assumptions),
            "</html>\n",
        )
    )


def _pictures(result: Result) -> Iterable[str]:
    for picture in PICTURES:
        yield f"<h2>{picture.chinese}</h2>{svg(result, picture)}"


def _list(title: str, lines: list[str]) -> Iterable[str]:
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        yield f"<h2>{title}</h2><ul>{items}</ul>"
