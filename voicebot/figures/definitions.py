"""The definitions of the figures as text: for the terminal, pages, and `docs/figures.md`."""

from __future__ import annotations

from collections.abc import Iterable

from voicebot.figures.indicators import INDICATORS, Indicator

HEAD = ("指标", "含义", "分子", "分母", "目标", "依据")


def goal(indicator: Indicator) -> str:
    """≥ 95%, or — for none."""
    return "—" if indicator.at_least is None else f"≥ {indicator.at_least:.0%}"


def definitions(indicators: Iterable[Indicator] = INDICATORS) -> list[tuple[str, ...]]:
    """One row an indicator, as `HEAD` says."""
    return [
        (
            each.chinese, each.definition, each.numerator, each.denominator, goal(each),
            each.source,
        )
        for each in indicators
    ]  # fmt: skip


def markdown() -> str:
    """The table of `docs/figures.md`, with the names that the API uses."""
    rows = ((f"`{each.name}`", *row) for each, row in zip(INDICATORS, definitions(), strict=True))
    head = ("Name", *HEAD)
    lines = ("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))
    return "\n".join(lines) + "\n"
