"""110 has no line: what the caller hears, where else the call goes, and the line that is free."""

from __future__ import annotations

import csv
import tomllib
from itertools import pairwise

import pytest

from flows import legs
from flows.actions import Action, Decide, DialRoute, ReleaseLeg, Route
from flows.events import LegState, LineFree, Silence, TimePassed
from flows.gazetteer import REGIONS
from flows.prompts import load_prompts
from flows.routes import SEAT, areas
from flows.speaking import SAFETY
from flows.state import Phase
from flows.waiting import LINES_FULL, NEIGHBOURS, TELL_S, claim, neighbours
from tests.flows.scripted_call import Call, every, only, prompts

SANYA = ["110-460200", "110-460000", "seat"]
NEAR_SANYA = ["110-469028", "110-469029", "110-469027"]


def refused(call: Call, times: int = 1) -> list[Action]:
    """Routes that are refused without being dialled, one after the other."""
    return [action for _ in range(times) for action in call.leg(LegState.BUSY, reason=LINES_FULL)]


def given(call: Call, free: str, *, sure: bool = True) -> tuple[Action, ...]:
    """A line was given to this call."""
    assert call.state.handoff is not None
    event = LineFree(call.after(0.3), call.state.handoff.id, free, sure, "被埋（埋了）")
    return call.take(event)


@pytest.fixture
def waiting() -> Call:
    """In danger in Sanya, and all lines that there are have been refused."""
    call = Call()
    call.start()
    call.says("我在三亚他拿刀")
    call.written()
    call.hear_out()
    refused(call, 6)
    return call


# ── where the call goes ───────────────────────────────────────────────────────────


def test_a_full_110_is_followed_by_the_province_a_seat_and_the_neighbours_at_once() -> None:
    call = Call()
    call.start()
    call.says("我在三亚他拿刀")
    call.written()
    call.hear_out()
    dialled = [each.route.destination for each in every(DialRoute, refused(call, 6))]
    assert dialled == SANYA[1:] + NEAR_SANYA


def test_nobody_is_told_of_another_route_that_was_never_dialled(waiting: Call) -> None:
    assert "next_route" not in prompts(waiting.done)


def test_an_ordinary_matter_of_110s_is_not_taken_to_the_neighbours() -> None:
    call = Call()
    call.start()
    call.asks("我在三亚手机被偷了", decision="none")
    call.says("好的")
    call.written()
    call.hear_out()
    dialled = [each.route.destination for each in every(DialRoute, refused(call, 3))]
    assert dialled == SANYA[1:]


def test_neighbours_are_each_others_neighbours_and_have_a_110() -> None:
    table = tomllib.loads(NEIGHBOURS.read_text("utf-8"))
    for code, near in table.items():
        assert code not in near
        assert len(set(near)) == len(near)
        assert all(code in table[each] for each in near)
    with REGIONS.open(encoding="utf-8-sig") as file:
        regions = {row["code"]: row for row in csv.DictReader(file)}
    assert set(table) <= set(regions)
    served = [c for c in regions if c not in ("460000",) and not c.startswith("4603")]
    assert all(any(area in table for area in areas(code)) for code in served)


def test_a_district_has_the_neighbours_of_its_city() -> None:
    assert neighbours("460106") == neighbours("460100") != ()
    assert neighbours(None) == ()
    assert neighbours("460300") == ()


def test_a_chain_that_was_full_throughout_starts_over_later_than_one_that_rang(
    waiting: Call,
) -> None:
    handoff = waiting.state.handoff
    assert handoff is not None
    assert handoff.redial_at is not None
    assert handoff.redial_at - waiting.at == pytest.approx(15.0)
    waiting.waits(15.1)
    refused(waiting, 5)
    waiting.leg(LegState.NO_ANSWER)
    assert waiting.state.handoff.redial_at - waiting.at == pytest.approx(3.0)  # type: ignore[union-attr,operator]


# ── what the caller is told ───────────────────────────────────────────────────────


def test_the_caller_is_told_that_all_lines_are_full_and_then_every_15_s(waiting: Call) -> None:
    waiting.hear_out()
    assert prompts(waiting.done)[-1] == "lines_full"
    for _ in range(100):
        due = legs.due_at(waiting.state)
        at = waiting.after(0.6)
        if due is not None and due <= at:
            waiting.take(TimePassed(at))
        if at - waiting.state.said_at >= 2.4:
            waiting.take(Silence(at, at - waiting.state.said_at))
        waiting.hear_out()
        handoff = waiting.state.handoff
        if handoff is not None and handoff.redial_at is None:  # the chain has started over
            refused(waiting, 6)
    told = [
        event.at
        for event, actions in zip(waiting.log, waiting.steps, strict=True)
        if {"lines_full", "lines_full_still"}.intersection(prompts(actions))
    ]
    gaps = [later - sooner for sooner, later in pairwise(told)]
    assert len(gaps) >= 3
    assert all(TELL_S - 0.1 <= gap <= TELL_S + 4.0 for gap in gaps)


def test_who_talks_on_hears_it_too(waiting: Call) -> None:
    waiting.hear_out()
    waiting.begins()
    actions = waiting.take(Silence(waiting.after(TELL_S), 3.6, talking=True))
    assert prompts(actions) == ["lines_full_still"]


def test_what_is_said_to_those_who_wait_promises_no_time_and_is_heard_out() -> None:
    for name in ("lines_full", "lines_full_police", "lines_full_still", "line_free"):
        text = load_prompts()[name].text
        assert not any(word in text for word in ("马上给您接", "分钟", "秒", "很快", "第", "位"))
        assert name in SAFETY


def test_nothing_is_said_of_full_lines_while_one_of_them_rings() -> None:
    call = Call()
    call.start()
    call.says("我在三亚他拿刀")
    call.written()
    call.hear_out()
    refused(call)  # Sanya's; the province's rings
    call.leg(LegState.RINGING)
    assert prompts(call.is_silent()) == ["still_connecting"]


# ── a line that is free ───────────────────────────────────────────────────────────


def test_a_line_that_is_free_is_dialled_and_the_caller_hears_of_it(waiting: Call) -> None:
    actions = given(waiting, "110-460200")
    assert only(DialRoute, actions).route == Route("110-460200", "110")
    assert only(Decide, actions).why == "被埋（埋了）"
    assert "line_free" in prompts(actions)
    waiting.leg(LegState.CONFIRMED)
    assert waiting.state.phase is Phase.CONNECTED


def test_a_number_that_is_only_worth_a_try_is_tried_without_a_word(waiting: Call) -> None:
    actions = given(waiting, "110-460200", sure=False)
    assert every(DialRoute, actions)
    assert prompts(actions) == []


def test_a_free_line_of_110_goes_before_a_seat_that_rings_and_not_before_one_that_answered() -> (
    None
):
    call = Call()
    call.start()
    call.says("我在三亚他拿刀")
    call.written()
    refused(call, 2)
    call.leg(LegState.RINGING)
    assert not every(DialRoute, given(call, "110-460200", sure=False))
    assert every(DialRoute, given(call, "110-460200"))
    refused(call, 2)
    call.leg(LegState.ANSWERED)
    assert not every(DialRoute, given(call, "110-460200"))


def test_a_line_for_a_hand_off_that_is_over_is_left(waiting: Call) -> None:
    event = LineFree(waiting.after(0.1), "another", "110-460200")
    assert waiting.take(event) == ()
    waiting.hangs_up()
    assert waiting.take(LineFree(waiting.after(0.1), "c1-h1", "110-460200")) == ()


# ── what the call claims of the lines ─────────────────────────────────────────────


def test_a_call_claims_the_line_that_it_dials_and_then_those_that_were_full() -> None:
    call = Call()
    call.start()
    assert claim(call.state) is None
    call.says("我在三亚他拿刀")
    first = claim(call.state)
    assert first is not None
    assert (first.using, first.wants) == ("110-460200", ())
    refused(call)
    second = claim(call.state, began=100.0)
    assert second is not None
    assert (second.using, second.wants) == ("110-460000", ("110-460200",))
    assert second.since == pytest.approx(100.0 + call.at)
    assert second.risk.score == 8.0
    refused(call, 5)
    last = claim(call.state)
    assert last is not None
    assert (last.using, last.idle) == (None, True)
    assert last.wants == (*SANYA, *NEAR_SANYA)


def test_who_has_a_person_or_is_gone_claims_no_more_lines(waiting: Call) -> None:
    given(waiting, "110-460200")
    waiting.leg(LegState.CONFIRMED)
    held = claim(waiting.state)
    assert held is not None
    assert (held.using, held.wants) == ("110-460200", ())
    waiting.leg(LegState.ENDED)
    assert claim(waiting.state) is None


def test_worse_words_raise_the_risk_while_the_caller_waits(waiting: Call) -> None:
    before = claim(waiting.state)
    waiting.says("他没有呼吸了")
    after = claim(waiting.state)
    assert before is not None
    assert after is not None
    assert after.risk.score == 10.0 > before.risk.score
    assert after.since == before.since


def test_a_seat_is_one_of_the_lines_and_nothing_is_given_up_while_it_rings(waiting: Call) -> None:
    actions = given(waiting, SEAT)
    assert only(DialRoute, actions).route.kind == SEAT
    assert not every(ReleaseLeg, actions)


def test_a_line_of_the_county_that_the_caller_is_not_in_after_all_is_passed_over(
    waiting: Call,
) -> None:
    dialled = only(DialRoute, waiting.says("不是三亚我在文昌")).route
    assert dialled.destination not in SANYA
    assert given(waiting, "110-460200") == ()
    assert waiting.state.handoff is not None
    assert waiting.state.handoff.route == dialled


def test_who_says_his_district_keeps_his_place_before_a_seat_that_rings() -> None:
    call = Call()
    call.start()
    call.says("我在海口他拿刀")
    call.written()
    call.hear_out()
    refused(call, 2)
    assert call.state.handoff is not None
    assert call.state.handoff.route.kind == SEAT
    call.says("我在秀英区")
    wanted = claim(call.state)
    assert wanted is not None
    assert "110-460100" in wanted.wants
    assert only(DialRoute, given(call, "110-460100")).route.destination == "110-460100"


def test_a_district_that_is_said_in_the_pause_is_called_at_once() -> None:
    call = Call()
    call.start()
    call.says("我在海口他拿刀")
    call.written()
    call.hear_out()
    refused(call, 3 + len(neighbours("460100")))
    assert call.state.handoff is not None
    assert call.state.handoff.redial_at is not None
    assert only(DialRoute, call.says("我在秀英区")).route.destination == "110-460105"
