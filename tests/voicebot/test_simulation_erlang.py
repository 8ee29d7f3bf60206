"""Erlang C and A against published tables, and the simulator against Erlang A."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voicebot.simulated_days import compared, days_for, simulated, steady
from voicebot.simulation.erlang import answered_within, erlang_a, erlang_b, erlang_c, seats_for


def test_erlang_c_gives_the_published_example() -> None:
    """Westbay's and Mitan's worked example: 360 calls of 4 min each half-hour, 55 agents.

    www.mitan.co.uk/erlang/elgcmath.htm (archived 2018-12-09): occupancy 87.3 %, probability
    of waiting 23.9 %, average speed of answer 8.2 s, 84.5 % answered within 15 s (from
    figures rounded on the way; 84.6 % without).
    """
    steady = erlang_c(per_s=0.2, service_s=240, seats=55)
    assert steady.occupancy == pytest.approx(0.873, abs=0.0005)
    assert steady.waits == pytest.approx(0.239, abs=0.0005)
    assert steady.wait_s == pytest.approx(8.2, abs=0.05)
    assert answered_within(15, 0.2, 240, math.inf, 55) == pytest.approx(0.845, abs=0.001)


def test_erlang_a_gives_the_published_table() -> None:
    """Garnett, Mandelbaum and Reiman, "Designing a Call Center with Impatient Customers"
    (M&SOM 4(3), 2002), table 1: 50 agents, 48 calls/min, service 1 min, patience 2 min.
    """
    endless = erlang_c(0.8, 60, 50)
    impatient = erlang_a(0.8, 60, 120, 50)
    assert (endless.wait_s, endless.queue) == (
        pytest.approx(20.8, abs=0.05),
        pytest.approx(17, abs=0.5),
    )
    assert endless.occupancy == pytest.approx(0.96)
    assert impatient.abandons == pytest.approx(0.031, abs=0.0005)
    assert impatient.wait_s == pytest.approx(3.7, abs=0.05)
    assert impatient.queue == pytest.approx(3, abs=0.05)
    assert impatient.occupancy == pytest.approx(0.93, abs=0.005)


@pytest.mark.parametrize(("load", "seats", "blocked"), [(10, 10, 0.2146), (20, 30, 0.0085)])
def test_erlang_b_gives_the_published_table(load: float, seats: int, blocked: float) -> None:
    """ITU-D, Teletraffic Engineering Handbook, table of Erlang's B-formula."""
    assert erlang_b(load, seats) == pytest.approx(blocked, abs=0.00005)


def test_no_seats_answer_nobody_and_no_calls_need_no_seats() -> None:
    assert erlang_a(0.1, 60, 120, 0).abandons == 1.0
    assert answered_within(15, 0.1, 60, 120, 0) == 0.0
    assert seats_for(0.95, 15, 0.0, 180, 120) == 0


def test_an_overload_beyond_all_numbers_is_what_flows_through() -> None:
    steady = erlang_a(per_s=80, service_s=180, patience_s=120, seats=50)
    assert steady.abandons == pytest.approx(1 - 50 / (80 * 180))
    assert answered_within(15, 80, 180, 120, 50) == 0.0


queues = st.tuples(st.floats(0.001, 3), st.floats(10, 600), st.floats(10, 600), st.integers(1, 200))


@given(queues)
def test_erlang_a_is_the_stationary_state_of_its_chain(
    queue: tuple[float, float, float, int],
) -> None:
    """Against the chain's balance equations, solved state by state."""
    per_s, service_s, patience_s, seats = queue
    weights, waiting, n = [0.0], [0.0], 0
    while weights[-1] > max(weights) - 60 or n < seats:
        n += 1
        leaving = min(n, seats) / service_s + max(0, n - seats) / patience_s
        weights.append(weights[-1] + math.log(per_s / leaving))
        waiting.append(max(0, n - seats))
    top = max(weights)
    states = [math.exp(weight - top) for weight in weights]
    mean = sum(map(float.__mul__, states, map(float, waiting))) / sum(states)
    steady = erlang_a(per_s, service_s, patience_s, seats)
    assert steady.queue == pytest.approx(mean, rel=1e-6, abs=1e-9)
    assert steady.waits == pytest.approx(sum(states[seats:]) / sum(states), rel=1e-6, abs=1e-9)


@given(queues, st.floats(0.5, 0.99), st.floats(1, 60))
def test_seats_for_are_enough_and_one_less_is_not(
    queue: tuple[float, float, float, int], share: float, limit_s: float
) -> None:
    per_s, service_s, patience_s, _ = queue
    seats = seats_for(share, limit_s, per_s, service_s, patience_s)
    assert answered_within(limit_s, per_s, service_s, patience_s, seats) >= share
    assert answered_within(limit_s, per_s, service_s, patience_s, seats - 1) < share


@pytest.mark.parametrize(("per_min", "seats", "patience_s"), [(10, 9, 60), (5, 6, 30), (8, 8, 240)])
def test_the_simulator_is_within_two_per_cent_of_erlang_a(
    per_min: int, seats: int, patience_s: float
) -> None:
    """Small queues forget soon, so that 400,000 calls tell; benchmarks/simulation.py has more."""
    seen = simulated(steady(per_min, seats, 60, patience_s), days_for(400_000, per_min))
    assert compared(seen, seats, 60, patience_s).worst < 0.02
