"""How often partials may be asked for, and how many calls there is room for."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asr.decode_queue import DecodeQueue, Request
from asr.pool_load import (
    AHEAD_S,
    EVIDENCE,
    SHARE,
    Demand,
    Gate,
    PoolLoad,
    calls_with_room,
    final_p95,
    partial_interval,
)
from asr.urgency import Urgency

FINAL, SENTINEL, PARTIAL, SPARE = Urgency

seconds = st.floats(0.01, 3.0)
rates = st.just(0.0) | st.floats(0.001, 0.5)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    final, partial = draw(seconds), draw(seconds)
    spread = st.floats(1.0, 3.0)
    return Demand(
        draw(rates), final, final**2 * draw(spread), draw(rates), partial,
        partial**2 * draw(spread),
    )  # fmt: skip


# ── partials ──────────────────────────────────────────────────────────────────────


@given(seconds, st.integers(0, 50), st.floats(0.0, 3.0), st.floats(-1.0, 8.0))
def test_partials_never_take_more_than_finals_leave_and_never_come_sooner_than_set(
    base: float, speakers: int, partial: float, room: float
) -> None:
    interval = partial_interval(base, speakers, partial, room)
    assert interval >= base
    assert speakers * partial / interval <= max(room, 0.0) + 1e-9


def test_without_load_the_interval_is_the_one_that_was_set() -> None:
    assert PoolLoad(1).partial_interval(100.0, 0.9, 5) == 0.9
    assert partial_interval(0.9, 1, 0.3, SHARE) == 0.9
    assert partial_interval(0.9, 8, 0.3, SHARE) == pytest.approx(3.0)


def busy_pool(urgency: Urgency, share: float, workers: int = 1) -> PoolLoad:
    """One that has done decodes of `urgency` for `share` of a worker's time, and few partials."""
    load = PoolLoad(workers)
    load.done(0.0, PARTIAL, 0.3, 1.0)
    for at in range(1, 121):
        load.done(float(at), urgency, share, 1.0)
    return load


@pytest.mark.parametrize("urgency", [FINAL, SENTINEL])
def test_the_more_urgent_decodes_take_the_rarer_partials_become(urgency: Urgency) -> None:
    intervals = [
        busy_pool(urgency, share).partial_interval(120.0, 0.9, 4) for share in (0.1, 0.4, 0.6, 0.9)
    ]
    assert intervals == sorted(intervals)
    assert intervals[-1] == math.inf
    assert busy_pool(urgency, 0.9, workers=4).partial_interval(120.0, 0.9, 4) == 0.9


def test_load_is_forgotten_when_it_is_over() -> None:
    load = busy_pool(FINAL, 0.9)
    assert load.utilisation(120.0) == pytest.approx(0.9, abs=0.05)
    assert load.utilisation(240.0) < 0.01
    assert load.partial_interval(240.0, 0.9, 2) == 0.9


def test_what_a_decode_takes_is_an_average_of_the_last_ones() -> None:
    load = PoolLoad(1)
    load.done(0.0, FINAL, 0.4, 4.0)
    assert load.decode_s(FINAL) == pytest.approx(0.4)
    assert load.real_time_factor(FINAL) == pytest.approx(0.1)
    for at in range(200):
        load.done(float(at), FINAL, 0.8, 4.0)
    assert load.real_time_factor(FINAL) == pytest.approx(0.2, rel=0.01)
    assert load.decode_s(PARTIAL) == 0.0


# ── calls ─────────────────────────────────────────────────────────────────────────


@given(demands(), st.integers(1, 60), st.integers(1, 8))
def test_finals_never_come_sooner_because_there_are_more_calls(
    demand: Demand, calls: int, workers: int
) -> None:
    # Where a partial takes longer than a final, fewer partials may well make finals sooner.
    assume(demand.partial_s2 / demand.partial_s <= demand.final_s2 / demand.final_s)
    assert final_p95(demand, calls, workers) <= final_p95(demand, calls + 1, workers) + 1e-9


@given(demands(), st.floats(0.2, 3.0), st.integers(1, 4))
def test_there_is_room_for_exactly_the_calls_whose_finals_come_in_time(
    demand: Demand, within: float, workers: int
) -> None:
    assume(demand.partial_s2 / demand.partial_s <= demand.final_s2 / demand.final_s)
    room = calls_with_room(demand, workers, within)
    assert room == 0 or final_p95(demand, room, workers) <= within + AHEAD_S
    assert room == 1000 or final_p95(demand, room + 1, workers) > within + AHEAD_S
    assert room <= calls_with_room(demand, workers + 1, within)
    slower = replace(
        demand, final_s=2 * demand.final_s, final_s2=4 * demand.final_s2,
        partial_s=2 * demand.partial_s, partial_s2=4 * demand.partial_s2,
    )  # fmt: skip
    assert calls_with_room(slower, workers, within) <= room


def test_nothing_is_said_of_room_before_enough_was_measured() -> None:
    load = PoolLoad(1)
    load.serving(0.0, 2)
    for number in range(EVIDENCE - 1):
        load.done(10.0 * number, FINAL, 0.4, 4.0)
    assert load.room(1.0) is None
    load.done(200.0, FINAL, 0.4, 4.0)
    assert load.room(1.0) is not None


def test_the_demand_is_per_call_and_remembered_while_there_is_none() -> None:
    load = PoolLoad(1)
    load.serving(0.0, 2)
    for number in range(1, 101):
        load.done(5.0 * number, FINAL, 0.4, 4.0)
    demand = load.demand()
    assert demand is not None
    assert demand.finals == pytest.approx(0.1, rel=0.05)
    load.serving(500.0, 0)
    load.serving(50_000.0, 1)
    assert load.demand() == demand


def test_spare_partials_are_no_demand_of_calls() -> None:
    with_spare, without = PoolLoad(1), PoolLoad(1)
    for load in (with_spare, without):
        load.serving(0.0, 2)
    for number in range(1, 101):
        for load in (with_spare, without):
            load.done(5.0 * number, FINAL, 0.4, 4.0)
        with_spare.done(5.0 * number, SPARE, 0.4, 4.0)
    assert with_spare.demand() == without.demand()
    assert with_spare.partial_interval(500.0, 0.9, 4) == without.partial_interval(500.0, 0.9, 4)


@given(st.lists(st.tuples(st.booleans(), st.one_of(st.none(), st.integers(1, 12))), max_size=60))
def test_no_call_is_taken_beyond_the_room_and_the_first_always_is(
    steps: list[tuple[bool, int | None]],
) -> None:
    gate, calls = Gate(), 0
    for ends, room in steps:
        calls = max(0, calls - ends)
        taken = gate.takes_another(calls, room)
        if room is None or calls == 0:
            assert taken
        elif taken:
            assert calls < room
        calls += taken


def test_once_full_calls_must_end_before_another_is_taken() -> None:
    gate = Gate()
    assert gate.takes_another(9, 10)
    assert not gate.takes_another(10, 10)
    assert not gate.takes_another(9, 10)
    assert not gate.takes_another(8, 10)
    assert gate.takes_another(7, 10)
    assert gate.takes_another(9, 10)


# ── the same against a queue at work ──────────────────────────────────────────────


@dataclass(frozen=True)
class Caller:
    """Seconds of a turn, of the bot's answer after it, of a decode; figures of one core."""

    turn_s: float = 3.5
    answer_s: float = 8.0
    final_s: float = 0.45
    partial_s: float = 0.3
    base_s: float = 0.9


CALLER = Caller()


def served(calls: int, hours: float = 1.0) -> tuple[float, PoolLoad]:
    """One worker and so many callers, in seconds of their own: 95 of 100 finals came within."""
    chance, load = Random(calls), PoolLoad(1)
    queue: DecodeQueue[float] = DecodeQueue()
    load.serving(0.0, calls)
    events = [(chance.uniform(0, 12), caller, "speak") for caller in range(calls)]
    heapq.heapify(events)
    turn_ends, finals = [0.0] * calls, []
    free_at, now, end = 0.0, 0.0, hours * 3600
    while now < end:
        now, caller, kind = heapq.heappop(events)
        speaking = sum(ends > now for ends in turn_ends)
        interval = load.partial_interval(now, CALLER.base_s, speaking)
        if kind == "speak":
            turn_ends[caller] = now + chance.expovariate(1 / CALLER.turn_s) + 0.5
            heapq.heappush(events, (turn_ends[caller], caller, "final"))
            kind = "wait"
        elif kind == "partial" and turn_ends[caller] > now:
            queue.put(Request(caller, PARTIAL, now, 0.0))
            kind = "wait"
        elif kind == "final":
            queue.put(Request(caller, FINAL, now, now))
            wait = chance.expovariate(1 / CALLER.answer_s) + 1.0
            heapq.heappush(events, (now + wait, caller, "speak"))
        if kind == "wait" and now + interval < turn_ends[caller]:
            heapq.heappush(events, (now + interval, caller, "partial"))
        if now >= free_at and (request := queue.take()) is not None:
            final = request.urgency is FINAL
            takes = (CALLER.final_s if final else CALLER.partial_s) * chance.uniform(0.6, 1.4)
            free_at = now + takes
            load.done(free_at, request.urgency, takes, 1.0)
            finals += [free_at - request.work] if final else []
            heapq.heappush(events, (free_at, -1, "free"))
    return sorted(finals)[int(0.95 * len(finals))], load


@pytest.mark.parametrize("within", [1.0, 1.5])
def test_as_many_calls_as_there_is_room_for_have_their_finals_in_time(within: float) -> None:
    _, measured = served(4)
    room = measured.room(within)
    assert room is not None
    assert room >= 4
    at_most, at_room = served(room)
    assert at_most <= within + AHEAD_S
    # It says the same when it is full, so the gate does not drift.
    assert at_room.room(within) == pytest.approx(room, abs=2)
    # Nor is much given away: with half as many again it would be too late.
    assert served(math.ceil(1.5 * room))[0] > within + AHEAD_S
