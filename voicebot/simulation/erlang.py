"""Erlang C and Erlang A in closed form: what a simulation is checked by, and staffing.

Calls come at random at a steady rate, each keeps a seat for an exponential time, first
come first served; with Erlang A those who wait give up after an exponential time.
Formulas: Mandelbaum and Zeltyn, "Service Engineering in Action: The Palm/Erlang-A Queue"
(2007); the integrals there are incomplete gamma functions, summed here as a series of
positive terms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_NEGLIGIBLE = 1e-15
_NEVER = 1e-300
_MOST_SEATS = 100_000


@dataclass(frozen=True, slots=True)
class Steady:
    """One queue in its steady state.

    Parameters:
        waits: probability that a call has to wait.
        abandons: probability that it gives up.
        wait_s: mean wait of all calls, those that give up included; inf when there is none.
        queue: mean number waiting.
        occupancy: share of time that a seat is busy.
    """

    waits: float
    abandons: float
    wait_s: float
    queue: float
    occupancy: float


def erlang_b(load: float, seats: int) -> float:
    """Probability that all seats are busy where nobody waits; `load` in erlangs."""
    blocked = 1.0
    for n in range(1, seats + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(per_s: float, service_s: float, seats: int) -> Steady:
    """Endless patience. With no more seats than erlangs the queue grows for ever."""
    load = per_s * service_s
    if load >= seats:
        return Steady(1.0, 0.0, math.inf, math.inf, 1.0)
    blocked = erlang_b(load, seats)
    waits = seats * blocked / (seats - load * (1 - blocked))
    wait_s = waits * service_s / (seats - load)
    return Steady(waits, 0.0, wait_s, per_s * wait_s, load / seats)


def erlang_a(per_s: float, service_s: float, patience_s: float, seats: int) -> Steady:
    """Callers who wait give up after `patience_s` on the mean."""
    if math.isinf(patience_s):
        return erlang_c(per_s, service_s, seats)
    if seats == 0:
        return Steady(1.0, 1.0, patience_s, per_s * patience_s, 0.0)
    queue = _Queue(per_s, service_s, patience_s, seats)
    if math.isinf(queue.whole):
        waits, abandons = 1.0, 1 - seats / (service_s * per_s)
    else:
        waits = queue.tail(0.0) / queue.whole
        abandons = (1 + (per_s - seats / service_s) * queue.tail(0.0) / per_s) / queue.whole
        # The difference of near equals where hardly anybody gives up.
        abandons = max(0.0, abandons)
    wait_s = abandons * patience_s
    return Steady(
        waits, abandons, wait_s, per_s * wait_s, per_s * (1 - abandons) * service_s / seats
    )


def answered_within(
    limit_s: float, per_s: float, service_s: float, patience_s: float, seats: int
) -> float:
    """Share of all calls that a seat answers within `limit_s`."""
    if seats == 0:
        return 0.0
    if per_s == 0:
        return 1.0
    if math.isinf(patience_s):
        steady = erlang_c(per_s, service_s, seats)
        if steady.waits == 1.0:
            return 0.0
        pace = seats / service_s - per_s
        return 1 - steady.waits * math.exp(-pace * limit_s)
    queue = _Queue(per_s, service_s, patience_s, seats)
    through = seats / (service_s * per_s)
    if math.isinf(queue.whole):
        return through if limit_s > -patience_s * math.log(through) else 0.0
    waited = queue.density(limit_s) - 1.0 + through * (queue.tail(0.0) - queue.tail(limit_s))
    return max(0.0, (queue.straight + waited) / queue.whole)


def seats_for(
    share: float, limit_s: float, per_s: float, service_s: float, patience_s: float
) -> int:
    """The fewest seats with which `share` of all calls are answered within `limit_s`."""
    if per_s == 0:
        return 0
    # No more can be answered than the seats get through.
    low = math.ceil(share * per_s * service_s) - 1
    high = low + 1
    while answered_within(limit_s, per_s, service_s, patience_s, high) < share:
        low, high = high, 2 * high + 1
        if high > _MOST_SEATS:
            raise ValueError(f"more than {_MOST_SEATS} seats would be needed")
    while high - low > 1:
        middle = (low + high) // 2
        if answered_within(limit_s, per_s, service_s, patience_s, middle) < share:
            low = middle
        else:
            high = middle
    return high


class _Queue:
    """The offered wait of M/M/c+M: density λ·exp(λH(x) − cμx) ÷ `whole` for x > 0.

    `straight` ÷ `whole` is the probability of no wait. `whole` is inf under an overload
    so heavy that every offered wait is the same, `patience_s`·ln(λ ÷ cμ).
    """

    def __init__(self, per_s: float, service_s: float, patience_s: float, seats: int) -> None:
        self._rate, self._patience = per_s, patience_s
        self._pace = seats / service_s
        # The sum over the states without a queue, relative to the fullest of them.
        blocked = erlang_b(per_s * service_s, seats - 1)
        self.straight = 1.0 / max(blocked, _NEVER)
        self.whole = self.straight + self.tail(0.0)

    def density(self, x: float) -> float:
        """exp(λH(x) − cμx); 1 at 0."""
        held = self._patience * -math.expm1(-x / self._patience)
        return math.exp(self._rate * held - self._pace * x)

    def tail(self, x: float) -> float:
        """λ times the integral of `density` from x on."""
        a = self._pace * self._patience
        y = self._rate * self._patience * math.exp(-x / self._patience)
        term = total = 1.0 / a
        k = 0
        while term > _NEGLIGIBLE * total:
            k += 1
            term *= y / (a + k)
            total += term
        return self._rate * self._patience * self.density(x) * total
