"""The figures of the benchmark of many calls: what counts as silent, carried, handed over."""

import json
import os
from typing import Any

from benchmarks.bench_calls import Round, Seen, admitting, carried, machine_line, seen, summary
from telephony.call_report import CallReport, HeardUtterance, ReplyLatency, SpokenFile


def report(*heard: HeardUtterance, **values: Any) -> CallReport:
    """A caller who speaks from second 4 to second 6."""
    spoken = SpokenFile("q.wav", 4.0, 6.2, 4.1, 6.0, complete=True)
    return CallReport("CA", "MZ", "1", "12345", "alaw", 0.0, 20.0, "caller",
                      spoken=(spoken,), heard=heard, **values)  # fmt: skip


def said(start: float, end: float, purpose: str = "answer") -> HeardUtterance:
    return HeardUtterance(purpose, "u", None, start, end, start, complete=True)


def call(reply_ms: float | None = 300.0, **values: Any) -> Seen:
    return Seen(values.pop("danger", False), reply_ms=reply_ms, **values)


GREETING = said(0.5, 3.5, "prompt")


def test_whoever_hears_nothing_within_four_seconds_was_left_silent() -> None:
    assert seen(False, report(GREETING)).silent
    assert seen(False, report(GREETING, said(10.1, 12.0))).silent
    assert not seen(False, report(GREETING, said(9.9, 12.0))).silent
    assert not seen(False, report(GREETING, said(5.0, 8.0))).silent
    assert seen(False, report()).silent


def test_who_is_cut_off_by_a_hand_off_while_speaking_was_not_left_silent() -> None:
    spoken = SpokenFile("q.wav", 4.0, 6.2, 4.1, 6.0, complete=False)
    cut = CallReport("CA", "MZ", "1", "12345", "alaw", 0.0, 5.0, "service",
                     spoken=(spoken,), heard=(GREETING,))  # fmt: skip
    assert not seen(True, cut).silent


def test_a_caller_in_danger_is_handed_over_when_a_person_is_heard() -> None:
    assert seen(True, report(GREETING, said(7.0, 9.0, "unmarked"))).handed_over
    assert not seen(True, report(GREETING, said(7.0, 9.0, "safety"))).handed_over


def test_the_reply_is_the_answer_that_stood() -> None:
    found = seen(
        False, report(GREETING, said(6.3, 9.0), latency=(ReplyLatency(0, "u", None, 300.0),))
    )
    assert found.reply_ms == 300.0


def test_a_round_counts_questions_hand_offs_and_refusals_apart() -> None:
    found = summary(
        4,
        [
            call(100.0),
            call(300.0),
            call(None),
            call(None, danger=True, handed_over=True),
            call(None, refused=True),
        ],
    )
    assert found == Round(4, 200.0, 290.0, 4, 1, 1, 0, 1, 1, 0.0)


def test_silence_or_a_hand_off_that_fails_is_not_carried_however_quick_the_replies() -> None:
    quick = summary(1, [call(100.0)])
    assert carried(quick, 750)
    assert not carried(summary(1, [call(900.0)]), 750)
    assert not carried(summary(1, [call(None)]), 750)
    assert not carried(summary(1, [call(100.0, silent=True)]), 750)
    assert not carried(summary(1, [call(100.0), call(None, danger=True)]), 750)


def test_the_last_line_holds_the_contract() -> None:
    found = summary(2, [call(100.0)])
    line = json.loads(machine_line({"transcriber": "auto"}, 1, 2, [found], (found, found), 0.5))
    assert line["engines"] == {"transcriber": "auto"}
    assert line["services"] == 1
    assert line["calls_ok"] == 2
    assert line["p95_ms_by_calls"] == [{"calls": 2, "p95_ms": 100.0, "cores": None}]
    assert {"factor": 5, "p95_ms": 100.0, "silent": 0}.items() <= line["overload"].items()


def test_settings_of_the_service_are_put_back() -> None:
    before = dict(os.environ)
    with admitting(7):
        assert os.environ["VOICEBOT_ADMISSION__CALLS"] == "7"
    assert dict(os.environ) == before
