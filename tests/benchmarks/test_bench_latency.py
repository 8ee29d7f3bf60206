"""The figures of the latency benchmark, and the plain pipeline it compares with."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.bench_latency import (
    QUESTIONS,
    Attempt,
    Question,
    attempt,
    machine_line,
    notes,
    percentile,
    read_faq,
    summarise,
    table,
)
from benchmarks.plain_pipecat import last_user_text
from telephony.call_report import CallReport, HeardUtterance, ReplyLatency, SpokenFile

ASKED = Question("sb-001", "社保卡丢了怎么补办")


def report(**values: Any) -> CallReport:
    return CallReport(
        call_sid="CA1",
        stream_sid="MZ1",
        caller="13800000000",
        did="12345",
        encoding="audio/x-alaw",
        started_at=0.0,
        seconds=20.0,
        closed_by="caller",
        **values,
    )


def heard(utterance: str, *, complete: bool = True, purpose: str = "answer") -> HeardUtterance:
    return HeardUtterance(purpose, utterance, "sb-001", 5.0, 9.0, 5.0, complete)


def answered(milliseconds: float, entry: str = "sb-001", *, taken_back: bool = False) -> Attempt:
    return Attempt(ASKED, milliseconds, entry, taken_back)


def test_a_percentile_lies_between_the_two_nearest_values() -> None:
    assert percentile([400.0, 100.0, 300.0, 200.0], 50) == 250.0
    assert percentile([100.0, 200.0], 95) == pytest.approx(195.0)
    assert percentile([7.0], 95) == 7.0
    assert percentile([], 50) is None


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=50),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_percentiles_rise_and_stay_within_the_values(
    values: list[float], first: float, second: float
) -> None:
    low, high = percentile(values, min(first, second)), percentile(values, max(first, second))
    assert low is not None
    assert high is not None
    assert min(values) - 1e-6 <= low <= high + 1e-6
    assert high <= max(values) + 1e-6


def test_the_answer_of_a_call_counts() -> None:
    call = report(
        latency=(ReplyLatency(0, "u1", "sb-001", 512.0),),
        heard=(heard("u0", purpose="prompt", complete=False), heard("u1")),
        worst_lateness_ms=3.0,
    )
    assert attempt(ASKED, call) == Attempt(ASKED, 512.0, "sb-001", False, 3.0)
    assert attempt(ASKED, call).right


@pytest.mark.parametrize("stood", ["u1", "u2"])
def test_an_answer_that_is_taken_back_is_told_whichever_counts(stood: str) -> None:
    call = report(
        latency=(ReplyLatency(0, stood, "hz-001", 300.0),),
        heard=(heard("u1", complete=False), heard("u2")),
    )
    taken = attempt(ASKED, call)
    assert taken.milliseconds == 300.0
    assert taken.taken_back
    assert not taken.right


def test_a_call_without_an_answer_is_missed_not_hidden() -> None:
    side = summarise([answered(200.0), attempt(ASKED, report()), Attempt(ASKED, failure="refused")])
    assert (side.calls, side.answered, side.missed) == (3, 1, 2)
    assert side.p50 == 200.0


def test_a_missed_call_says_what_was_heard_instead() -> None:
    spoken = SpokenFile("q.wav", 4.0, 6.0, 4.1, 5.9, complete=True)
    greeting = HeardUtterance("prompt", "u0", None, 0.1, 3.5, 0.1, True)
    clarifying = HeardUtterance("prompt", "u1", None, 6.5, 9.0, 6.5, True)
    missed = attempt(ASKED, report(spoken=(spoken,), heard=(greeting, clarifying)))
    silent = attempt(ASKED, report(spoken=(spoken,), heard=(greeting,)))
    assert (missed.milliseconds, missed.instead) == (None, "prompt")
    refused = Attempt(ASKED, failure="wrong token")
    told = list(notes({"ours": [missed, silent, refused, answered(9.0, "hz-001")]}))
    assert [line.rsplit(": ", 1)[1] for line in told] == [
        "no answer, but prompt",
        "no answer, but silence",
        "wrong token",
        "answered with hz-001",
    ]


def test_a_summary_counts_other_entries_and_answers_taken_back() -> None:
    side = summarise([answered(100.0), answered(300.0, "hz-001"), answered(200.0, taken_back=True)])
    assert (side.right, side.taken_back) == (2, 1)
    assert (side.p50, side.fastest, side.slowest) == (200.0, 100.0, 300.0)


def test_the_last_line_is_one_json_object_with_the_agreed_keys() -> None:
    line = machine_line(
        summarise([answered(400.0), answered(500.0)]),
        summarise([answered(1800.0), Attempt(ASKED)]),
    )
    assert "\n" not in line
    assert json.loads(line) == {
        "ours": {"p50_ms": 450.0, "p95_ms": 495.0, "missed": 0},
        "plain": {"p50_ms": 1800.0, "p95_ms": 1800.0, "missed": 1},
        "ratio_p50": 4.0,
        "calls": 2,
    }


@pytest.mark.parametrize("ours", [[], [Attempt(ASKED)], [answered(-120.0)]])
def test_there_is_no_ratio_to_nothing(ours: list[Attempt]) -> None:
    assert (
        json.loads(machine_line(summarise(ours), summarise([answered(900.0)])))["ratio_p50"] is None
    )


def test_the_table_shows_what_was_missed() -> None:
    out = io.StringIO()
    sides = {"ours": summarise([answered(400.0)]), "plain": summarise([Attempt(ASKED)])}
    Console(file=out, width=120).print(table(sides))
    assert "1 of 1" in out.getvalue()
    assert "0 of 1" in out.getvalue()


def test_each_question_is_a_wording_of_the_approved_entry_it_names() -> None:
    wordings = {entry.id: entry.questions for entry in read_faq()}
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS) == 20
    for question in QUESTIONS:
        assert question.text in wordings[question.entry]


def test_the_plain_pipeline_reads_the_last_words_of_the_caller() -> None:
    context = [
        {"role": "user", "content": "第一句"},
        {"role": "assistant", "content": "答"},
        {"role": "user", "content": " 第二句 "},
    ]
    assert last_user_text(context) == "第二句"
    assert last_user_text([{"role": "assistant", "content": "答"}]) == ""
    assert last_user_text([]) == ""
