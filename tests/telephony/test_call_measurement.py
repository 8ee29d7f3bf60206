"""Which answer a reply latency is measured to: what stood, and what it answered."""

from pathlib import Path

import numpy as np
import pytest

from telephony.call_measurement import CallTrace
from telephony.clips import Clip
from telephony.heard import MarkedSpan

from .conftest import tone

RATE = 8000
QUESTION = Clip(Path("q.wav"), np.concatenate([tone(2.0), np.zeros(4000, np.int16)]), RATE,
                (0, 2 * RATE))  # fmt: skip


def latencies(
    begun: list[float], *answers: tuple[str, float, float, bool]
) -> list[tuple[int, str | None, float]]:
    """Of two-second questions; answers are (entry, from, to, complete), 20 s in all."""
    heard = np.zeros(20 * RATE, np.int16)
    spans = []
    for number, (entry, start, end, complete) in enumerate(answers):
        heard[round(start * RATE) : round(end * RATE)] = tone(end - start)
        spans.append(MarkedSpan("answer", f"u{number}", entry, round(start * RATE),
                                round(end * RATE), complete))  # fmt: skip
    at = [round(each * RATE) for each in begun]
    trace = CallTrace(RATE, [QUESTION] * len(at), at, heard, spans)
    return [(each.spoken, each.entry, each.milliseconds) for each in trace.latencies()]


def test_each_question_has_its_answer() -> None:
    found = latencies([0.0, 8.0], ("A", 2.4, 7.0, True), ("B", 10.6, 14.0, True))
    assert found == [(0, "A", 400.0), (1, "B", 600.0)]


def test_an_answer_taken_back_makes_no_reply_faster() -> None:
    found = latencies([0.0], ("wrong", 2.3, 2.4, False), ("right", 3.5, 6.0, True))
    assert found == [(0, "right", 1500.0)]


def test_an_answer_the_caller_broke_into_stood() -> None:
    found = latencies([0.0, 4.0], ("A", 2.4, 4.3, False), ("B", 6.5, 9.0, True))
    assert found == [(0, "A", 400.0), (1, "B", 500.0)]


def test_an_answer_cut_by_the_end_of_the_call_stood() -> None:
    assert latencies([0.0], ("A", 2.4, 3.0, False)) == [(0, "A", 400.0)]


def test_what_begins_before_the_speech_has_ended_answers_the_file_before() -> None:
    found = latencies([0.0, 10.5], ("late", 10.6, 12.0, True))
    assert found == [(0, "late", pytest.approx(8600.0))]


def test_there_are_no_negative_latencies() -> None:
    assert latencies([0.0], ("over the speech", 0.5, 1.2, False)) == []
