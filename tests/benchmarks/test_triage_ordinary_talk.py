"""Ordinary talk: what it is made of, and what counts as gone wrong."""

import csv

from benchmarks.ordinary_talk import KNOWLEDGE, LEFT_OUT, Line, call, compose, figures, wordings
from tests.flows.scripted_call import POLICY


def fate(text: str) -> tuple[str, bool]:
    outcome = call(Line(text, "matters"), POLICY, {})
    return outcome.fate, outcome.silent


def test_lines_are_different_and_the_same_for_the_same_seed() -> None:
    lines = compose(500, 7)
    assert lines == compose(500, 7)
    assert len({line.text for line in lines}) == 500
    assert {line.source for line in lines} == {"questions", "matters", "shared", "private"}
    assert not any("{" in line.text for line in lines)


def test_questions_that_bear_danger_are_left_out() -> None:
    with (KNOWLEDGE / "faq.csv").open(encoding="utf-8-sig", newline="") as file:
        entries = {row["id"]: row["question"] for row in csv.DictReader(file)}
    assert entries.keys() >= LEFT_OUT
    assert not {entries[id] for id in LEFT_OUT} & set(wordings())


def test_a_line_meets_what_a_call_would() -> None:
    assert fate("我家着火了") == ("at once", False)
    assert fate("我要报警") == ("at once", False)
    assert fate("我的手机被偷了") == ("offered", True)
    assert fate("路灯不亮") == ("answered", False)


def test_silence_after_the_question_about_danger_leads_to_110() -> None:
    assert fate("我有点怕") == ("asked", True)


def test_figures_are_per_thousand_and_by_source() -> None:
    outcomes = [
        call(Line(text, source), POLICY, {})
        for text, source in (
            ("我家着火了", "matters"),
            ("我有点怕", "questions"),
            ("路灯不亮", "matters"),
            ("路灯又不亮", "matters"),
        )
    ]
    found = figures(outcomes)
    assert found["lines"] == 4
    assert found["to_110_at_once"]["per_thousand"] == 250.0
    assert found["to_110_after_silence"]["count"] == found["asked"]["count"] == 1
    assert found["by_source"]["matters"] == {
        "answered": 2,
        "at once": 1,
        "asked": 0,
        "offered": 0,
        "together": 0,
    }
