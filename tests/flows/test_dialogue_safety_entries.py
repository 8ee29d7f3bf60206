"""Answers that bear on danger: after a clear no, or on the bridge while 110 rings."""

from __future__ import annotations

import pytest

from flows import jurisdiction
from flows.actions import Action, Decide, Handoff, Purpose, Say, Search
from flows.events import LegState
from flows.state import Phase
from tests.flows.scripted_call import Call, every, only, prompts, resolve_place

ASK = {"jg-011": "ask"}
HANDOFF = {"gs-007": "handoff"}
SCRATCH = ("jg-011", 0.9)
GAS = ("gs-007", 0.9)


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jurisdiction, "resolve", resolve_place)


# ── ask ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asked(call: Call) -> Call:
    """A question that triage sees nothing in, and whose answer bears on danger."""
    actions = call.asks("两车碰了一下怎么处理", SCRATCH, safety=ASK)
    assert prompts(actions) == ["ask_danger"]
    call.hear_out()
    return call


def test_a_clear_no_comes_before_the_answer(asked: Call) -> None:
    assert prompts(asked.says("没有")) == ["entry:jg-011"]
    assert asked.state.phase is Phase.LISTENING


@pytest.mark.parametrize("reply", ["有", "我也不知道", "嗯"])
def test_anything_but_a_clear_no_hands_over(asked: Call, reply: str) -> None:
    assert only(Handoff, asked.says(reply)).reason == "danger"


def test_no_reply_hands_over(asked: Call) -> None:
    assert only(Handoff, asked.is_silent()).reason == "danger"


def test_who_hangs_up_at_the_question_leaves_a_police_order(asked: Call) -> None:
    assert only(Handoff, asked.hangs_up()).reason == "danger"


def test_the_same_answer_is_asked_about_once(asked: Call) -> None:
    asked.says("没有")
    asked.hear_out()
    assert prompts(asked.asks("两车碰了要拍照吗", SCRATCH, safety=ASK)) == ["entry:jg-011"]


def test_another_such_answer_is_asked_about_by_itself(asked: Call) -> None:
    asked.says("没有")
    asked.hear_out()
    other = asked.asks("电梯坏了找谁", ("sc-012", 0.9), safety={"sc-012": "ask"})
    assert prompts(other) == ["ask_danger"]


def test_a_third_such_question_is_for_a_human(asked: Call) -> None:
    asked.says("没有")
    asked.hear_out()
    asked.asks("电梯坏了找谁", ("sc-012", 0.9), safety={"sc-012": "ask"})
    asked.hear_out()
    asked.says("没有")
    asked.hear_out()
    actions = asked.asks("水要进屋了", ("yj-004", 0.9), safety={"yj-004": "ask"})
    assert only(Handoff, actions).reason == "danger_doubt"


def test_a_matter_that_comes_with_the_no_is_searched_for_itself(asked: Call) -> None:
    assert only(Search, asked.says("没有公积金怎么提取")).text == "公积金怎么提取"
    actions = asked.knows("公积金怎么提取", ("gjj-001", 0.9))
    assert prompts(actions) == ["entry:gjj-001"]


def test_it_is_not_answered_on_half_the_words(call: Call) -> None:
    call.begins()
    call.listener("两车碰了一下怎么处理")
    call.partial("两车碰了一下怎么处理")
    call.knows("两车碰了一下怎么处理", ("jg-011", 0.97), final=False, safety=ASK)
    assert prompts(call.ends()) == []


def test_the_final_words_stop_an_early_answer_and_the_question_comes_first(call: Call) -> None:
    call.begins()
    call.listener("两车碰了一下怎么处理")
    call.partial("两车碰了一下怎么处理")
    call.knows("两车碰了一下怎么处理", ("jg-005", 0.97), final=False)
    assert prompts(call.ends()) == ["entry:jg-005"]
    call.being_heard()
    call.final("两车碰了一下怎么处理")
    assert prompts(call.knows("两车碰了一下怎么处理", SCRATCH, safety=ASK)) == ["ask_danger"]
    call.hear_out()
    assert prompts(call.says("没有")) == ["entry:jg-011"]


def test_one_that_was_chosen_of_two_is_asked_about(call: Call) -> None:
    both = (("jg-011", 0.5), ("jg-005", 0.4))
    call.asks("车的事情怎么处理", *both, decision="clarify", safety=ASK)
    call.hear_out()
    assert prompts(call.says("第一个")) == ["ask_danger"]
    call.hear_out()
    assert prompts(call.says("没有")) == ["entry:jg-011"]


def test_in_a_ticket_it_is_asked_about_and_the_ticket_goes_on(call: Call) -> None:
    call.asks("小区的事没人管", decision="none")
    call.hear_out()
    assert call.state.phase is Phase.TICKET_PLACE
    assert prompts(call.asks("两车碰了一下怎么处理", SCRATCH, safety=ASK)) == ["ask_danger"]
    call.hear_out()
    assert prompts(call.says("没有"))[0] == "entry:jg-011"
    assert call.state.phase is Phase.TICKET_PLACE


# ── handoff ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def ringing(call: Call) -> Call:
    """Handed over because of the entry; the hand-off is written, 110 rings."""
    actions = call.asks("家里有股味道怎么办", GAS, safety=HANDOFF)
    assert only(Handoff, actions).reason == "danger"
    assert prompts(actions) == []
    assert "safety_entry" in [each.what for each in every(Decide, actions)]
    call.written()
    return call


def test_it_is_spoken_on_the_bridge_after_the_place_was_asked_for(ringing: Call) -> None:
    assert prompts(ringing.hear_out()) == ["where_are_you"]
    said = only(Say, ringing.is_silent(3.6))
    assert (said.entry, said.purpose) == ("gs-007", Purpose.SAFETY)
    assert not said.interruptible


def test_a_reply_with_the_place_is_noted_before_it(ringing: Call) -> None:
    ringing.hear_out()
    assert prompts(ringing.says("在三亚")) == ["noted"]
    assert prompts(ringing.hear_out())[0] == "entry:gs-007"


def test_it_is_spoken_once(ringing: Call) -> None:
    ringing.hear_out()
    ringing.is_silent(3.6)
    ringing.hear_out()
    assert prompts(ringing.is_silent(3.6)) == ["still_connecting"]


def test_it_stops_when_110_picks_up(ringing: Call) -> None:
    ringing.hear_out()
    ringing.is_silent(3.6)
    ringing.being_heard()
    ringing.leg(LegState.ANSWERED)
    assert ringing.state.quiet


def test_it_is_not_begun_once_110_has_picked_up(ringing: Call) -> None:
    ringing.hear_out()
    ringing.leg(LegState.ANSWERED)
    assert "entry:gs-007" not in prompts(ringing.is_silent(3.6))


def test_what_is_said_again_later_is_not_the_safety_wording(ringing: Call) -> None:
    ringing.hear_out()
    ringing.is_silent(3.6)
    ringing.hear_out()
    ringing.leg(LegState.CONFIRMED)
    ringing.far_side_presses("*")
    ringing.hear_out()
    ringing.says("再说一遍")
    assert "entry:gs-007" not in prompts(ringing.steps[-1])


def test_danger_that_triage_saw_itself_brings_the_wording_too(call: Call) -> None:
    call.begins()
    call.partial("我家着火了")
    call.written()
    call.ends()
    assert only(Search, call.final("我家着火了怎么办")).final
    call.knows("我家着火了怎么办", ("hz-119", 0.9), safety={"hz-119": "handoff"})
    call.hear_out()
    assert prompts(call.is_silent(3.6)) == ["entry:hz-119"]


@pytest.mark.parametrize(
    ("entry", "safety", "decision"),
    [
        (("gjj-001", 0.99), {}, "answer"),
        (SCRATCH, ASK, "answer"),
        (("gs-007", 0.6), HANDOFF, "answer"),
        (GAS, HANDOFF, "clarify"),
    ],
)
def test_nothing_else_of_the_knowledge_base_is_spoken_after_danger(
    call: Call, entry: tuple[str, float], safety: dict[str, str], decision: str
) -> None:
    call.says("我家着火了")
    call.written()
    call.hear_out()
    call.knows("我家着火了", entry, decision=decision, safety=safety)
    said = [*prompts(call.is_silent(3.6)), *prompts(call.hear_out())]
    assert f"entry:{entry[0]}" not in said


@pytest.fixture
def denied(call: Call) -> tuple[Action, ...]:
    """A clear no, and the search for what it was about."""
    call.says("那个人家里有股味道怎么办")
    call.hear_out()
    call.says("没有")
    return call.knows("那个人家里有股味道怎么办", GAS, turn=1, safety=HANDOFF)


def test_after_a_clear_no_a_human_decides(denied: tuple[Action, ...]) -> None:
    handed = only(Handoff, denied)
    assert (handed.reason, handed.routes[0].kind) == ("danger_doubt", "seat")
    assert "entry:gs-007" not in prompts(denied)


def test_where_no_human_is_free_110_does(call: Call, denied: tuple[Action, ...]) -> None:
    call.written()
    assert only(Handoff, call.leg(LegState.BUSY)).routes[0].kind == "110"
