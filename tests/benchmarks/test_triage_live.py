"""Timing within a sentence: what is said, and what the figures count."""

import re

import numpy as np

from benchmarks.triage_live import Outcome, Speech, figures, sentences

SPEECH = Speech(np.zeros(0, np.int16), decisive_from=2.0, decisive_to=3.0, over=7.0)


def test_every_sentence_goes_on_after_its_decisive_words() -> None:
    said = sentences()
    assert len(said) >= 30
    for sentence in said:
        assert sentence.opening
        assert sentence.decisive
        assert len(re.findall(r"[一-鿿]", sentence.rest)) >= 18, sentence.rest


def test_times_count_from_the_end_of_the_decisive_words() -> None:
    found = figures(
        [
            Outcome(SPEECH, at=2.8, ear="listener"),
            Outcome(SPEECH, at=3.5, ear="transcriber"),
            Outcome(SPEECH, at=8.0, ear="transcriber", asked=True),
            Outcome(SPEECH, lateness=0.5),
        ]
    )
    assert (found["handed_off"], found["handed_off_share"]) == (3, 0.75)
    assert found["before_the_caller_stopped"] == 0.5
    assert (found["decided_ms_p50"], found["decided_ms_max"]) == (500.0, 5000.0)
    assert found["rest_s_min"] == 4.0
    assert (found["asked"], found["late_frames"]) == (1, 1)
    assert found["by_ear"] == {"listener": 1, "transcriber": 2}


def test_a_decision_before_the_decisive_words_is_counted_apart() -> None:
    assert figures([Outcome(SPEECH, at=1.0)])["before_the_decisive_words"] == 1


def test_without_a_hand_off_there_are_no_times() -> None:
    found = figures([Outcome(SPEECH)])
    assert found["decided_ms_p50"] is None
    assert found["before_the_caller_stopped"] == 0.0
