"""The figures' charts as SVG for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicebot.figures.indicators import Indicator, Unit
from voicebot.figures.report import Report
from voicebot.monthly_charts import MOST_BARS, drawn, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR, GOAL_COLOUR = "#2b6cb0", "#c53030"
IN_TIME = ("hour", "day")
"""Groups that follow each other: columns side by side, and all of them."""


def chart(found: Report, indicator: Indicator) -> str:
    """One figure by group, with its goal as a line; shares in percent."""
    upright = found.by in IN_TIME
    rows = found.rows if upright else found.rows[:MOST_BARS]
    scale = 100.0 if indicator.unit is Unit.SHARE else 1.0
    values = [scale * (row.figures[indicator.name].value or 0.0) for row in rows]
    labels = [(row.key[-2:] if upright else short(row.label)) or short(row.label) for row in rows]
    places = list(range(len(rows)))
    unit = {Unit.SHARE: "%", Unit.SECONDS: "秒", Unit.COUNT: ""}[indicator.unit]
    title = f"{indicator.chinese}（{unit}）" if unit else indicator.chinese

    def draw(axes: Axes) -> None:
        if upright:
            axes.bar(places, values, color=COLOUR, width=0.8)
            axes.set_xticks(places, labels)
            axes.set_ylabel(title)
        else:
            axes.barh(places, values, color=COLOUR, height=0.7)
            axes.set_yticks(places, labels)
            axes.invert_yaxis()
            axes.set_xlabel(title)
        if indicator.unit is Unit.SHARE:
            (axes.set_ylim if upright else axes.set_xlim)(0, 100)
        if indicator.at_least is not None:
            line = axes.axhline if upright else axes.axvline
            line(scale * indicator.at_least, color=GOAL_COLOUR, linewidth=1, linestyle="--")

    if upright:
        return drawn(draw, height=2.8, left=0.07)
    return drawn(draw, height=1.2 + 0.3 * len(rows), left=0.30)
