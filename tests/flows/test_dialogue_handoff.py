"""Danger, 110, seats: what the caller meets from the first word of it to the end of the call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flows import jurisdiction
from flows.actions import (
    Action,
    Decide,
    DialLine,
    DialRoute,
    Handoff,
    HangUp,
    NotifyLine,
    OpenTicket,
    Route,
    Say,
    StopSpeaking,
    Transcribe,
    UpdateDossier,
)
from flows.events import LegState, PlaybackFinished, Silence
from flows.state import Phase
from tests.flows.scripted_call import (
    Call,
    every,
    final_search,
    only,
    outcome,
    prompts,
    resolve_place,
    where,
)

PROVINCE = Route("110-460000", "110")
SEAT = Route("seat", "seat")
QUESTION = "公积金怎么提取"


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jurisdiction, "resolve", resolve_place)


@pytest.fixture
def ringing(call: Call) -> Call:
    """110 is being called, and the caller has been told."""
    call.begins()
    call.partial("我家着火了")
    call.written()
    call.leg(LegState.RINGING)
    return call


# ── danger ────────────────────────────────────────────────────────────────────────


def test_where_the_listener_suspects_danger_the_words_are_wanted_at_once(call: Call) -> None:
    call.begins()
    assert not every(Transcribe, call.listener("我想问一下"))
    assert only(Transcribe, call.listener("我想问一下有点怕")).turn == call.turn


def test_without_a_transcriber_no_words_are_asked_for(call: Call) -> None:
    call.fails("transcriber")
    call.begins()
    assert not every(Transcribe, call.listener("有点怕"))


def test_danger_on_a_partial_hands_off_in_mid_sentence(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.being_heard()
    call.begins()
    actions = call.partial("等一下我家着火")
    stopped = where(actions, lambda action: isinstance(action, StopSpeaking))
    handed = where(actions, lambda action: isinstance(action, Handoff))
    assert stopped < handed
    handoff = only(Handoff, actions)
    assert handoff.routes == (PROVINCE, SEAT)
    assert (handoff.reason, handoff.category, handoff.lines) == ("danger", 1, ("119",))
    assert handoff.evidence
    assert only(DialLine, actions).route == Route("119", "119")
    assert every(NotifyLine, actions) == []


@pytest.mark.parametrize(("safe", "prompt"), [(True, "connecting_110_119"), (False, "trying_110")])
def test_the_caller_is_told_after_the_write_and_not_before(
    call: Call, safe: bool, prompt: str
) -> None:
    call.begins()
    assert prompts(call.partial("着火了")) == []
    assert prompts(call.written(ok=safe)) == [prompt]
    assert call.written() == ()


def test_a_write_that_is_never_confirmed_does_not_leave_the_caller_in_silence(call: Call) -> None:
    call.begins()
    call.partial("着火了")
    assert prompts(call.is_silent()) == ["trying_110"]
    assert call.written() == ()


def test_the_local_110_is_tried_first() -> None:
    call = Call(known_region="460200")
    call.start()
    call.begins()
    assert only(Handoff, call.partial("救命")).routes == (
        Route("110-460200", "110"),
        PROVINCE,
        SEAT,
    )


def test_after_danger_no_question_is_answered(ringing: Call) -> None:
    ringing.partial("我家着火了公积金怎么提取")
    ringing.ends()
    ringing.final("我家着火了公积金怎么提取")
    ringing.knows("我家着火了公积金怎么提取", ("gjj-1", 0.99))
    ringing.hear_out()
    ringing.is_silent()
    assert not any(say.entry for say in every(Say, ringing.done))


def test_while_110_rings_the_bot_asks_only_where_the_caller_is(ringing: Call) -> None:
    ringing.ends()
    assert prompts(ringing.hear_out()) == ["where_are_you"]
    assert prompts(ringing.is_silent()) == ["still_connecting"]


def test_the_place_is_not_asked_for_while_the_caller_speaks(ringing: Call) -> None:
    assert prompts(ringing.hear_out()) == []
    assert prompts(ringing.ends()) == ["where_are_you"]


def test_an_interrupted_answer_does_not_bring_the_question_where(call: Call) -> None:
    """The flushed answer reports its end before the hand-off is announced."""
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.being_heard()
    utterance = call.state.speaking
    assert utterance is not None
    call.begins()
    call.partial("着火了")
    assert call.take(PlaybackFinished(call.at, utterance, interrupted=True)) == ()


def test_a_place_said_while_it_rings_changes_the_route_and_the_dossier(ringing: Call) -> None:
    actions = ringing.partial("我家着火了在三亚")
    assert only(DialRoute, actions).route == Route("110-460200", "110")
    assert only(UpdateDossier, actions).region == "460200"
    assert ringing.state.handoff is not None
    assert ringing.state.handoff.routes == (Route("110-460200", "110"), PROVINCE, SEAT)
    ringing.ends()
    ringing.final("我家着火了在三亚")
    assert prompts(ringing.hear_out()) == ["noted", "where_are_you"]


def test_the_same_place_again_does_not_dial_again(ringing: Call) -> None:
    ringing.partial("在三亚")
    assert every(DialRoute, ringing.final("在三亚")) == []


def test_a_late_hypothesis_of_an_older_turn_does_not_move_the_caller_back(ringing: Call) -> None:
    ringing.begins()
    ringing.partial("在文昌")
    assert every(DialRoute, ringing.final("在三亚", turn=1)) == []
    assert ringing.state.region == "469005"


def test_a_desk_that_is_off_hook_is_not_given_up_for_another_county(ringing: Call) -> None:
    ringing.leg(LegState.ANSWERED)
    actions = ringing.partial("在三亚")
    assert every(DialRoute, actions) == []
    assert only(UpdateDossier, actions).region == "460200"
    assert only(DialRoute, ringing.leg(LegState.NO_ANSWER)).route.destination == "110-460200"


def test_new_lines_and_flags_are_added_and_nothing_is_taken_away(ringing: Call) -> None:
    actions = ringing.partial("着火了孩子晕倒了")
    assert only(DialLine, actions).line == "120"
    update = only(UpdateDossier, actions)
    assert (update.lines, update.flags) == (("119", "120"), ("child",))
    ringing.partial("没有没有")
    assert ringing.state.handoff is not None
    assert ringing.state.handoff.lines == ("119", "120")


def test_a_retraction_is_noted_and_cancels_nothing(ringing: Call) -> None:
    ringing.ends()
    ringing.hear_out()
    ringing.hear_out()
    ringing.begins()
    actions = ringing.partial("弄错了没有着火")
    assert "改口" in only(UpdateDossier, actions).note
    ringing.ends()
    assert prompts(ringing.final("弄错了没有着火")) == []
    assert "noted" in prompts(ringing.done)
    assert ringing.state.phase is Phase.HANDING_OFF
    assert every(HangUp, ringing.done) == []


# ── routes ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failure", [LegState.BUSY, LegState.NO_ANSWER, LegState.FAILED])
def test_a_route_that_fails_falls_to_the_next_and_the_caller_is_told(
    ringing: Call, failure: LegState
) -> None:
    actions = ringing.leg(failure)
    assert only(DialRoute, actions).route == SEAT
    assert prompts(actions) == ["next_route"]


def test_a_route_that_answers_and_then_hangs_up_without_a_word_has_failed(ringing: Call) -> None:
    ringing.leg(LegState.ANSWERED)
    assert only(DialRoute, ringing.leg(LegState.ENDED)).route == SEAT


def test_an_exhausted_chain_starts_over_after_a_pause_and_never_hangs_up(ringing: Call) -> None:
    for _ in range(5):
        ringing.leg(LegState.BUSY)
        assert every(DialRoute, ringing.leg(LegState.BUSY, "seat")) == []
        ringing.after(3.0)
        assert only(DialRoute, ringing.partial("快来")).route == PROVINCE
    assert every(HangUp, ringing.done) == []
    assert ringing.state.phase is Phase.HANDING_OFF


def test_an_exhausted_chain_pauses_whatever_the_desks_report(ringing: Call) -> None:
    ringing.leg(LegState.BUSY)
    ringing.leg(LegState.BUSY, "seat")
    assert ringing.leg(LegState.FAILED, "110-460000") == ()
    ringing.after(3.0)
    assert only(DialRoute, ringing.partial("快来")).route == PROVINCE


def test_desks_that_are_busy_at_once_do_not_pile_up_announcements(ringing: Call) -> None:
    ringing.leg(LegState.BUSY)
    ringing.leg(LegState.BUSY)
    assert prompts(ringing.done).count("next_route") == 1


def test_news_of_a_route_already_given_up_is_ignored(ringing: Call) -> None:
    ringing.leg(LegState.BUSY)
    assert ringing.leg(LegState.CONFIRMED, "110-460000") == ()
    assert ringing.state.phase is Phase.HANDING_OFF


def test_the_bot_falls_silent_when_the_desk_is_off_hook(ringing: Call) -> None:
    assert only(StopSpeaking, ringing.leg(LegState.ANSWERED))
    assert ringing.leg(LegState.RINGING) == ()


def test_a_person_who_spoke_ends_the_bot_s_part(ringing: Call) -> None:
    ringing.leg(LegState.CONFIRMED)
    assert ringing.state.phase is Phase.CONNECTED
    assert ringing.leg(LegState.RINGING) == ()
    assert ringing.leg(LegState.ANSWERED) == ()
    assert ringing.is_silent(30) == ()
    released = ringing.leg(LegState.ENDED)
    assert outcome(released) == "handed_off"
    assert ringing.hangs_up() == ()


def test_connected_the_dossier_grows_and_nothing_is_said(ringing: Call) -> None:
    ringing.leg(LegState.CONFIRMED)
    actions = ringing.partial("我家着火了在三亚有人晕倒")
    assert [update.region for update in every(UpdateDossier, actions)][-1] == "460200"
    assert only(NotifyLine, actions).line == "120"
    assert every(DialRoute, actions) == []
    ringing.ends()
    assert prompts(ringing.final("我家着火了在三亚有人晕倒")) == []


def test_a_connected_desk_whose_line_breaks_is_a_failed_route(ringing: Call) -> None:
    ringing.leg(LegState.CONFIRMED)
    actions = ringing.leg(LegState.ENDED, reason="lost")
    assert only(DialRoute, actions).route == SEAT
    assert prompts(actions) == ["next_route"]


def test_a_seat_at_the_end_of_the_chain_is_a_human(ringing: Call) -> None:
    ringing.leg(LegState.NO_ANSWER)
    ringing.leg(LegState.CONFIRMED)
    assert outcome(ringing.leg(LegState.ENDED)) == "human"


def test_off_hook_and_nobody_speaks_the_caller_is_still_kept_company(ringing: Call) -> None:
    ringing.ends()
    ringing.leg(LegState.ANSWERED)
    assert prompts(ringing.is_silent()) == ["still_connecting"]


# ── the caller is gone ────────────────────────────────────────────────────────────


def test_a_caller_who_hangs_up_with_danger_open_leaves_a_record_marked_interrupted(
    ringing: Call,
) -> None:
    actions = ringing.hangs_up()
    update = only(UpdateDossier, actions)
    assert (update.note, "interrupted" in update.flags) == ("中断", True)
    assert ringing.state.handoff is not None
    assert "interrupted" in ringing.state.handoff.flags
    assert every(StopSpeaking, actions) == []  # there is no line left to flush
    assert only(HangUp, actions)


def test_hanging_up_at_the_question_about_danger_is_no_clear_no(call: Call) -> None:
    call.says("那个人在门口")
    actions = call.hangs_up()
    assert only(Handoff, actions).reason == "danger"
    assert only(UpdateDossier, actions).note == "中断"


def test_hanging_up_after_110_was_reached_interrupts_nothing(ringing: Call) -> None:
    ringing.leg(LegState.CONFIRMED)
    assert every(UpdateDossier, ringing.hangs_up()) == []


# ── the question about danger ─────────────────────────────────────────────────────


@pytest.fixture
def asked(call: Call) -> Call:
    actions = call.says("我有点怕楼上的公积金")
    assert prompts(actions) == ["ask_danger"]
    call.hear_out()
    return call


@pytest.mark.parametrize("no", ["没有没有就是问一下", "没有啊没事", "没得", "不是不是"])
def test_after_a_clear_no_the_original_question_is_answered(asked: Call, no: str) -> None:
    search = final_search(asked.says(no))
    assert search.text == "我有点怕楼上的公积金"
    actions = asked.knows(search.text, ("gjj-1", 0.8), turn=search.turn)
    assert prompts(actions) == ["entry:gjj-1"]
    asked.hear_out()
    assert final_search(asked.says("社保呢")).text == "社保呢"


def test_a_search_that_came_back_during_the_question_is_used(call: Call) -> None:
    call.begins()
    call.final("我有点怕公积金")
    call.knows("我有点怕公积金", ("gjj-1", 0.8))
    assert prompts(call.ends()) == ["ask_danger"]
    call.hear_out()
    assert prompts(call.says("没有")) == ["entry:gjj-1"]


@pytest.mark.parametrize("reply", ["有", "不知道", "嗯", "没有但是他拿着东西", "转人工", "没了"])
def test_anything_but_a_clear_no_is_a_yes(asked: Call, reply: str) -> None:
    assert only(Handoff, asked.says(reply)).reason == "danger"


def test_silence_is_a_yes(asked: Call) -> None:
    assert only(Handoff, asked.is_silent()).reason == "danger"


def test_an_unintelligible_reply_is_a_yes(asked: Call) -> None:
    assert only(Handoff, asked.says("")).reason == "danger"


def test_a_noise_while_the_question_is_being_asked_is_no_reply(call: Call) -> None:
    call.says("那个人在门口")
    call.being_heard()
    assert call.says("") == ()
    call.hear_out()
    assert prompts(call.says("没有")) == []
    assert call.state.phase is Phase.LISTENING


def test_a_no_of_which_only_the_beginning_was_understood_is_a_yes(asked: Call) -> None:
    asked.begins()
    asked.listener("没有他把门锁起来不让我出去", final=True)
    asked.ends()
    assert only(Handoff, asked.final("没有"))


def test_the_reply_is_not_judged_before_its_final(asked: Call) -> None:
    asked.begins()
    asked.partial("没有")
    assert asked.ends() == ()
    assert only(Handoff, asked.final("没有但是他在砸门"))


def test_it_is_not_asked_again_unless_the_doubt_has_grown(asked: Call) -> None:
    asked.says("没有")
    asked.knows("我有点怕楼上的公积金", ("gjj-1", 0.8), turn=1)
    asked.hear_out()
    assert prompts(asked.says("社保呢")) == []
    asked.hear_out()
    assert prompts(asked.says("吵得厉害")) == ["ask_danger"]


def test_a_doubt_that_was_settled_is_not_asked_about_again(asked: Call) -> None:
    search = final_search(asked.says("没有"))
    assert prompts(asked.knows(search.text, ("gjj-1", 0.8), turn=search.turn)) == ["entry:gjj-1"]
    asked.hear_out()
    assert final_search(asked.says("社保呢")).text == "社保呢"


def test_the_last_ear_failing_at_the_question_is_a_yes(asked: Call) -> None:
    asked.fails("listener")
    assert only(Handoff, asked.fails("transcriber")).reason == "danger"


# ── ordinary police matters, requests ─────────────────────────────────────────────


def test_an_approved_answer_goes_before_a_doubtful_police_matter(call: Call) -> None:
    assert prompts(call.asks("被骗了钱怎么报案", ("ga-1", 0.8))) == ["entry:ga-1"]


def test_a_call_for_the_police_is_met_in_mid_sentence(call: Call) -> None:
    call.begins()
    assert only(Handoff, call.partial("给我接110")).reason == "requested_police"


def test_a_human_can_be_asked_for(call: Call) -> None:
    actions = call.says("转人工")
    assert only(Handoff, actions).routes == (SEAT,)
    assert prompts(actions) == []
    assert prompts(call.written()) == ["connecting_human"]
    call.leg(LegState.CONFIRMED)
    assert outcome(call.leg(LegState.ENDED)) == "human"


def test_a_request_that_was_dealt_with_is_not_made_again(call: Call) -> None:
    call.says("转人工")
    assert prompts(call.leg(LegState.BUSY)) == ["human_busy", "ticket_matter"]
    call.hear_out()
    assert prompts(call.asks("路灯坏了很久", decision="none")) == ["ticket_place"]
    call.hear_out()
    assert prompts(call.says("海口龙华区")) == ["ticket_name"]
    call.hear_out()
    assert only(Handoff, call.says("我要人工")).reason == "requested_human"


def test_a_noise_after_the_request_does_not_lose_it(call: Call) -> None:
    call.begins()
    call.partial("转人工")
    call.ends()
    call.begins()
    assert every(Handoff, call.final("转人工", turn=1)) == []  # the caller may go on
    call.ends()
    assert only(Handoff, call.final("")).reason == "requested_human"


def test_a_request_that_the_final_does_not_bear_out_is_none(call: Call) -> None:
    call.begins()
    call.partial("人工")
    call.ends()
    assert final_search(call.final("人才政策")).text == "人才政策"


def _asking(call: Call) -> None:
    pass


def _clarifying(call: Call) -> None:
    call.asks("居住证", ("a", 0.4), ("b", 0.4), decision="clarify")


def _confirming(call: Call) -> None:
    call.says("那个人在门口")


def _ticket(call: Call) -> None:
    call.asks("路灯坏了", decision="none")


def _ticket_number(call: Call) -> None:
    _ticket(call)
    call.says("海口")
    call.says("我姓王")


def _ticket_writing(call: Call) -> None:
    _ticket_number(call)
    call.says("对的")


def _closing(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.hear_out()
    call.says("谢谢再见")


def _waiting_for_a_human(call: Call) -> None:
    call.says("转人工")
    call.written()


def _mid_answer(call: Call) -> None:
    call.asks(QUESTION, ("gjj-1", 0.9))
    call.being_heard()


ANYWHERE = pytest.mark.parametrize(
    "place",
    [
        _asking, _mid_answer, _clarifying, _confirming, _ticket, _ticket_number, _ticket_writing,
        _closing, _waiting_for_a_human,
    ],
)  # fmt: skip


def menu_key(call: Call, key: str) -> tuple[Action, ...]:
    """Where a number is asked for, a lone key is the menu's after a long pause."""
    actions = call.presses(key)
    while call.state.phase is Phase.TICKET_NUMBER:
        call.hear_out()
        actions += call.is_silent()
    return actions


@ANYWHERE
def test_danger_wins_everywhere(call: Call, place: Callable[[Call], None]) -> None:
    place(call)
    call.begins()
    assert only(Handoff, call.partial("着火了")).routes[0] == PROVINCE
    assert call.state.phase is Phase.HANDING_OFF


@ANYWHERE
def test_key_1_is_110_everywhere(call: Call, place: Callable[[Call], None]) -> None:
    place(call)
    assert only(Handoff, menu_key(call, "1")).routes[0] == PROVINCE


@ANYWHERE
def test_key_0_or_the_word_brings_a_human_everywhere(
    call: Call, place: Callable[[Call], None]
) -> None:
    place(call)
    if call.state.handoff is not None:
        return
    confirming = call.state.phase is Phase.CONFIRMING_DANGER
    expected = PROVINCE if confirming else SEAT
    assert only(Handoff, menu_key(call, "0")).routes[0] == expected
    spoken = Call()
    spoken.start()
    place(spoken)
    assert only(Handoff, spoken.says("我要人工")).routes[0] == expected


@ANYWHERE
def test_a_caller_can_hang_up_everywhere(call: Call, place: Callable[[Call], None]) -> None:
    place(call)
    assert only(HangUp, call.hangs_up())
    assert call.presses("1") == ()


def test_doubt_about_danger_is_asked_while_a_ticket_is_taken_down(call: Call) -> None:
    _ticket(call)
    call.hear_out()
    assert prompts(call.says("那个人在三亚")) == ["ask_danger"]
    call.hear_out()
    assert prompts(call.says("没有")) == ["ticket_name"]
    assert call.state.ticket is not None
    assert call.state.ticket.place == "那个人在三亚"


def test_danger_while_an_agent_has_the_call_raises_the_alarm(call: Call) -> None:
    _waiting_for_a_human(call)
    call.leg(LegState.CONFIRMED)
    call.begins()
    actions = call.partial("着火了")
    assert every(Handoff, actions) == []
    update = only(UpdateDossier, actions)
    assert "danger" in update.flags
    assert "一键转110" in update.note
    assert every(UpdateDossier, call.partial("着火了快")) == []
    assert only(Handoff, call.presses("1")).routes[0] == PROVINCE


def test_a_broken_seat_ends_in_a_ticket_with_what_was_asked(call: Call) -> None:
    call.asks("路灯坏了很久没有人修", ("x", 0.9))
    call.presses("0")
    actions = call.leg(LegState.FAILED)
    assert prompts(actions) == ["human_busy", "ticket_where"]
    assert only(OpenTicket, actions).matter == "路灯坏了很久没有人修"


def test_every_decision_is_on_the_record(call: Call) -> None:
    call.begins()
    assert "着火" in only(Decide, call.partial("着火了")).why


def test_a_ringing_110_does_not_waver_with_the_recogniser(ringing: Call) -> None:
    dialled = only(DialRoute, ringing.partial("我家着火了在三亚吉阳区"))
    assert dialled.route.destination == "110-460203"
    ringing.leg(LegState.RINGING)
    assert not every(DialRoute, ringing.partial("我家着火了在三亚几样区"))
    assert not every(DialRoute, ringing.partial("我家着火了在文昌几样区"))
    assert ringing.state.region == "460203"
    ringing.ends()
    assert only(DialRoute, ringing.final("我家着火了在文昌")).route.destination == "110-469005"


def test_a_district_of_the_city_that_rings_refines_the_dossier_and_keeps_the_leg(
    ringing: Call,
) -> None:
    only(DialRoute, ringing.partial("我家着火了在三亚"))
    ringing.leg(LegState.RINGING)
    actions = ringing.partial("我家着火了在三亚吉阳区")
    assert not every(DialRoute, actions)
    assert only(UpdateDossier, actions).region == "460203"
    failed = ringing.leg(LegState.BUSY)
    assert only(DialRoute, failed).route.destination == "110-460203"


def test_a_caller_who_talks_on_to_a_silent_110_hears_that_we_are_there(ringing: Call) -> None:
    ringing.leg(LegState.ANSWERED)
    actions = ringing.take(Silence(ringing.after(2.4), 2.4, talking=True))
    assert prompts(actions) == []
    actions = ringing.take(Silence(ringing.after(1.2), 3.6, talking=True))
    assert prompts(actions) == ["still_connecting"]
    assert ringing.state.caller_speaking, "and is not thought to have ended"


def test_a_caller_who_talks_at_length_to_the_bot_is_not_interrupted(call: Call) -> None:
    call.begins()
    call.partial("我想说一下我们小区的事情")
    assert prompts(call.take(Silence(call.after(3.6), 3.6, talking=True))) == []


def test_the_news_of_the_next_route_comes_before_words_of_patience(ringing: Call) -> None:
    ringing.ends()
    ringing.leg(LegState.ANSWERED)
    ringing.is_silent()
    ringing.being_heard()
    actions = ringing.leg(LegState.NO_ANSWER)
    assert [type(each) for each in actions if not isinstance(each, Decide)] == [
        StopSpeaking,
        DialRoute,
        Say,
    ]
    assert prompts(actions) == ["next_route"]


def test_a_lost_playback_does_not_silence_the_bot_for_who_talks_on(ringing: Call) -> None:
    ringing.leg(LegState.BUSY)  # the next route is announced, and its playback is lost
    assert not ringing.state.quiet
    ringing.begins()
    actions = ringing.take(Silence(ringing.after(3.7), 3.6, talking=True))
    assert prompts(actions) == ["still_connecting"]


def test_a_110_that_is_gone_after_a_few_words_has_broken_off_and_the_next_is_called(
    ringing: Call,
) -> None:
    ringing.leg(LegState.ANSWERED)
    ringing.leg(LegState.CONFIRMED)
    actions = ringing.leg(LegState.ENDED, talked_s=5.0)
    assert every(HangUp, actions) == []
    assert only(DialRoute, actions)
    assert prompts(actions) == ["next_route"]
