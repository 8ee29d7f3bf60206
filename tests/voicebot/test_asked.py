"""What became of callers' questions, told from the event log alone."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from flows.actions import Decide, Search
from flows.answering import NO_ANSWER
from tests.flows.scripted_call import Call
from tests.voicebot.call_logs import answer, heard, record, searched, unanswered
from voicebot.asked import Asked, Outcome, questions, read_asked
from voicebot.records.codec import encode
from voicebot.records.tables import Base


def asked(*log: Any) -> list[tuple[str, str, str]]:
    encoded = ((*encode(item),) for item in log)
    found = questions((kind, float(n), payload) for n, (kind, payload) in enumerate(encoded))
    return [(each.query, each.outcome.value, each.entry) for each in found]


def test_an_answer_without_objection() -> None:
    assert asked(
        Search(1, "社保卡丢了怎么办"),
        searched(1, "社保卡丢了怎么办", "answer", "a-1"),
        answer("a-1"),
        heard(2, "好的谢谢"),
    ) == [("社保卡丢了怎么办", "answered", "a-1")]


def test_an_answer_on_half_the_words_is_noted_with_all_of_them() -> None:
    assert asked(
        searched(1, "社保卡丢了", "answer", "a-1", final=False),
        answer("a-1"),
        searched(1, "社保卡丢了要怎么补", "answer", "a-1"),
    ) == [("社保卡丢了要怎么补", "answered", "a-1")]


def test_a_corrected_answer_is_one_question() -> None:
    assert asked(
        searched(1, "社保卡", "answer", "a-1", final=False),
        answer("a-1"),
        searched(1, "社保卡余额怎么查", "answer", "a-2"),
        Decide("correct", "最终识别改为 a-2"),
        answer("a-2"),
    ) == [("社保卡余额怎么查", "answered", "a-2")]


@pytest.mark.parametrize("words", ["不是这个", "不对，我问的是余额", "你没听懂"])
def test_an_answer_that_the_caller_rejects(words: str) -> None:
    assert asked(searched(1, "查一下余额", "answer", "a-1"), answer("a-1"), heard(2, words)) == [
        ("查一下余额", "rejected", "a-1")
    ]


def test_partial_words_and_long_stories_reject_nothing() -> None:
    story = "他们那里说不对要我再跑一趟社保局把材料都带齐了才肯办这件事情"
    assert asked(
        searched(1, "查一下余额", "answer", "a-1"),
        answer("a-1"),
        heard(2, "不是这个", final=False),
        heard(2, story),
    ) == [("查一下余额", "answered", "a-1")]


@pytest.mark.parametrize(
    ("again", "entry"), [("我想问一下公积金余额怎么查", "a-2"), ("那个钱还剩多少", "a-1")]
)
def test_the_same_question_again_says_that_the_answer_was_none(again: str, entry: str) -> None:
    assert asked(
        searched(1, "公积金余额怎么查", "answer", "a-1"),
        answer("a-1"),
        searched(2, again, "answer", entry),
        answer(entry),
    ) == [("公积金余额怎么查", "asked_again", "a-1"), (again, "answered", entry)]


def test_a_question_without_an_answer_becomes_a_ticket() -> None:
    assert asked(searched(1, "路灯坏了谁来修", "none"), Decide("ticket", NO_ANSWER)) == [
        ("路灯坏了谁来修", "abstained", "")
    ]


def test_a_ticket_for_another_reason_is_no_question() -> None:
    assert asked(searched(1, "路灯坏了", "none"), Decide("ticket", "来电人要求登记")) == []


def test_a_choice_between_two_is_one_question_with_its_end() -> None:
    between = [searched(1, "车管所", "clarify", "a-1", "a-2"), Decide("clarify", "分不清")]
    assert asked(*between) == [("车管所", "clarified", "")]
    assert asked(*between, Decide("answer", "选了第2个"), answer("a-2")) == [
        ("车管所", "clarified", "a-2")
    ]
    assert asked(*between, Decide("ticket", NO_ANSWER)) == [("车管所", "abstained", "")]


def of(call: Call) -> list[tuple[str, str, str]]:
    return asked(
        *(item for event, actions in zip(call.log, call.steps, strict=True)
          for item in (event, *actions))
    )  # fmt: skip


def test_calls_through_the_dialogue_itself_are_read_alike() -> None:
    call = Call()
    call.start()
    call.asks("公积金怎么提取", ("a-1", 0.9))
    call.hear_out()
    call.asks("车管所几点开门", ("a-2", 0.5), ("a-3", 0.4), decision="clarify")
    call.hear_out()
    call.says("第二个")
    call.hear_out()
    call.asks("月亮上能落户吗", decision="none")
    assert of(call) == [
        ("公积金怎么提取", "answered", "a-1"),
        ("车管所几点开门", "clarified", "a-3"),
        ("月亮上能落户吗", "abstained", ""),
    ]


def test_an_answer_refused_in_the_dialogue_itself_is_rejected() -> None:
    call = Call()
    call.start()
    call.asks("公积金怎么提取", ("a-1", 0.9))
    call.hear_out()
    call.asks("不是这个", decision="none")
    assert of(call) == [("公积金怎么提取", "rejected", "a-1")]


def test_the_region_is_the_searchs_or_the_calls_and_times_are_the_epochs() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for name, started, region in (("c-1", 1000.0, "460200"), ("c-2", 2000.0, None)):
            said = Search(1, "公积金", region="460100" if name == "c-2" else None)
            record(session, name, started, [said, *unanswered(1, "公积金", "a-9")[1:]], region)
        first = Asked("c-1", 1005.0, "公积金", Outcome.ABSTAINED, "460200", "12345", nearest="a-9")
        second = replace(first, call_id="c-2", at=2005.0, region="460100")
        assert list(read_asked(session, 0, 3000)) == [first, second]
        assert list(read_asked(session, 1500, 2000)) == []
    engine.dispose()
