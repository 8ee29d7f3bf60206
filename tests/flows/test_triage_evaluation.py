"""Figures of triage: counted as TRIAGE_RUBRIC.md says, in total and by tag, never by line."""

import json
from pathlib import Path

import pytest

from flows.triage import TriageModel, Turn
from flows.triage.cases import by_ear, read_cases
from flows.triage.errors import ExampleError, InputError
from flows.triage.evaluation import evaluate
from flows.triage.examples import parse_example, read_examples
from flows.triage.explanation import explain
from flows.triage.report import wilson

ROWS = [
    {"id": 1, "text": "着火了快来人", "route": "110_now", "accept": ["110_now"], "tags": ["late"]},
    {"id": 2, "text": "社保怎么转移", "route": "110_now", "accept": ["110_now"], "tags": ["calm"]},
    {"id": 3, "text": "居住证怎么办理", "route": "12345", "accept": ["12345"], "tags": []},
    {"id": 4, "text": "我家着火了快救人", "route": "12345", "accept": ["12345"], "tags": ["past"]},
]


@pytest.fixture(scope="module")
def model() -> TriageModel:
    return TriageModel.load()


def written(folder: Path, name: str, rows: list[dict[str, object]]) -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return path


def test_misses_and_false_alarms_are_counted_in_total_and_by_tag(
    model: TriageModel, tmp_path: Path
):
    report = evaluate(model, read_cases(written(tmp_path, "x.jsonl", ROWS)), None)

    assert report.figures["recall_count"] == [1, 2]
    assert report.figures["false_alarms_count"] == [1, 2]
    assert report.missed_by_tag == {"calm": (1, 1), "late": (0, 1)}
    assert report.alarmed_by_tag["past"] == (1, 1)
    assert "社保" not in report.table()
    json.dumps(report.as_dict())


def test_misses_and_false_alarms_are_listed_with_their_words_only_where_asked_for(
    model: TriageModel, tmp_path: Path
):
    report = evaluate(model, read_cases(written(tmp_path, "x.jsonl", ROWS)), None)

    assert [(each.kind, each.case.turn.text) for each in report.wrong] == [
        ("miss", "社保怎么转移"),
        ("false alarm", "我家着火了快救人"),
    ]
    assert "社保怎么转移" in report.table(lines=True)
    assert "社保怎么转移" not in report.table()
    assert "wrong" not in report.as_dict()
    assert report.as_dict(lines=True)["wrong"][0]["expected"] == "110_now"


def test_the_predictive_value_is_that_of_the_base_rate(model: TriageModel, tmp_path: Path):
    cases = read_cases(written(tmp_path, "x.jsonl", ROWS))
    rare = evaluate(model, cases, None, base_rate=3.0).figures
    even = evaluate(model, cases, None, base_rate=5000.0).figures

    assert rare["ppv"] == pytest.approx(0.0003, rel=1e-3)
    assert even["ppv"] == pytest.approx(0.5)


def test_each_route_is_counted_by_what_was_decided(model: TriageModel, tmp_path: Path):
    figures = evaluate(model, read_cases(written(tmp_path, "x.jsonl", ROWS)), None).figures

    assert figures["confusion"]["110_now"] == {"110_now": 1, "110": 0, "12345": 1, "neither": 0}
    assert sum(figures["confusion"]["12345"].values()) == 2


def test_one_ear_alone_has_only_what_it_hears(tmp_path: Path):
    rows = [*ROWS, {"id": 5, "text": "help me", "route": "110_now"}]
    heard = [{"id": 3, "asr_text": "居住证怎么半理", "alternatives": [], "syllables": "j ū zh ù"}]
    cases = read_cases(written(tmp_path, "x.jsonl", rows))
    both = read_cases(tmp_path / "x.jsonl", written(tmp_path, "asr.jsonl", heard))

    (listener,), (transcriber,) = by_ear(both, "listener"), by_ear(both, "transcriber")

    assert (listener.turn.text, listener.turn.syllables) == ("", ("ju1", "zhu4"))
    assert (transcriber.turn.text, transcriber.turn.syllables) == ("居住证怎么半理", ())
    assert len(by_ear(cases, "listener")) == 4, "the listener hears no English"
    assert by_ear(cases, "both") == cases


def test_an_explanation_shows_what_was_heard_matched_weighed_and_decided(model: TriageModel):
    lines = list(explain(model, Turn("caller", "我家没有着火"), {}))

    assert [line for line in lines if not line.startswith(" ")] == [
        "heard",
        "matched",
        "weighed by plain",
        "decided",
    ]
    assert any("danger/fire" in line and "against: negation" in line for line in lines)


def test_what_a_call_meets_while_a_line_is_spoken_is_measured_too(
    model: TriageModel, tmp_path: Path
):
    tags = ["reply"]
    rows: list[dict[str, object]] = [
        {"id": 1, "text": "救命啊", "route": "110_now", "accept": ["110_now"], "tags": tags},
        {"id": 2, "text": "我想反映一个情况", "route": "12345", "accept": ["12345"], "tags": tags},
        {"id": 3, "text": "厨房着火了火很大快救人是演习的台词吗", "route": "12345", "tags": []},
    ]
    figures = evaluate(model, read_cases(written(tmp_path, "x.jsonl", rows)), None).figures

    assert figures["short_count"] == [1, 1]
    assert figures["short_recall"] == 1.0
    assert figures["short_handed_off_wrongly"] == 0.0
    assert figures["handed_off_while_spoken"] == 0.5
    assert (figures["answers_handed_off"], figures["answers_asked"]) == (0.0, 0.0)


def test_recognised_lines_take_the_place_of_written_ones_by_id(tmp_path: Path):
    heard = [{"id": 3, "asr_text": "居住证怎么半理", "alternatives": [], "syllables": "j ū zh ù"}]
    cases = read_cases(written(tmp_path, "x.jsonl", ROWS), written(tmp_path, "asr.jsonl", heard))

    assert [case.turn.text for case in cases] == ["居住证怎么半理"]
    assert cases[0].turn.syllables == ("ju1", "zhu4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": 1}', "line 1: text, route is missing"),
        ('{"id": 1, "text": "", "route": "north"}', "line 1: unknown route 'north'"),
        ("\n{", "line 2: not valid JSON"),
    ],
)
def test_a_wrong_evaluation_line_is_named(tmp_path: Path, content: str, message: str):
    path = tmp_path / "x.jsonl"
    path.write_text(content, "utf-8")

    with pytest.raises(InputError, match=message):
        read_cases(path)


def test_no_lines_is_an_error(model: TriageModel):
    with pytest.raises(InputError, match="no labelled lines"):
        evaluate(model, [], None)


def test_the_wilson_interval_is_that_of_the_textbook():
    assert wilson(90, 100) == pytest.approx((0.8256, 0.9448), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("110_now\t\t1\t\t", "5 columns"),
        ("now\t\t1\t\t\t着火", "now"),
        ("110_now\t\t9\t\t\t着火", "category '9'"),
        ("110_now\t\t1\t999\t\t着火", "lines: 999"),
        ("110_now\t\t1\t\tsad\t着火", "tags: sad"),
        ("110_now\t\t1\t\t\t ", "text is empty"),
    ],
)
def test_a_wrong_training_line_says_what_is_wrong(tmp_path: Path, line: str, message: str):
    with pytest.raises(ExampleError, match=message):
        parse_example(line)
    path = tmp_path / "x.tsv"
    path.write_text(f"12345\t\t\t\t\t喂\n{line}\n", "utf-8")
    with pytest.raises(ExampleError, match=r"x\.tsv, line 2"):
        read_examples(path)
