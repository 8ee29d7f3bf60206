"""How much machine so many calls need, computed from measured figures.

    python -m benchmarks.sizing                       the tables of docs/sizing.md
    python -m benchmarks.sizing --calls 120           for another number of calls at a time
    python -m benchmarks.sizing --into docs/sizing.md writes them into the document

Every figure, with where it was measured, or that it is assumed, is in `sizing.toml`. Nothing is
measured here, and nothing beyond the largest measured node (8 calls on 2 cores) is extended but by
more nodes.
"""

from __future__ import annotations

import argparse
import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_suffix(".toml")
BEGIN = "<!-- sizing: written by `python -m benchmarks.sizing --into docs/sizing.md` -->"
END = "<!-- sizing: end -->"

NODE_CORES = 2
"""Of the node that was measured."""
NODE_CALLS = 8
WORKERS_MOST = 4
SCALES = (
    ("one machine", 8),
    ("the island's busiest hour", 50),
    ("ten times that", 500),
    ("a national platform, busy hour", 7_000),
    ("ten times that", 70_000),
)
"""The last two: the island's figures by population, 1.41 thousand million to 10 million."""

ORIGINS = frozenset({"seen", "computed", "assumed"})
"""Of a figure that stands in no other document."""

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to hear callers, and what of a core it takes a call."""

    name: str
    ears: str
    transcribes_here: bool


ENGINES = (
    Engine("both ears, Whisper base", "ears_whisper", True),
    Engine("the listener alone", "ears_listener", False),
)


@dataclass(frozen=True, slots=True)
class Need:
    """What so many calls at a time need, with both ears.

    Parameters:
        cores: at `headroom`.
        memory_gb: of all nodes.
        recordings_mb_s, database_gb_day: written; a day has `calls` all the time.
        voice_mbit_s: of all legs, both ways.
        shared: name → how many of what one of a kind was assumed to do.
    """

    calls: int
    cores: int
    nodes: int
    memory_gb: float
    recordings_mb_s: float
    recordings_tb_day: float
    database_gb_day: float
    voice_mbit_s: float
    rows_s: float
    lines: int
    shared: Mapping[str, float]

    @property
    def bottleneck(self) -> str:
        """The shared thing that is exceeded most; processors, of which there can be more, while
        none is.
        """
        name, units = max(self.shared.items(), key=lambda each: each[1])
        return name if units > 1 else "processors"


def read_figures(path: Path = FIGURES) -> dict[str, dict[str, Any]]:
    """Each figure: value, unit, and source with what it says, or why it is assumed."""
    return tomllib.loads(path.read_text("utf-8"))


def values(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(figure["value"]) for name, figure in figures.items()}


def cores_of_a_call(engine: Engine, of: Figures) -> float:
    return of[engine.ears] + of["media"]


def calls_of_a_core(engine: Engine, of: Figures) -> float:
    """At `headroom`."""
    return of["headroom"] / cores_of_a_call(engine, of)


def listening_memory_mb(calls: int, of: Figures) -> float:
    """One node with the listener alone."""
    return of["service_memory"] + of["ears_memory"] + calls * of["media_memory"]


def node_memory_mb(calls: int, cores: int, of: Figures) -> float:
    """One node with both ears."""
    workers = min(cores, WORKERS_MOST)
    one = of["worker_memory"] + of["english_memory"]
    return listening_memory_mb(calls, of) + workers * one


def need(calls: int, of: Figures, provinces: int = 1) -> Need:
    """Pure.

    Parameters:
        provinces: each with a 110 of its own.
    """
    cores = math.ceil(calls / calls_of_a_core(ENGINES[0], of))
    a_node = max(1, math.floor(NODE_CORES * calls_of_a_core(ENGINES[0], of)))
    nodes = math.ceil(calls / a_node)
    recordings = calls * of["recording"] / 1000
    rows, lines = calls * of["rows"], math.ceil(calls * of["outgoing"])
    voice = calls * (1 + of["outgoing"]) * of["voice_network"] / 1000
    return Need(
        calls,
        cores,
        nodes,
        nodes * node_memory_mb(a_node, NODE_CORES, of) / 1000,
        recordings,
        recordings * 86_400 / 1e6,
        calls * of["database_size"] * 86_400 / 1e6,
        voice,
        rows,
        lines,
        {
            "the database": rows / of["database_capacity"],
            "the store of recordings": recordings / of["store_capacity"],
            "the network link": voice / of["link_capacity"],
            "the dispatcher": calls / of["call_length"] / of["dispatcher_capacity"],
            "110's lines": lines / (provinces * of["police_capacity"]),
        },
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def number(value: float) -> str:
    """Two significant digits, with thousands apart."""
    if value < 10:
        return f"{value:.2g}"
    digits = max(0, int(math.log10(value)) - 1)
    return f"{round(value / 10**digits) * 10**digits:,}"


def origin(figure: Mapping[str, Any]) -> str:
    """Where a figure is from, in words."""
    if "source" in figure:
        return f"{figure['source']}: {figure['note']}"
    (kind,) = ORIGINS & set(figure)
    return f"*{kind}*: {figure[kind]}"


def text(figures: Mapping[str, Mapping[str, Any]], scales: Sequence[tuple[str, int]]) -> str:
    """The tables, as the document has them."""
    of = values(figures)
    per_core = [
        (
            engine.name,
            f"{cores_of_a_call(engine, of):.3f}",
            f"{1 / cores_of_a_call(engine, of):.1f}",
            f"{calls_of_a_core(engine, of):.1f}",
            number(node_memory_mb(NODE_CALLS, NODE_CORES, of)) if engine.transcribes_here
            else number(listening_memory_mb(NODE_CALLS, of)),
        )
        for engine in ENGINES
    ]  # fmt: skip
    needs = [(name, need(calls, of, 31 if calls >= 7_000 else 1)) for name, calls in scales]
    sizes = [
        (
            name, f"{each.calls:,}", number(each.cores), number(each.nodes),
            number(each.memory_gb), number(each.recordings_mb_s), number(each.recordings_tb_day),
            number(each.database_gb_day), number(each.voice_mbit_s), number(each.lines),
        )
        for name, each in needs
    ]  # fmt: skip
    shared = [
        (name, f"{each.calls:,}", *(f"{units:.2f}" for units in each.shared.values()),
         f"**{each.bottleneck}**")
        for name, each in needs
    ]  # fmt: skip
    sources = [
        (
            f"`{name}`", f"{figure['value']:g} {figure['unit']}",
            origin(figure),
        )
        for name, figure in figures.items()
    ]  # fmt: skip
    return "\n".join(
        [
            "### A call, and a core",
            "",
            *table(
                ("engines", "cores a call", "calls a core, full", "at headroom", "MB, 8 calls"),
                per_core,
            ),
            "",
            "### So many calls at a time, both ears",
            "",
            *table(
                ("", "calls", "cores", "nodes of 2 cores", "memory GB", "recordings MB/s",
                 "TB a day", "database GB a day", "voice Mbit/s", "outgoing lines"),
                sizes,
            ),
            "",
            "### What is shared, in units of one (above 1: one is not enough)",
            "",
            *table(("", "calls", *needs[0][1].shared, "bottleneck"), shared),
            "",
            "### The figures",
            "",
            *table(("figure", "value", "from"), sources),
        ]
    )  # fmt: skip


def written_into(document: str, tables: str) -> str:
    """The document with its tables anew.

    Raises:
        ValueError: it lacks the two marks.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document lacks the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sizing", description="Cores, memory, disk, network for calls."
    )
    parser.add_argument("--calls", type=int, help="one number of calls at a time")
    parser.add_argument("--into", type=Path, help="write the tables into this document")
    given = parser.parse_args(arguments)
    if given.calls is not None and given.calls < 1:
        parser.error("--calls is a number from 1 on")
    scales = SCALES if given.calls is None else (("", given.calls),)
    tables = text(read_figures(), scales)
    if given.into is None:
        print(tables)
        return 0
    try:
        given.into.write_text(written_into(given.into.read_text("utf-8"), tables), "utf-8")
    except (OSError, ValueError) as error:
        print(f"{given.into}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
