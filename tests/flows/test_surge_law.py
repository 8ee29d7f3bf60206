"""What holds for the surge law whatever the figures are (R9, R22)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from flows.surge import (
    Destination,
    Figures,
    Force,
    Kind,
    Mode,
    Override,
    Policy,
    SeatFigures,
    SeatGroup,
    State,
    decide,
)
from flows.surge_wording import explain

D = Destination
SEATS = (D.LOCAL_SEAT, D.REMOTE_SEAT)
HUMAN_FIRST = list(D)
"""The most human first, while the bot has the same room."""


@st.composite
def groups(draw: st.DrawFn) -> tuple[SeatGroup, ...]:
    found = []
    for region, local in (("460100", True), ("460200", False), ("460300", False)):
        staffed = draw(st.integers(0, 40))
        found.append(SeatGroup(region, local, staffed, draw(st.integers(0, staffed))))
    return tuple(found)


seat_figures = st.builds(
    SeatFigures,
    groups(),
    waiting=st.integers(0, 500),
    oldest_wait_s=st.floats(0, 3600),
    arrivals_per_min=st.floats(0, 200),
    service_s=st.floats(1, 1800),
    patience_s=st.floats(1, 3600) | st.just(float("inf")),
)
figures = st.builds(
    Figures,
    bot_calls=st.integers(0, 50),
    bot_room=st.integers(0, 50),
    lines=st.integers(0, 60),
    lines_in_use=st.integers(0, 60),
    seats=st.none() | seat_figures,
    seats_age_s=st.floats(0, 60),
    expected_per_min=st.floats(0, 200),
)
policies = st.builds(
    Policy,
    enter_wait_s=st.floats(10, 60),
    leave_wait_s=st.floats(0, 9),
    hold_s=st.floats(0, 600),
    reserve=st.integers(0, 5),
    seat_reserve=st.integers(0, 5),
    remote=st.booleans(),
    call_back=st.booleans(),
    bot_first=st.booleans(),
)
states = st.builds(State, st.sampled_from(Mode), st.just(0.0), st.sampled_from([None, 0.0, 90.0]))
overrides = st.none() | st.builds(
    Override, st.sampled_from(Force), st.just(200.0), st.just("王班长"), st.just("演练")
)


@given(states, figures, policies, st.sampled_from([Kind.ORDINARY, Kind.LIMITED]), overrides)
def test_no_ordinary_call_takes_what_is_kept_for_hand_offs(
    state: State, at: Figures, policy: Policy, kind: Kind, order: Override | None
) -> None:
    _, decision = decide(state, at, policy, 100.0, kind=kind, override=order)
    spare = at.lines - at.lines_in_use
    if decision.destination in (D.BOT, D.REMOTE_SEAT):
        assert spare > policy.reserve
    if decision.destination is D.BOT:
        assert at.bot_calls < at.bot_room


@given(states, figures, policies, st.sampled_from(Kind), st.booleans(), overrides)
def test_every_call_gets_somewhere_and_the_desk_is_told_why(
    state: State, at: Figures, policy: Policy, kind: Kind, known: bool, order: Override | None
) -> None:
    _, decision = decide(state, at, policy, 100.0, kind=kind, number_known=known, override=order)
    assert explain(decision, policy).endswith("。")
    if decision.destination in SEATS:
        assert decision.region
    no_seat = at.seats is None or not any(group.free for group in at.seats.groups)
    if no_seat and at.bot_calls >= at.bot_room + policy.reserve:
        assert decision.destination in (D.QUEUE, D.CALL_BACK)
    if decision.destination is D.CALL_BACK:
        assert (known, kind, policy.call_back) == (True, Kind.ORDINARY, True)


@given(figures, policies)
def test_a_free_local_seat_is_used_in_normal_mode(at: Figures, policy: Policy) -> None:
    policy = replace(policy, bot_first=False)
    _, decision = decide(State(), at, policy, 100.0)
    fresh = at.seats is not None and at.seats_age_s <= policy.stale_after_s
    if decision.mode is Mode.NORMAL and fresh and at.seats is not None:
        free = sum(group.free for group in at.seats.groups if group.local)
        if free > at.seats.waiting:
            assert decision.destination is D.LOCAL_SEAT


@given(
    states,
    figures,
    policies,
    overrides,
    st.integers(0, 50),
    st.floats(0, 600),
    st.floats(0, 100),
    st.integers(0, 40),
    st.floats(1, 3),
)
def test_more_load_never_yields_a_more_human_destination(
    state: State,
    at: Figures,
    policy: Policy,
    order: Override | None,
    waiting: int,
    oldest: float,
    arrivals: float,
    taken: int,
    slower: float,
) -> None:
    if at.seats is None:
        return
    seats = at.seats
    heavier = replace(
        seats,
        groups=tuple(replace(group, free=max(0, group.free - taken)) for group in seats.groups),
        waiting=seats.waiting + waiting,
        oldest_wait_s=seats.oldest_wait_s + oldest,
        arrivals_per_min=seats.arrivals_per_min + arrivals,
        service_s=seats.service_s * slower,
    )
    after, before = (
        decide(state, replace(at, seats=each), policy, 100.0, override=order)
        for each in (heavier, seats)
    )
    assert HUMAN_FIRST.index(after[1].destination) >= HUMAN_FIRST.index(before[1].destination)
    assert (after[0].mode is Mode.SURGE) >= (before[0].mode is Mode.SURGE)


@given(figures, policies, states, st.integers(0, 50), st.integers(0, 60))
def test_a_busier_bot_or_fewer_lines_give_nobody_a_seat(
    at: Figures, policy: Policy, state: State, calls: int, lines: int
) -> None:
    """Seats go by the seats: only with the bot first may a full bot send callers to them."""
    policy = replace(policy, bot_first=False)
    fuller = replace(at, bot_calls=at.bot_calls + calls, lines_in_use=at.lines_in_use + lines)
    before = decide(state, at, policy, 100.0)[1].destination
    after = decide(state, fuller, policy, 100.0)[1].destination
    if before not in SEATS:
        assert after not in SEATS


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 80)), max_size=200))
def test_whatever_comes_the_mode_changes_at_most_once_in_a_hold_time(
    arrivals: list[tuple[float, int]],
) -> None:
    policy, state, now, changes = Policy(), State(), 0.0, 0
    for gap, waiting in arrivals:
        now += gap
        seats = SeatFigures((SeatGroup("460100", True, 30, 0 if waiting else 3),), waiting)
        new, _ = decide(state, Figures(0, 8, 16, 0, seats), policy, now)
        changes += new.mode is not state.mode
        state = new
    assert changes <= now // policy.hold_s


@given(st.lists(st.integers(1, 2), max_size=200), st.sampled_from(Mode))
def test_noise_between_the_limits_changes_no_mode(waiting: list[int], mode: Mode) -> None:
    state, start = State(mode), State(mode)
    for now, length in enumerate(waiting):
        seats = SeatFigures((SeatGroup("460100", True, 60, 0),), length)
        state, decision = decide(state, Figures(0, 8, 16, 0, seats), Policy(), now * 60.0)
        assert Policy().leave_wait_s < (decision.outlook_s or 0) < Policy().enter_wait_s
    assert state == start
