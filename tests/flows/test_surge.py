"""Who takes the next call of a line: seats, remote seats, the queue, the bot, a call-back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from flows.surge import (
    Decision,
    Destination,
    Figures,
    Force,
    Kind,
    Mode,
    Override,
    Policy,
    Reason,
    SeatFigures,
    SeatGroup,
    State,
    decide,
    expected_wait,
    observe,
    waits,
)
from flows.surge_wording import explain

HAIKOU, SANYA = "460100", "460200"
POLICY = Policy()
CALM = SeatFigures(
    (SeatGroup(HAIKOU, True, 60, 4),), arrivals_per_min=5, service_s=180, patience_s=90
)
BUSY = replace(CALM, groups=(SeatGroup(HAIKOU, True, 60, 0),), waiting=1)
FULL = replace(BUSY, waiting=20, oldest_wait_s=60)
NORMAL, SURGE = State(), State(Mode.SURGE)
ABOUT_TO_SURGE = State(crossed_since=0.0)


def figures(seats: SeatFigures | None = CALM, **changes: float) -> Figures:
    return replace(
        Figures(bot_calls=2, bot_room=8, lines=16, lines_in_use=3, seats=seats), **changes
    )


def go(
    at: Figures, state: State = NORMAL, policy: Policy = POLICY, now: float = 0.0, **call: object
) -> Decision:
    return decide(state, at, policy, now, **call)[1]  # type: ignore[arg-type]


def with_remote(seats: SeatFigures, free: int) -> SeatFigures:
    return replace(seats, groups=(*seats.groups, SeatGroup(SANYA, False, 20, free)))


def test_a_free_local_seat_takes_the_call() -> None:
    decision = go(figures(CALM))
    assert (decision.destination, decision.reason, decision.region) == (
        Destination.LOCAL_SEAT,
        Reason.SEAT_FREE,
        HAIKOU,
    )
    assert decision.wait_s == 0


def test_a_seat_that_a_waiting_caller_will_get_is_not_free() -> None:
    seats = replace(CALM, groups=(SeatGroup(HAIKOU, True, 60, 2),), waiting=2)
    assert go(figures(seats)).destination is Destination.QUEUE


def test_seats_of_other_regions_help_before_anybody_waits() -> None:
    decision = go(figures(with_remote(FULL, 5)))
    assert (decision.destination, decision.region) == (Destination.REMOTE_SEAT, SANYA)


def test_another_region_keeps_seats_for_its_own_callers() -> None:
    assert go(figures(with_remote(FULL, 1))).destination is Destination.BOT


def test_a_line_may_do_without_other_regions() -> None:
    policy = Policy(remote=False)
    assert go(figures(with_remote(FULL, 5)), policy=policy).destination is Destination.BOT


def test_a_remote_seat_needs_a_line_that_is_not_kept_for_hand_offs() -> None:
    decision = go(figures(with_remote(FULL, 5), lines_in_use=14))
    assert decision.destination is Destination.QUEUE
    assert decision.reason is Reason.RESERVE


def test_a_short_wait_is_waited_for() -> None:
    decision = go(figures(BUSY))
    assert (decision.destination, decision.reason) == (Destination.QUEUE, Reason.SHORT_WAIT)
    assert decision.wait_s == pytest.approx(6, abs=1)  # two seats of sixty, 180 s a call


def test_the_bot_takes_a_call_that_would_wait_too_long_and_that_alone_is_no_surge() -> None:
    state, decision = decide(State(), figures(FULL), POLICY, 100.0)
    assert (decision.destination, decision.reason) == (Destination.BOT, Reason.LONG_WAIT)
    assert state == State(Mode.NORMAL, crossed_since=100.0)
    state, decision = decide(state, figures(BUSY), POLICY, 150.0)
    assert (decision.destination, decision.reason) == (Destination.QUEUE, Reason.SHORT_WAIT)
    assert state == State(Mode.NORMAL)


def test_an_outlook_beyond_the_upper_limit_for_the_hold_time_begins_a_surge() -> None:
    state = State()
    for now in (100.0, 160.0, 219.0):
        state, decision = decide(state, figures(FULL), POLICY, now)
        assert state.mode is Mode.NORMAL
        assert decision.destination is Destination.BOT
    state, _ = decide(state, figures(FULL), POLICY, 220.0)
    assert state == State(Mode.SURGE, since=220.0)
    assert go(figures(BUSY), state, now=230.0).destination is Destination.BOT


def test_arrivals_that_outrun_the_seats_begin_the_surge_before_the_queue_is_long() -> None:
    flood = replace(BUSY, arrivals_per_min=60)
    wait, outlook = waits(figures(flood), POLICY) or (0, 0)
    assert wait < POLICY.enter_wait_s < outlook
    assert go(figures(flood)).destination is Destination.BOT
    assert go(figures(flood), ABOUT_TO_SURGE, now=120.0).mode is Mode.SURGE


def test_the_desk_is_told_that_it_is_the_outlook_and_no_surge() -> None:
    decision = go(figures(replace(BUSY, arrivals_per_min=60)))
    assert explain(decision, POLICY) == (
        "坐席已满，照目前的来电，120秒后预计等待113秒，超过10秒上限，由机器人接听。"
    )


def test_arrivals_that_chance_explains_are_not_held_against_the_seats() -> None:
    """Sixty seats of 180 s get through twenty calls a minute: a hundred in five minutes, ten
    of which more or less are chance."""
    chance = figures(replace(BUSY, arrivals_per_min=22))
    now, outlook = waits(chance, POLICY) or (0, 0)
    assert outlook == now
    now, outlook = waits(chance, POLICY, Mode.SURGE) or (0, 0)
    assert outlook > now, "nor do they end a surge"
    now, outlook = waits(figures(replace(BUSY, arrivals_per_min=23)), POLICY) or (0, 0)
    assert outlook > now


def test_a_forecast_counts_like_arrivals() -> None:
    forecast = figures(BUSY, expected_per_min=60)
    assert go(forecast, ABOUT_TO_SURGE, now=120.0).mode is Mode.SURGE


def test_the_surge_ends_only_after_the_outlook_was_low_for_the_hold_time() -> None:
    state = State(Mode.SURGE, since=0.0)
    for now in (100.0, 219.0):
        state, _ = decide(state, figures(CALM), POLICY, now)
        assert state.mode is Mode.SURGE
    state, decision = decide(state, figures(CALM), POLICY, 220.0)
    assert state == State(Mode.NORMAL, since=220.0)
    assert decision.destination is Destination.LOCAL_SEAT


def test_a_relapse_begins_the_hold_time_anew() -> None:
    state = State(Mode.SURGE)
    state, _ = decide(state, figures(CALM), POLICY, 100.0)
    state, _ = decide(state, figures(BUSY), POLICY, 150.0)
    state, _ = decide(state, figures(CALM), POLICY, 221.0)
    assert state.mode is Mode.SURGE


def test_in_surge_a_seat_is_kept_for_callers_whom_the_bot_hands_over() -> None:
    one = replace(CALM, groups=(SeatGroup(HAIKOU, True, 60, 1),))
    assert go(figures(one), SURGE).destination is Destination.BOT
    assert go(figures(CALM), SURGE).destination is Destination.LOCAL_SEAT


def test_no_room_anywhere_means_the_queue() -> None:
    decision = go(figures(FULL, bot_calls=8))
    assert (decision.destination, decision.reason) == (Destination.QUEUE, Reason.BOT_FULL)


def test_no_room_and_a_long_wait_offer_a_call_back() -> None:
    long = replace(FULL, waiting=200, patience_s=math.inf)
    assert go(figures(long, bot_calls=8)).destination is Destination.CALL_BACK
    assert go(figures(long, bot_calls=8), number_known=False).destination is Destination.QUEUE


def test_nobody_at_the_seats_means_the_bot_and_then_a_call_back() -> None:
    night = SeatFigures((SeatGroup(HAIKOU, True, 0, 0),), arrivals_per_min=1)
    assert go(figures(night)).destination is Destination.BOT
    assert go(figures(night)).wait_s == math.inf
    assert go(figures(night, bot_calls=8)).destination is Destination.CALL_BACK


@pytest.mark.parametrize("at", [figures(None), figures(CALM, seats_age_s=15.1)])
def test_unknown_or_stale_figures_mean_the_bot_as_without_surge_control(at: Figures) -> None:
    decision = go(at)
    assert (decision.destination, decision.reason) == (Destination.BOT, Reason.FIGURES_UNKNOWN)
    assert decision.wait_s is None
    assert go(replace(at, bot_calls=8)).destination is Destination.QUEUE


@pytest.mark.parametrize("mode", Mode)
def test_unknown_figures_change_no_mode(mode: Mode) -> None:
    assert decide(State(mode, 5.0, 7.0), figures(None), POLICY, 500.0)[0] == State(mode, 5.0)


def test_an_urgent_call_uses_the_reserve_whatever_is_ordered() -> None:
    order = Override(Force.SEATS, 100.0, "王班长", "演练")
    crowded = figures(CALM, bot_calls=9, lines_in_use=16)
    decision = go(crowded, kind=Kind.URGENT, override=order)
    assert (decision.destination, decision.reason) == (Destination.BOT, Reason.URGENT)
    assert go(figures(FULL, bot_calls=10), kind=Kind.URGENT).destination is Destination.QUEUE


def test_a_limited_number_goes_to_the_bot_and_waits_for_humans_where_that_is_full() -> None:
    assert go(figures(CALM), kind=Kind.LIMITED).reason is Reason.LIMITED
    assert go(figures(CALM, bot_calls=8), kind=Kind.LIMITED).destination is Destination.QUEUE


def test_a_call_that_cannot_be_given_to_seats_unanswered_is_the_bots() -> None:
    decision = go(figures(CALM), divertible=False)
    assert (decision.destination, decision.reason) == (Destination.BOT, Reason.ENDPOINT)


def test_whom_no_seat_has_answered_the_bot_answers() -> None:
    assert go(figures(CALM), waited=True).reason is Reason.NOBODY_ANSWERED
    assert go(figures(CALM, bot_calls=8), waited=True).destination is Destination.LOCAL_SEAT


def test_a_line_can_be_the_bots_alone() -> None:
    decision = go(figures(CALM), policy=Policy(bot_first=True))
    assert (decision.destination, decision.reason) == (Destination.BOT, Reason.BOT_FIRST)
    full = go(figures(CALM, bot_calls=8), policy=Policy(bot_first=True))
    assert full.destination is Destination.LOCAL_SEAT


def test_a_supervisor_orders_the_bot_seats_or_normal_until_an_hour() -> None:
    def ordered(force: Force, at: Figures, now: float = 0.0) -> Destination:
        order = Override(force, 60.0, "王班长", "台风登陆")
        return go(at, SURGE, now=now, override=order).destination

    assert ordered(Force.BOT, figures(CALM)) is Destination.BOT
    assert ordered(Force.BOT, figures(CALM, bot_calls=8)) is Destination.LOCAL_SEAT
    assert ordered(Force.SEATS, figures(FULL)) is Destination.QUEUE
    assert ordered(Force.SEATS, figures(None)) is Destination.QUEUE
    assert ordered(Force.NORMAL, figures(BUSY)) is Destination.QUEUE
    assert ordered(Force.NORMAL, figures(replace(BUSY, arrivals_per_min=60))) is Destination.QUEUE
    assert ordered(Force.NORMAL, figures(FULL)) is Destination.BOT
    assert ordered(Force.BOT, figures(CALM), now=60.0) is Destination.LOCAL_SEAT


def test_an_order_to_be_normal_ends_the_surge() -> None:
    order = Override(Force.NORMAL, 60.0, "王班长", "雨停了")
    state, decision = decide(SURGE, figures(BUSY), POLICY, 10.0, override=order)
    assert state == State(Mode.NORMAL, 10.0)
    assert decision.override == order


def test_an_order_to_be_normal_forgets_since_when_it_was_crossed() -> None:
    """Else the first call after the order would find a surge that has had its time."""
    crossed = State(Mode.NORMAL, 0.0, crossed_since=5.0)
    assert observe(crossed, math.inf, POLICY, 10.0, Force.NORMAL) == State(Mode.NORMAL, 0.0)


def test_the_expected_wait_follows_the_seats_and_the_callers_patience() -> None:
    assert expected_wait(0, 10, 180, 90) == 0
    assert expected_wait(10, 10, 180, math.inf) == pytest.approx(180)
    assert expected_wait(10, 10, 180, 90) == pytest.approx(90 * math.log(3))
    assert expected_wait(1, 0, 180, 90) == math.inf


def test_limits_that_would_flap_are_refused() -> None:
    with pytest.raises(ValueError, match="leave_wait_s"):
        Policy(enter_wait_s=5, leave_wait_s=5)
