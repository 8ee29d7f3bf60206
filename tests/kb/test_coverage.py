"""Coverage and risk of a search, against the plain alternative."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.corpus import Labelled
from kb.coverage import Comparison, Curve, Given, by_cosine
from kb.entry import Entry
from kb.evaluation import evaluate
from kb.index import build
from kb.search import Searcher
from tests.kb.conftest import TODAY, LetterEmbedder
from voicebot.coverage_picture import draw

SURE, DOUBTFUL, GUESSED = Given(0.9, True), Given(0.6, True), Given(0.3, False)


def test_the_surest_answers_come_first() -> None:
    curve = Curve.of("search", [GUESSED, SURE, DOUBTFUL])
    assert curve.coverage.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert curve.wrong.tolist() == pytest.approx([0, 0, 0, 1 / 3])
    assert curve.risk[-1] == pytest.approx(1 / 3)


def test_no_threshold_tells_equal_scores_apart() -> None:
    curve = Curve.of("search", [Given(0.5, True), Given(0.5, False)])
    assert curve.coverage.tolist() == [0, 1]
    assert curve.wrong_at(0.5) == pytest.approx(0.25)


@given(st.lists(st.builds(Given, st.floats(0, 1), st.booleans()), max_size=30))
def test_a_curve_rises_and_ends_with_all_errors(answers: list[Given]) -> None:
    curve = Curve.of("any", answers)
    assert all(curve.coverage[1:] > curve.coverage[:-1])
    assert all(curve.wrong[1:] >= curve.wrong[:-1])
    assert curve.wrong[-1] * max(1, len(answers)) == pytest.approx(
        sum(not one.right for one in answers)
    )
    assert json.dumps(curve.as_dict())


def test_the_plain_way_is_given_its_best_encoder() -> None:
    good, bad = [SURE, SURE, GUESSED], [Given(0.9, False), SURE, GUESSED]
    compared = Comparison.of([SURE, SURE, SURE], {"e5": bad, "use": good}, 0.6)
    assert compared.cosine.name == "cosine use"
    assert compared.as_dict()["wrong_search"] == 0
    assert "60.0%" in compared.sentence()


def test_search_and_cosine_are_compared_on_the_same_questions(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    asked = [
        Labelled("1", "社保卡丢了怎么补办", frozenset({"a-1"})),
        Labelled("2", "车管所在哪里", frozenset({"s-1"}), "460200"),
        Labelled("3", "最低工资是多少", frozenset()),
    ]
    index = build(entries, embedder)
    report = evaluate(Searcher(index, embedder), asked, on=TODAY)
    plain = by_cosine(index, embedder, asked, on=TODAY)
    assert set(plain) == {"e5", "use", "e5+use"}
    assert [one.right for one in plain["use"]] == [True, True, False]
    assert len(report.given) == 3
    draw(Comparison.of(report.given, plain, report.coverage), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
