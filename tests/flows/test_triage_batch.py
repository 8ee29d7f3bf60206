"""Files of conversations: bad rows are named, good ones go through."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.triage import TriageModel, Turn
from flows.triage.batch import BadRow, Row, assess_rows, parse_row, read_rows
from flows.triage.errors import InputError


@pytest.fixture(scope="module")
def model() -> TriageModel:
    return TriageModel.load()


def test_both_forms_of_a_row_are_read():
    short = parse_row('{"id": 7, "text": "着火了"}')
    turns = [
        {"side": "bot", "text": "请讲"},
        {
            "side": "caller",
            "text": "着火了",
            "alternatives": ["找火了"],
            "syllables": ["zh", "áo", "h", "uǒ"],
            "start": 1.5,
        },
    ]
    full = parse_row(json.dumps({"id": "a", "turns": turns}))

    assert short == Row(7, (Turn("caller", "着火了"),))
    assert full.turns[1] == Turn("caller", "着火了", ("找火了",), ("zhao2", "huo3"), 1.5)


def test_the_text_may_stand_in_another_field():
    assert parse_row('{"id": "a", "asr": "喂"}', "asr").turns[0].text == "喂"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not an object"),
        ('{"text": "喂"}', "id is missing"),
        ('{"id": "a"}', "text is missing"),
        ('{"id": "a", "text": 3}', "text is missing or no text"),
        ('{"id": "a", "turns": {}}', "turns must be a list"),
        ('{"id": "a", "turns": [{"side": "moon", "text": ""}]}', "turn 1: side 'moon'"),
        ('{"id": "a", "turns": [{"text": "喂", "alternatives": "x"}]}', "alternatives must be"),
        ('{"id": "a", "turns": [{"text": "喂", "start": "x"}]}', "start must be"),
    ],
)
def test_a_wrong_row_says_what_is_wrong(line: str, message: str):
    with pytest.raises(InputError, match=message):
        parse_row(line)


def test_bad_rows_are_named_by_line_and_good_ones_go_through(model: TriageModel):
    lines = ['{"id": "a", "text": "你好"}', "", "{", '{"id": "b", "text": "救命"}']
    rows = list(read_rows(lines))

    assert [type(row) for row in rows] == [Row, BadRow, Row]
    assert "line 3" in str(rows[1].error)  # type: ignore[union-attr]
    good = [row for row in rows if isinstance(row, Row)]
    assert [one["id"] for one in assess_rows(model, good, None)] == ["a", "b"]


def test_the_turn_after_which_it_was_decided_counts_the_callers_turns(model: TriageModel):
    row = Row(
        "a",
        (
            Turn("bot", "您好"),
            Turn("caller", "我想问社保怎么转移"),
            Turn("bot", "请讲"),
            Turn("caller", "给我接110"),
            Turn("caller", "谢谢"),
        ),
    )
    decided, calm = assess_rows(model, [row, Row("b", row.turns[:2])], None)

    assert decided["decided_after_turn"] == 2
    assert decided["action"] == "handoff"
    assert calm["decided_after_turn"] is None


def test_the_output_has_what_the_contract_names(model: TriageModel):
    (out,) = assess_rows(model, [Row("a", (Turn("caller", "着火了"),))], None)

    assert set(out) >= {
        "id", "route", "category", "lines", "probabilities", "action", "decided_after_turn",
        "flags", "evidence", "region",
    }  # fmt: skip
    json.dumps(out)


def test_ids_come_back_as_they_were_given(model: TriageModel):
    rows = list(read_rows(['{"id": 7, "text": "喂"}', '{"id": "7", "text": "喂"}']))

    assert [one["id"] for one in assess_rows(model, rows, None)] == [7, "7"]  # type: ignore[arg-type]


DOUBT = "隔壁吵得很厉害，好像在打架"
ASKED = {"side": "bot", "text": "您那边现在有人有危险吗？"}


def conversation(*turns: str | dict[str, str]) -> Row:
    given = [turn if isinstance(turn, dict) else {"text": turn} for turn in turns]
    return parse_row(json.dumps({"id": 1, "turns": given}))


def test_the_doubtful_turn_of_these_tests_is_doubted(model: TriageModel):
    (out,) = assess_rows(model, [conversation(DOUBT)], None)

    assert (out["route"], out["action"], out["decided_after_turn"]) == ("110_now", "ask", 1)


def test_a_doubt_that_was_not_settled_is_not_dropped_by_what_follows(model: TriageModel):
    (out,) = assess_rows(model, [conversation(DOUBT, "居住证到期怎么续签", "好的谢谢")], None)

    assert (out["route"], out["action"], out["decided_after_turn"]) == ("110_now", "ask", 1)


def test_a_clear_no_to_the_bots_question_settles_the_doubt(model: TriageModel):
    (out,) = assess_rows(model, [conversation(DOUBT, ASKED, "没有，没有", "居住证怎么续签")], None)

    assert (out["route"], out["action"], out["decided_after_turn"]) == ("12345", "continue", None)


def test_anything_but_a_clear_no_to_the_bots_question_is_a_yes(model: TriageModel):
    (out,) = assess_rows(model, [conversation(DOUBT, ASKED, "嗯")], None)

    assert (out["route"], out["action"], out["decided_after_turn"]) == ("110_now", "handoff", 2)


def test_a_question_that_stays_unanswered_leaves_the_doubt(model: TriageModel):
    (out,) = assess_rows(model, [conversation(DOUBT, ASKED)], None)

    assert (out["route"], out["action"]) == ("110_now", "ask")


def test_the_evidence_counts_the_callers_turns_too(model: TriageModel):
    row = conversation({"side": "bot", "text": "请讲"}, "你好", "着火了快来人")
    (out,) = assess_rows(model, [row], None)

    assert out["evidence"][0]["kind"] == "danger"
    assert out["evidence"][0]["turn"] == out["decided_after_turn"] == 2


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("您那边现在有人有危险吗？", "danger"),
        ("请说一下事情发生在哪里。", "place"),
        ("您在什么位置？", "place"),
        ("好的。请问您怎么称呼？", "name"),
        ("回电号码是13800138000，对吗？", "number"),
        ("请问还有别的问题吗？", "more"),
        ("好的，您请说。", ""),
        ("危险房屋鉴定由住建局办理。", ""),
    ],
)
def test_what_the_bot_asked_is_known_to_the_turn_that_answers(said: str, asked: str):
    row = conversation({"side": "bot", "text": said}, "嗯")

    assert row.turns[1].asked == asked


@given(st.text(max_size=80))
def test_any_line_is_a_row_or_an_input_error(line: str):
    for row in read_rows([line]):
        assert isinstance(row, Row | BadRow)
