"""Hot topics as one HTML file: nothing in it is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from voicebot.figures.report import Period
from voicebot.figures.topic_list import TopicLine
from voicebot.monthly_charts import MOST_BARS, drawn, short
from voicebot.monthly_page import STYLE, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = 5
"""Topics whose days are drawn."""
HEAD = ("话题", "来电", "此前", "地区", "告警", "其他说法")


def page(period: Period, lines: Sequence[TopicLine]) -> str:
    """The whole page, UTF-8; rising topics first."""
    title = "12345 热线热点话题"
    body = (
        f"<h2>最多的话题</h2>{_most(lines)}"
        f"<h2>每日走势</h2>{_days(period, lines[:LINES])}"
        f"<h2>全部话题</h2>{table(HEAD, rows(lines), numbers=(1, 2))}"
        "<p class=note>意思相同的来电合在一行，说法出自来电人，已隐去号码。"
        "“此前”是之前同样长的一段时间。</p>"
        if lines
        else "<p>这段时间没有多人反映的话题。</p>"
    )
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title} {period}</title><style>{STYLE}</style>"
        f"<h1>{title}</h1><p class=note>{period}（北京时间）</p>{body}</html>\n"
    )


def rows(lines: Sequence[TopicLine]) -> list[tuple[str, int, int, str, str, str]]:
    """One row a topic, as `HEAD` says."""
    return [
        (
            line.label,
            line.count,
            line.before,
            "、".join(f"{name} {count}" for name, count in line.regions.items()),
            "；".join(alarm_text(each) for each in line.alarms),
            "；".join(line.examples[1:]),
        )
        for line in lines
    ]


def alarm_text(alarm: dict[str, object]) -> str:
    """2026-11-20 三亚 30（通常 2.0）."""
    usual = "新话题" if alarm["new"] else f"通常 {alarm['expected']:.1f}"
    return f"{alarm['day']} {alarm['region_name']} {alarm['count']}（{usual}）"


def _most(lines: Sequence[TopicLine]) -> str:
    shown = lines[:MOST_BARS]
    places = list(range(len(shown)))

    def draw(axes: Axes) -> None:
        for side, colour, name, values in (
            (-0.2, "#2b6cb0", "这段时间", [line.count for line in shown]),
            (0.2, "#90cdf4", "此前", [line.before for line in shown]),
        ):
            axes.barh([p + side for p in places], values, height=0.38, color=colour, label=name)
        axes.set_yticks(places, [short(line.label) for line in shown])
        axes.invert_yaxis()
        axes.set_xlabel("来电")

    return drawn(draw, height=1.3 + 0.4 * len(shown), left=0.30)


def _days(period: Period, lines: Sequence[TopicLine]) -> str:
    days = period.days

    def draw(axes: Axes) -> None:
        for line in lines:
            counts = [line.days.get(day, 0) for day in days]
            axes.plot([day[-5:] for day in days], counts, marker="o", label=short(line.label))
        axes.set_ylabel("来电")
        axes.set_xticks(range(0, len(days), max(1, len(days) // 10)))

    return drawn(draw, height=3.2, left=0.07)
