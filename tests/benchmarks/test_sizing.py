"""docs/sizing.md is what the script computes, from figures that stand where they are said to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sizing import (
    ENGINES,
    NODE_CALLS,
    NODE_CORES,
    ORIGINS,
    SCALES,
    calls_of_a_core,
    need,
    number,
    read_figures,
    text,
    values,
    written_into,
)

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "sizing.md"
FIGURES = read_figures()
OF = values(FIGURES)


def test_the_document_has_the_tables_as_they_are_computed() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert written_into(document, text(FIGURES, SCALES)) == document


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_stands_in_its_source_or_is_said_to_stand_nowhere(name: str) -> None:
    figure = FIGURES[name]
    if "source" in figure:
        assert figure["says"] in (ROOT / figure["source"]).read_text("utf-8")
        assert figure["note"]
    else:
        (kind,) = ORIGINS & set(figure)
        assert figure[kind]


def test_the_measured_node_is_full_where_it_was_measured_to_be() -> None:
    assert OF["ears_whisper"] * NODE_CALLS == NODE_CORES


def test_the_listener_alone_costs_less_than_both_ears() -> None:
    both, listener = (calls_of_a_core(engine, OF) for engine in ENGINES)
    assert listener > both


@given(calls=st.integers(1, 10**6))
def test_what_is_bought_carries_the_calls(calls: int) -> None:
    found = need(calls, OF)
    assert found.cores * calls_of_a_core(ENGINES[0], OF) >= calls
    assert found.nodes * NODE_CORES * calls_of_a_core(ENGINES[0], OF) >= calls
    more = need(calls + 1, OF)
    assert (more.cores, more.memory_gb, more.rows_s) >= (found.cores, found.memory_gb, found.rows_s)


@given(calls=st.integers(1, 10**6))
def test_the_bottleneck_is_what_is_exceeded_most(calls: int) -> None:
    found = need(calls, OF)
    if found.bottleneck == "processors":
        assert max(found.shared.values()) <= 1
    else:
        assert found.shared[found.bottleneck] == max(found.shared.values()) > 1


def test_every_scale_of_the_tables_has_its_bottleneck_explained() -> None:
    explained = DOCUMENT.read_text("utf-8").partition("## What is the bottleneck")[2]
    for _, calls in SCALES:
        assert f"\n| {calls:,}" in explained


@pytest.mark.parametrize(
    ("value", "shown"), [(0.022, "0.022"), (4, "4"), (9.94, "9.9"), (1381, "1,400"), (200, "200")]
)
def test_numbers_are_as_exact_as_they_can_be_meant(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_document_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.md"
    other.write_text("nothing")
    command = [sys.executable, "-m", "benchmarks.sizing", "--into", str(other)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, other.read_text()) == (1, "nothing")
    assert "lacks the lines" in done.stderr
