"""Words that nobody made out, and other languages: asked again once, then a human."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.actions import Handoff, HangUp, OpenTicket, Search, UpdateDossier
from flows.events import LegState
from flows.state import Phase
from flows.turns import CallerTurn
from flows.understanding import UNDERSTOOD, english, understood
from tests.flows.scripted_call import (
    MUMBLED,
    Call,
    every,
    final_search,
    only,
    prompts,
    sounds,
)

QUESTION = "公积金怎么提取"
ENGLISH = "my wallet was stolen on the bus"
FRENCH = "bonjour je voudrais parler"


# ── not understood ────────────────────────────────────────────────────────────────


def test_words_that_the_ears_do_not_agree_on_are_asked_for_again(call: Call) -> None:
    actions = call.mumbles()
    assert prompts(actions) == ["not_heard"]
    assert not every(OpenTicket, actions)


def test_two_such_turns_in_a_row_bring_a_human_at_once(call: Call) -> None:
    call.mumbles()
    call.hear_out()
    actions = call.mumbles()
    assert only(Handoff, actions).reason == "not_understood"
    assert prompts((*actions, *call.written())) == ["failure_human"]


def test_a_mumble_after_a_noise_is_the_second_turn(call: Call) -> None:
    call.says("")
    call.hear_out()
    assert only(Handoff, call.mumbles()).reason == "not_understood"


def test_an_understood_turn_between_them_starts_the_count_again(call: Call) -> None:
    call.mumbles()
    call.hear_out()
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert prompts(call.mumbles()) == ["not_heard"]


def test_the_other_half_of_the_sentence_may_be_what_was_understood(call: Call) -> None:
    call.begins()
    call.ends()
    call.begins()  # before the first half was transcribed
    call.final(MUMBLED, turn=1, intelligible=0.0)
    call.ends()
    assert final_search(call.final(QUESTION, intelligible=0.9)).text == MUMBLED + QUESTION


def test_short_replies_are_taken_as_they_are(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    assert prompts(call.says("没有了", intelligible=0.0)) == ["goodbye"]


@pytest.mark.parametrize("language", ["zh", "en", "other", "unknown"])
def test_words_on_which_the_ears_agree_are_searched_for(call: Call, language: str) -> None:
    assert final_search(call.says(QUESTION, language=language, intelligible=0.9)).text == QUESTION


def test_a_mumble_in_a_work_order_is_asked_for_again_and_not_written_down(call: Call) -> None:
    call.asks("路灯坏了", decision="none")
    call.hear_out()
    assert call.state.phase is Phase.TICKET_PLACE
    assert prompts(call.mumbles()) == ["not_heard"]
    assert call.state.phase is Phase.TICKET_PLACE
    assert call.state.ticket is not None
    assert call.state.ticket.place == ""


def test_a_mumble_after_the_goodbye_keeps_the_call(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.says("没有了谢谢")
    actions = (*call.mumbles(), *call.hear_out())
    assert not every(HangUp, actions)


def test_where_no_human_is_free_the_words_are_taken_as_they_are(call: Call) -> None:
    call.says("转人工")
    call.leg(LegState.BUSY)
    call.hear_out()
    assert final_search(call.mumbles()).text == MUMBLED


# ── the bot's own voice ───────────────────────────────────────────────────────────

OWN = "您好，听得到吗？紧急情况请按一，其他事情请按零。"


@pytest.fixture
def spoken_to(call: Call) -> Call:
    """The caller was silent and has heard a prompt whose text is known."""
    call.policy = replace(call.policy, wording={"are_you_there": OWN})
    call.is_silent()
    call.hear_out()
    return call


@pytest.mark.parametrize(
    "echo", ["紧急情况请按一其他事情请按零", "情况请按一其他", "您好听得到吗紧急"]
)
def test_a_prompt_that_the_line_sends_back_is_nobody_s_matter(spoken_to: Call, echo: str) -> None:
    actions = spoken_to.says(echo)
    assert prompts(actions) == []
    assert not [search for search in every(Search, actions) if search.final]
    assert spoken_to.state.awaiting is None


@pytest.mark.parametrize("words", ["请按一其他", "紧急情况请按一是什么意思"])
def test_few_of_its_words_and_more_than_its_words_are_the_caller_s(
    spoken_to: Call, words: str
) -> None:
    assert final_search(spoken_to.says(words)).text == words


def test_danger_is_danger_whoever_s_words_it_is_in(spoken_to: Call) -> None:
    spoken_to.policy = replace(spoken_to.policy, wording={"are_you_there": "我家着火了吗"})
    assert only(Handoff, spoken_to.says("我家着火了")).reason == "danger"


# ── danger goes first ─────────────────────────────────────────────────────────────


def test_danger_in_unintelligible_words_is_danger(call: Call) -> None:
    assert only(Handoff, call.says("什么着火什么的", intelligible=0.0)).reason == "danger"


def test_doubt_in_unintelligible_words_is_asked_about(call: Call) -> None:
    assert prompts(call.says("那个人是什么呢", intelligible=0.0)) == ["ask_danger"]


def test_a_no_that_nobody_made_out_is_no_clear_no(call: Call) -> None:
    call.says("那个人在门口")
    call.hear_out()
    assert only(Handoff, call.says("没有没有没有", intelligible=0.0)).reason == "danger"


def test_danger_goes_before_the_language(call: Call) -> None:
    assert only(Handoff, call.says("help 救命 help me please", language="en")).reason == "danger"


def test_a_mumble_while_110_rings_changes_nothing(call: Call) -> None:
    call.says("我家着火了")
    call.written()
    handoff = call.state.handoff
    actions = call.mumbles()
    assert not every(Handoff, actions)
    assert not every(UpdateDossier, actions)
    assert call.state.handoff is not None
    assert handoff is not None
    assert call.state.handoff.id == handoff.id


# ── other languages ───────────────────────────────────────────────────────────────


def test_who_speaks_english_gets_a_human_at_once_and_hears_chinese(call: Call) -> None:
    actions = call.says(ENGLISH, language="en", intelligible=0.9)
    assert only(Handoff, actions).reason == "foreign_language"
    assert prompts((*actions, *call.written())) == ["language_human"]
    assert not [search for search in every(Search, actions) if search.final]


@pytest.mark.parametrize("word", ["hello", "OK", "bye bye", "hello hello"])
def test_english_words_that_are_said_in_chinese_too_are_no_english(call: Call, word: str) -> None:
    assert not every(Handoff, call.says(word, language="en", intelligible=0.8))


def test_chinese_with_english_words_in_it_is_chinese(call: Call) -> None:
    said = "我的app里面wifi和vip都打不开"
    assert final_search(call.says(said, language="zh")).text == said


def test_another_language_is_asked_again_once_and_then_a_human_comes(call: Call) -> None:
    assert prompts(call.says(FRENCH, language="other", intelligible=0.1)) == ["not_heard"]
    call.hear_out()
    handed = only(Handoff, call.says(FRENCH, language="other", intelligible=0.1))
    assert handed.reason == "not_understood"


# ── one turn ──────────────────────────────────────────────────────────────────────


@given(
    st.text(max_size=20),
    st.sampled_from(["zh", "en", "other", "unknown"]),
    st.floats(UNDERSTOOD, 1),
)
def test_what_both_ears_heard_alike_is_understood_unless_it_is_english(
    text: str, language: str, intelligible: float
) -> None:
    turn = CallerTurn(1, text, language=language, intelligible=intelligible)
    assert understood(turn) is not english(turn)


def test_syllables_of_which_the_transcriber_made_nothing_are_not_understood() -> None:
    assert not understood(CallerTurn(1, syllables=sounds(QUESTION), intelligible=0.0))


def test_a_turn_is_understood_until_both_ears_have_told() -> None:
    assert understood(CallerTurn(1, QUESTION))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("en", "en", "en"),
        ("en", "unknown", "en"),
        ("unknown", "en", "en"),
        ("en", "zh", "unknown"),
        ("unknown", "unknown", "unknown"),
    ],
)
def test_two_turns_in_one_sentence_have_the_language_that_is_known(
    one: str, other: str, both: str
) -> None:
    first, second = CallerTurn(1, language=one), CallerTurn(2, language=other)
    assert first.followed_by(second).language == both
