"""A scenario's pictures: queue, wait, abandonment and containment by half-hour.

PNG for documents, in English; SVG for the page, in Chinese and in the reader's own fonts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicebot.monthly_charts import drawn
from voicebot.simulation.result import HalfHour, Result, Side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WITH, WITHOUT = "#2b6cb0", "#c53030"


@dataclass(frozen=True, slots=True)
class Picture:
    """One of the pictures.

    Parameters:
        name: of its file.
        english, chinese: what it shows.
        value: of a half-hour.
    """

    name: str
    english: str
    chinese: str
    value: Callable[[HalfHour], float]


PICTURES = (
    Picture("queue", "calls waiting for a seat (mean)", "排队电话数（平均）", lambda h: h.queue),
    Picture("wait", "wait until an answer, s (mean)", "接通或放弃前的等待（秒，平均）",
            lambda h: h.wait_s),
    Picture("abandonment", "calls abandoned or refused, %", "放弃或占线（%）",
            lambda h: 100 * h.abandoned),
    Picture("containment", "calls finished by the bot, %", "机器人办结（%）",
            lambda h: 100 * h.contained),
)  # fmt: skip


def series(side: Side, picture: Picture) -> list[float]:
    """What is drawn of one side."""
    return [picture.value(half) for half in side.half_hours]


def draw(axes: Axes, result: Result, picture: Picture, names: Sequence[str]) -> None:
    """Both sides of one picture. `names`: of the sides, without the bot and with it."""
    sides = ((result.without_bot, WITHOUT), (result.with_bot, WITH))
    hours = [n / 2 for n in range(len(result.with_bot.half_hours) + 1)]
    for name, (side, colour) in zip(names, sides, strict=True):
        values = series(side, picture)
        axes.step(hours, [*values, values[-1]], where="post", color=colour, label=name)
    axes.set_xlim(0, 24)
    axes.set_ylim(bottom=0)


def svg(result: Result, picture: Picture) -> str:
    """For a page."""

    def onto(axes: Axes) -> None:
        draw(axes, result, picture, ("没有机器人", "有机器人"))
        axes.set_xlabel("时")
        axes.set_ylabel(picture.chinese)

    return drawn(onto, height=3.0, left=0.08)


def png(result: Result, picture: Picture) -> bytes:
    """For a document."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    figure = Figure(figsize=(7, 3.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    draw(axes, result, picture, ("without the bot", "with the bot"))
    axes.set_title(f"{result.scenario}: {picture.english}", fontsize=11)
    axes.set_xlabel("hour")
    axes.xaxis.set_major_locator(MultipleLocator(3))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    out = io.BytesIO()
    # Without the version of matplotlib in it, the same figures give the same file.
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
