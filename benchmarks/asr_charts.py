"""The recognition benchmark as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import charts
from benchmarks.asr_calls import Way

if TYPE_CHECKING:
    pass

LIMIT_MS = 1000
"""What p95 of the final may take."""


def accuracy_against_cost(results: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """A point for each way: down is better heard, left is cheaper."""
    figure, axes = charts.new(
        "Telephone speech (8 kHz A-law), Whisper base int8: errors against cost"
    )
    for label, result in results.items():
        mine = not label.startswith("faster-whisper")
        x, y = result["cpu_s_per_audio_s"], 100 * result["cer"]
        axes.scatter(x, y, s=60, color="tab:blue" if mine else "tab:red", zorder=3)
        axes.annotate(label, (x, y), xytext=(7, 5), textcoords="offset points", fontsize=9)
    axes.set_xlabel("processor seconds for a second of speech")
    axes.set_ylabel("character error rate, %")
    axes.margins(y=0.2)
    axes.set_xlim(0, 1.35 * max(result["cpu_s_per_audio_s"] for result in results.values()))
    charts.save(figure, path)


def final_against_calls(ways: Sequence[Way], path: Path, cores: int) -> None:
    """How long a turn's final text takes, p95, with so many calls at once."""
    figure, axes = charts.new(f"Final text after the end of a turn, {cores} cores")
    for way in ways:
        x = [figures.calls for figures in way.figures]
        p95 = [figures.final_ms_p95 or float("nan") for figures in way.figures]
        p50 = [figures.final_ms_p50 or float("nan") for figures in way.figures]
        (line,) = axes.plot(x, p95, marker="o", label=f"{way.label}, p95")
        axes.plot(x, p50, marker=".", ls=":", color=line.get_color(), label=f"{way.label}, p50")
    axes.axhline(LIMIT_MS, color="grey", lw=1)
    _calls(axes, [figures.calls for way in ways for figures in way.figures])
    axes.set_yscale("log")
    axes.set_yticks([100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter("")
    axes.set_ylim(80, 60_000)
    axes.set_ylabel("milliseconds")
    axes.legend(fontsize=8)
    charts.save(figure, path)


def partials_against_calls(ways: Sequence[Way], path: Path, cores: int) -> None:
    """How long after the first sound there is text, from either ear and from the transcriber."""
    figure, axes = charts.new(f"First text after the first sound, p50, {cores} cores")
    for way in ways:
        x = [figures.calls for figures in way.figures]
        first = [figures.first_ms_p50 for figures in way.figures]
        transcribed = [figures.transcribed_ms_p50 for figures in way.figures]
        if not any(first):
            continue
        (line,) = axes.plot(x, first, marker="o", label=way.label)
        if transcribed != first:
            label, color = f"{way.label}, of the transcriber", line.get_color()
            axes.plot(x, transcribed, ls="--", marker=".", label=label, color=color)
    _calls(axes, [figures.calls for way in ways for figures in way.figures])
    axes.set_ylabel("milliseconds")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    charts.save(figure, path)


def _calls(axes: Any, counts: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(set(counts)), [str(count) for count in sorted(set(counts))])
    axes.set_xlabel("calls at once")
