"""Erlang B, C and A against sums over the states of their chains, to thirty digits.

Nothing of the closed forms is used here. Who waits behind q others is served after q + 1 steps,
the i-th at the rate of all seats and of i impatient callers; such a sum is −p·ln(B) with B of
Beta(c·p/s, q + 1), and the caller's own patience outlasts it with probability B.
"""

from __future__ import annotations

import itertools
import math

import mpmath
import pytest
from scipy.special import betainc

from voicebot.simulation.erlang import answered_within, erlang_a, erlang_b, erlang_c

DIGITS = 30
SEATS = (1, 2, 5, 12, 54, 300)
PER_SEAT = (0.3, 0.7, 0.95, 1.0, 1.2, 3.0)
"""Offered load of a seat."""
TIMES = tuple(itertools.product((60.0, 200.0), (30.0, 120.0, 600.0)))
"""Service and patience, seconds."""
LIMITS_S = (0.0, 5.0, 15.0, 60.0)
QUEUES = tuple(itertools.product(SEATS, PER_SEAT, TIMES))
AT_MOST_OFF = 1e-9


def states(per_s: float, service_s: float, patience_s: float, seats: int) -> list[mpmath.mpf]:
    """Probability of n calls there, by the chain's balance, as far as it is not nothing."""
    weight, found, total = mpmath.mpf(1), [mpmath.mpf(1)], mpmath.mpf(1)
    rate, service, patience = map(mpmath.mpf, (per_s, service_s, patience_s))
    n = 0
    while n < seats or weight > mpmath.mpf(10) ** -DIGITS * total:
        n += 1
        weight *= rate / (min(n, seats) / service + max(0, n - seats) / patience)
        found.append(weight)
        total += weight
    return [each / total for each in found]


@pytest.fixture(autouse=True)
def _digits() -> object:
    with mpmath.workdps(DIGITS):
        yield


@pytest.mark.parametrize(("seats", "per_seat", "times"), QUEUES)
def test_erlang_a_is_what_its_states_say(
    seats: int, per_seat: float, times: tuple[float, float]
) -> None:
    service_s, patience_s = times
    per_s = per_seat * seats / service_s
    found = states(per_s, service_s, patience_s, seats)
    queue = mpmath.fsum((n - seats) * share for n, share in enumerate(found) if n > seats)
    busy = mpmath.fsum(min(n, seats) * share for n, share in enumerate(found))
    steady = erlang_a(per_s, service_s, patience_s, seats)
    for ours, theirs in (
        (steady.waits, mpmath.fsum(found[seats:])),
        (steady.queue, queue),
        (steady.wait_s, queue / per_s),
        (steady.abandons, queue / patience_s / per_s),
        (steady.occupancy, busy / seats),
    ):
        assert ours == pytest.approx(float(theirs), rel=AT_MOST_OFF, abs=AT_MOST_OFF)
    at_once = mpmath.fsum(found[:seats])
    alpha = seats * patience_s / service_s
    for limit_s in LIMITS_S:
        behind = range(len(found) - seats)
        x = math.exp(-limit_s / patience_s)
        served = betainc([q + 1.0 for q in behind], alpha + 1, 1 - x)
        within = at_once + mpmath.fsum(
            share * alpha / (alpha + q + 1) * float(part)
            for q, share, part in zip(behind, found[seats:], served, strict=True)
        )
        ours = answered_within(limit_s, per_s, service_s, patience_s, seats)
        assert ours == pytest.approx(float(within), rel=AT_MOST_OFF, abs=AT_MOST_OFF)


@pytest.mark.parametrize(
    ("seats", "per_seat", "service_s"),
    list(itertools.product(SEATS, [each for each in PER_SEAT if each < 1], (60.0, 200.0))),
)
def test_erlang_b_and_c_are_what_their_sums_say(
    seats: int, per_seat: float, service_s: float
) -> None:
    load = mpmath.mpf(per_seat) * seats
    terms = [load**n / mpmath.factorial(n) for n in range(seats + 1)]
    blocked = terms[-1] / mpmath.fsum(terms)
    queued = terms[-1] * seats / (seats - load)
    waits = queued / (mpmath.fsum(terms[:-1]) + queued)
    per_s = per_seat * seats / service_s
    assert erlang_b(float(load), seats) == pytest.approx(float(blocked), rel=AT_MOST_OFF)
    steady = erlang_c(per_s, service_s, seats)
    assert steady.waits == pytest.approx(float(waits), rel=AT_MOST_OFF)
    wait_s = waits * service_s / (seats - load)
    assert steady.wait_s == pytest.approx(float(wait_s), rel=AT_MOST_OFF)
    for limit_s in LIMITS_S:
        late = waits * mpmath.exp(-(seats - load) * limit_s / service_s)
        ours = answered_within(limit_s, per_s, service_s, math.inf, seats)
        assert ours == pytest.approx(float(1 - late), rel=AT_MOST_OFF)
