"""The caller is gone while danger is open: the legs are told, and the number is called back."""

from __future__ import annotations

import pytest

from flows import call_back, jurisdiction
from flows.actions import CallBack, DialLine, Handoff, HangUp, OpenTicket, Tell, UpdateDossier
from flows.events import Interrupted, LegState
from flows.state import Phase
from tests.flows.scripted_call import Call, every, only, prompts, resolve_place

BEFORE = Interrupted("c0-h1", "460200", 1, ("120",), ("child",))


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jurisdiction, "resolve", resolve_place)


def in_danger(**given: bool) -> Call:
    call = Call(known_region="460200", **given)
    call.start()
    call.says("孩子晕倒了")
    call.written()
    return call


def notes(call: Call) -> list[str]:
    return [update.note for update in every(UpdateDossier, call.done)]


def test_the_number_is_called_back_with_what_is_known() -> None:
    actions = in_danger().hangs_up()
    back = only(CallBack, actions)
    assert back.number == "13800138000"
    assert back.matter == Interrupted("c1-h1", "460200", 1, ("120",), ("child",))
    assert only(HangUp, actions)


def test_110_off_hook_is_told_by_voice_and_so_is_120() -> None:
    call = in_danger()
    call.leg(LegState.ANSWERED)
    call.side(LegState.CONFIRMED, "120")
    told = every(Tell, call.hangs_up())
    assert [(each.line, each.prompt) for each in told] == [
        ("", "caller_gone_calling_back"),
        ("120", "caller_gone_calling_back"),
    ]


def test_a_110_that_only_rings_is_told_by_the_order_alone() -> None:
    call = in_danger()
    call.leg(LegState.RINGING)
    assert every(Tell, call.hangs_up()) == []
    assert notes(call) == ["中断"]


def test_where_the_line_cannot_call_out_110_is_told_and_the_order_says_so() -> None:
    call = in_danger(calls_back=False)
    call.leg(LegState.ANSWERED)
    actions = call.hangs_up()
    assert every(CallBack, actions) == []
    assert only(Tell, actions).prompt == "caller_gone"
    assert notes(call) == ["这条线路不能自动回拨，请110回拨", "中断"]


def test_a_withheld_number_cannot_be_called_back_and_the_order_says_so() -> None:
    call = Call(caller="", calls_back=False)
    call.start()
    call.says("救命")
    call.hangs_up()
    assert notes(call)[0] == "没有来电号码，不能回拨"


def test_who_was_put_through_to_110_is_not_called_back() -> None:
    call = in_danger()
    call.leg(LegState.CONFIRMED)
    assert every(CallBack, call.hangs_up()) == []


def test_a_caller_without_danger_is_not_called_back(call: Call) -> None:
    call.says("路灯坏了")
    assert every(CallBack, call.hangs_up()) == []


@pytest.mark.parametrize("matter", ["我手机被偷了", "楼上天天半夜砸东西"])
def test_an_ordinary_matter_of_110s_is_told_and_not_called_back(call: Call, matter: str) -> None:
    call.asks(matter, decision="none")
    call.hear_out()
    call.says("好的")
    call.leg(LegState.ANSWERED)
    actions = call.hangs_up()
    assert every(CallBack, actions) == []
    assert only(Tell, actions).prompt == "caller_gone"
    assert notes(call)[-2:] == ["普通警情，不自动回拨", "中断"]


@pytest.mark.parametrize("worse", ["着火了", "我有点怕"])
def test_danger_and_doubt_that_came_up_in_an_ordinary_matter_are_called_back(
    call: Call, worse: str
) -> None:
    call.asks("我手机被偷了", decision="none")
    call.hear_out()
    call.says("好的")
    call.says(worse)
    assert only(CallBack, call.hangs_up())


def test_who_asked_for_the_police_and_said_no_more_is_called_back(call: Call) -> None:
    call.presses("1")
    assert only(CallBack, call.hangs_up())


# ── who was called back ───────────────────────────────────────────────────────────


def test_who_answers_is_put_through_to_110_at_once_and_told_why() -> None:
    call = Call(called_back=BEFORE)
    actions = call.start(greeted=False)
    opened = only(Handoff, actions)
    assert (opened.reason, opened.region, opened.category) == ("danger", "460200", 1)
    assert opened.routes[0].destination == "110-460200"
    assert opened.flags == ("child",)
    assert opened.evidence == ("call_back：c0-h1",)
    assert only(DialLine, actions).line == "120"
    assert prompts(actions) == []
    assert prompts(call.written()) == ["call_back_110"]


def test_who_says_that_nothing_is_wrong_is_noted_and_110_decides() -> None:
    call = Call(called_back=BEFORE)
    call.start()
    call.written()
    call.hear_out()
    call.says("没有危险打错了")
    assert call.state.phase is Phase.HANDING_OFF
    assert every(OpenTicket, call.done) == []


def test_who_hangs_up_again_is_110s_to_call() -> None:
    call = Call(called_back=BEFORE)
    call.start()
    call.written()
    actions = call.hangs_up()
    assert every(CallBack, actions) == []
    assert notes(call)[0] == "已回拨过一次，请110回拨"


# ── when it is tried ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ended", ["busy", "no_answer", "unreachable"])
def test_it_is_tried_at_once_and_a_few_times(ended: str) -> None:
    first = call_back.next_try(0)
    assert first is not None
    assert first < 30
    again = [call_back.next_try(tries, ended) for tries in range(1, call_back.MOST_TRIES)]
    assert all(pause is not None and 0 < pause < 30 for pause in again)
    assert call_back.next_try(call_back.MOST_TRIES, ended) is None


def test_a_trunk_that_is_not_there_is_not_tried_again() -> None:
    assert call_back.next_try(1, "no_such_trunk") is None


# ── a missed call is called back ──────────────────────────────────────────────────


def test_who_answers_a_call_back_and_says_nothing_gets_a_goodbye_and_no_seat() -> None:
    call = Call(calling="missed")
    call.start()
    for _ in range(3):
        actions = call.is_silent()
        call.hear_out()
    assert prompts(actions) == ["goodbye"]
    assert every(Handoff, call.done) == []
    assert every(HangUp, call.done)
    assert call.state.phase is Phase.ENDED
    assert not call.state.heard


@pytest.mark.parametrize(
    ("calling", "said"), [("danger", ""), ("missed", "喂")], ids=["lost in danger", "says 喂"]
)
def test_who_was_lost_in_danger_or_has_said_a_word_gets_a_human(calling: str, said: str) -> None:
    call = Call(calling=calling)
    call.start()
    if said:
        call.says(said)
        call.hear_out()
    for _ in range(4):
        call.is_silent()
        call.hear_out()
    assert every(Handoff, call.done)
    assert call.state.heard == bool(said)
