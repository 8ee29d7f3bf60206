"""The monthly report's charts as SVG for a page: text stays text, in the reader's own fonts."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voicebot.asked import Outcome
from voicebot.monthly import OUTCOME_NAMES, Counts, Monthly

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    Outcome.ANSWERED: "#2b6cb0",
    Outcome.CLARIFIED: "#90cdf4",
    Outcome.ABSTAINED: "#dd6b20",
    Outcome.REJECTED: "#c53030",
    Outcome.ASKED_AGAIN: "#f6ad55",
}
FONTS = ["Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", "SimHei", "sans-serif"]
MOST_BARS = 15
_LONGEST_LABEL = 18
# What an SVG in a page needs none of: a head, a description, names of its language.
_HEAD = re.compile(
    r"\A.*?(?=<svg)|<metadata>.*?</metadata>|\sxmlns(?::xlink)?=\"[^\"]*\"", re.DOTALL
)


def by_day(report: Monthly) -> str:
    """Questions a day by what became of them."""
    days = [str(int(day[-2:])) for day, _ in report.by_day]
    counts = [counts for _, counts in report.by_day]

    def draw(axes: Axes) -> None:
        bottom = [0] * len(days)
        for outcome, values in _series(counts):
            axes.bar(days, values, bottom=bottom, color=COLOURS[outcome], width=0.8,
                     label=OUTCOME_NAMES[outcome])  # fmt: skip
            bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        axes.set_xlabel("日")
        axes.set_ylabel("问题数")

    return drawn(draw, height=3.2, left=0.07)


def by_department(report: Monthly) -> str:
    """Questions by department and by what became of them."""
    shown = report.departments[:MOST_BARS]
    return _bars([each.name for each in shown], [each.outcomes for each in shown])


def most_frequent(report: Monthly) -> str:
    """The entries asked for most, and how many callers objected."""
    shown = report.frequent[:MOST_BARS]
    counts: list[Counts] = [
        {Outcome.ANSWERED: each.count - each.objected, Outcome.REJECTED: each.objected}
        for each in shown
    ]
    names = {Outcome.ANSWERED: "没有异议", Outcome.REJECTED: "来电人不满意"}
    return _bars([each.question for each in shown], counts, names)


def _bars(
    labels: Sequence[str],
    counts: Sequence[Counts],
    names: Mapping[Outcome, str] = OUTCOME_NAMES,
) -> str:
    places = list(range(len(labels)))

    def draw(axes: Axes) -> None:
        left = [0] * len(labels)
        for outcome, values in _series(counts):
            axes.barh(places, values, left=left, color=COLOURS[outcome], height=0.7,
                      label=names[outcome])  # fmt: skip
            left = [low + value for low, value in zip(left, values, strict=True)]
        axes.set_yticks(places, [short(label) for label in labels])
        axes.invert_yaxis()
        axes.set_xlabel("问题数")

    return drawn(draw, height=1.2 + 0.3 * len(labels), left=0.30)


def _series(counts: Sequence[Counts]) -> list[tuple[Outcome, list[int]]]:
    series = [(outcome, [each.get(outcome, 0) for each in counts]) for outcome in OUTCOME_NAMES]
    return [(outcome, values) for outcome, values in series if any(values)]


def drawn(draw: Any, *, height: float, left: float) -> str:
    """What `draw(axes)` draws, as SVG; `height` in inches, `left` the labels' part of the width."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    # Sizes are measured with whatever font is here; the reader's draws the text.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "voicebot", "font.family": FONTS}
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(9, height))
        axes = figure.subplots()
        draw(axes)
        horizontal = left > 0.1
        (axes.xaxis if horizontal else axes.yaxis).set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        legend = 0.35 / height
        figure.subplots_adjust(left=left, right=0.98, top=1 - legend * 1.4, bottom=0.55 / height)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(ncols=5, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0))
        out = io.StringIO()
        figure.savefig(out, format="svg")
    return _HEAD.sub("", out.getvalue())


def short(label: str) -> str:
    """A label that fits beside a bar."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
