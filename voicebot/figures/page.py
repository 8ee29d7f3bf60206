"""The figures as one HTML file: nothing in it is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from voicebot.figures.charts import chart
from voicebot.figures.definitions import HEAD, definitions
from voicebot.figures.indicators import INDICATORS
from voicebot.figures.report import BY_NAMES, LEAST_PUBLISHED, Report, moment, shown, table
from voicebot.monthly_page import STYLE
from voicebot.monthly_page import table as html_table

DRAWN = (
    "answered_calls", "connection", "human_connection", "containment", "tickets", "response",
    "satisfaction",
)  # fmt: skip
"""The figures that get a chart, where they can be divided and there is something to show."""


def page(found: Report) -> str:
    """The whole page, UTF-8."""
    title = "12345 热线运行指标"
    return "".join(
        (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title} {found.period}</title><style>{STYLE}</style>",
            f"<h1>{title}</h1><p class=note>{found.period}（北京时间）</p>",
            *_totals(found),
            *_divided(found),
            f"<h2>指标口径</h2>{html_table(HEAD, definitions(found.indicators))}",
            "</html>\n",
        )
    )


def _totals(found: Report) -> Iterable[str]:
    yield "<ul class=figures>"
    for each in found.indicators:
        figure = found.total.figures[each.name]
        met = {True: "达标", False: "未达标", None: ""}[figure.meets(each)]
        yield f"<li>{escape(each.chinese)}<b>{shown(figure, each)}</b>{met}</li>"
    yield "</ul>"
    if found.lowest is not None:
        share = found.lowest.connection.value or 0.0
        begins = moment(found.lowest.begins).replace("T", " ")[:16]
        yield f"<p class=note>连续24小时接通率最低 {share:.1%}，自 {begins} 起。</p>"


def _divided(found: Report) -> Iterable[str]:
    yield f"<h2>按{BY_NAMES[found.by]}</h2>"
    if not found.rows:
        yield "<p>这段时间没有记录。</p>"
        return
    for each in found.divided:
        drawable = any(row.figures[each.name].value for row in found.rows)
        if each.name in DRAWN and drawable:
            yield chart(found, each)
    head, *rows = table(found)
    yield html_table(head, rows, numbers=range(1, len(head)))
    if found.indicators != INDICATORS:
        yield f"<p class=note>不足 {LEAST_PUBLISHED} 件的不公布，以“—”表示。</p>"
