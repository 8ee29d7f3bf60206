"""Screams, crying and shouting: put on record, and no words to ask for again."""

from __future__ import annotations

import pytest

from flows.actions import Decide, Handoff, UpdateDossier
from flows.events import LegState
from tests.flows.scripted_call import MUMBLED, Call, every, final_search, only, prompts

QUESTION = "公积金怎么提取"
WORDLESS = pytest.mark.parametrize("kind", ["scream", "crying"])
ANY = pytest.mark.parametrize("kind", ["scream", "crying", "loud"])


@ANY
def test_a_mark_alone_is_put_on_record_and_moves_nobody(call: Call, kind: str) -> None:
    (noted,) = call.sounds_like(kind)
    assert isinstance(noted, Decide)
    assert noted.what == "distress"
    assert "0.70" in noted.why


@ANY
def test_who_is_understood_gets_an_answer_however_it_sounds(call: Call, kind: str) -> None:
    call.begins()
    call.sounds_like(kind)
    call.ends()
    assert final_search(call.final(QUESTION)).text == QUESTION


@WORDLESS
@pytest.mark.parametrize("text", ["", MUMBLED])
def test_who_screams_or_cries_without_words_gets_a_human_at_once(
    call: Call, kind: str, text: str
) -> None:
    call.begins()
    call.sounds_like(kind)
    call.ends()
    actions = call.final(text, intelligible=0.0)
    assert only(Handoff, actions).reason == "distress"
    assert only(Handoff, actions).flags == (kind,)
    assert prompts((*actions, *call.written())) == ["doubt_human"]


def test_who_only_speaks_up_is_asked_again(call: Call) -> None:
    call.begins()
    call.sounds_like("loud")
    call.ends()
    assert prompts(call.final(MUMBLED, intelligible=0.0)) == ["not_heard"]


@WORDLESS
def test_crying_in_an_earlier_turn_does_not_count(call: Call, kind: str) -> None:
    call.begins()
    call.sounds_like(kind)
    call.ends()
    call.final(QUESTION)
    call.knows(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.begins()
    call.ends()
    assert prompts(call.final("", start=call.at - 0.4)) == ["not_heard"]


@WORDLESS
def test_a_scream_in_place_of_a_no_is_no_clear_no(call: Call, kind: str) -> None:
    call.says("那个人在门口")
    call.hear_out()
    call.begins()
    call.sounds_like(kind)
    call.ends()
    assert only(Handoff, call.final("")).reason == "danger"


@ANY
def test_an_open_hand_off_learns_of_it_once(call: Call, kind: str) -> None:
    call.says("我家着火了")
    call.written()
    assert kind in only(UpdateDossier, call.sounds_like(kind)).flags
    assert not every(UpdateDossier, call.sounds_like(kind))


@ANY
def test_110_learns_of_what_was_heard_before_it_was_called(call: Call, kind: str) -> None:
    call.sounds_like(kind)
    assert kind in only(Handoff, call.says("我家着火了")).flags


@WORDLESS
def test_where_no_human_is_free_the_caller_is_asked_again(call: Call, kind: str) -> None:
    call.says("转人工")
    call.leg(LegState.BUSY)
    call.hear_out()
    call.begins()
    call.sounds_like(kind)
    call.ends()
    assert prompts(call.final("")) == ["not_heard"]


@pytest.fixture
def refused() -> Call:
    """A caller of a limited number who asked for a person in vain."""
    call = Call(limited=True)
    call.start()
    assert not every(Handoff, call.says("转人工"))
    call.hear_out()
    return call


@WORDLESS
@pytest.mark.parametrize("text", ["", MUMBLED])
def test_a_limited_caller_in_distress_gets_a_human_though_a_seat_was_refused(
    refused: Call, kind: str, text: str
) -> None:
    refused.begins()
    refused.sounds_like(kind)
    refused.ends()
    assert only(Handoff, refused.final(text, intelligible=0.0)).reason == "distress"


def test_doubt_about_danger_gets_them_one_too_and_110_where_none_is_free(refused: Call) -> None:
    for words in ("那个人在门口", "吵得厉害"):
        assert prompts(refused.says(words)) == ["ask_danger"]
        refused.hear_out()
        refused.says("没有")
        refused.hear_out()
    assert only(Handoff, refused.says("有点怕")).reason == "danger_doubt"
    assert only(Handoff, refused.leg(LegState.BUSY)).reason == "danger"
