"""The work that a decode pool has, and what it has room for: arithmetic on what was measured.

Nothing here reads a clock. Seconds of decoding are as they passed on the wall, so a machine that is
busy with something else has less room.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from asr.urgency import Urgency

SHARE = 0.8
"""Of the pool's time that is planned for; near 1 queues grow without bound."""

MEMORY_S = 15.0
"""Seconds over which utilisation is averaged."""

DECODES = 32
"""Decodes over which their cost is averaged."""

CALL_SECONDS = 600.0
"""Seconds of calls over which their demand is averaged: two calls make twice as many a second."""

EVIDENCE_S, EVIDENCE = 60.0, 20
"""Seconds of calls, and finals in them, from which on a demand counts as measured."""

REOPENS = 0.8
"""Of the room there is, that calls must have come down to before one is taken again."""

AHEAD_S = 0.25
"""A final is asked for this long before its turn is over: as soon as silence begins."""

MOST_CALLS = 1000


@dataclass(slots=True)
class Average:
    """Exponential averages of a figure and of its square; plain ones to begin with."""

    count: int = 0
    mean: float = 0.0
    square: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        weight = max(1 / self.count, 1 / DECODES)
        self.mean += weight * (value - self.mean)
        self.square += weight * (value * value - self.square)


@dataclass(slots=True)
class Rate:
    """An amount a second, exponentially averaged over `MEMORY_S`; 0 before the first."""

    amount: float = 0.0
    since: float = 0.0

    def add(self, now: float, amount: float) -> None:
        self.amount = self._left(now) + amount
        self.since = now

    def at(self, now: float) -> float:
        return self._left(now) / MEMORY_S

    def _left(self, now: float) -> float:
        return self.amount * math.exp(-max(0.0, now - self.since) / MEMORY_S)


@dataclass(frozen=True, slots=True)
class Demand:
    """What one call asks of the pool.

    Args:
        finals, partials: decodes a second.
        final_s, partial_s: how long one takes, seconds.
        final_s2, partial_s2: mean squares of the same.
    """

    finals: float
    final_s: float
    final_s2: float
    partials: float
    partial_s: float
    partial_s2: float


def partial_interval(base_s: float, speakers: int, partial_s: float, room: float) -> float:
    """Seconds between two partials of a speaker, so that all together take no more than `room`.

    Args:
        base_s: the interval with nothing else to do; it is never shorter.
        speakers: who are asking for partials.
        partial_s: how long one takes, seconds.
        room: seconds of decoding a second that finals leave.

    Returns:
        Infinity where there is no room.
    """
    wanted = speakers * partial_s
    if wanted <= 0.0:
        return base_s
    return max(base_s, wanted / room) if room > 0.0 else math.inf


def final_p95(demand: Demand, calls: int, workers: float) -> float:
    """Seconds within which 95 of 100 finals are there, counted from when they are asked for.

    A queue with priorities whose decodes are not broken off: the mean wait of the first class is
    R / (1 - load), where R is what is left of the decode at work (Cobham 1954, "Priority
    assignment in waiting line problems"); the wait of those who must wait is taken as exponential,
    its sum with the decode as normal. Each worker is reckoned as a queue of its own with its
    share of the calls, in which they wait longer than in a common one. Partials take what finals
    leave of `SHARE`, at most.

    Returns:
        Infinity where finals alone are too much.
    """
    if not workers:
        return math.inf
    each = calls / workers
    finals = each * demand.finals * demand.final_s
    if finals >= SHARE:
        return math.inf
    wanted = each * demand.partials * demand.partial_s
    kept = min(1.0, (SHARE - finals) / wanted) if wanted > 0.0 else 1.0
    partials = kept * wanted
    rest = demand.finals * demand.final_s2 + kept * demand.partials * demand.partial_s2
    mean = each * rest / 2 / (1 - finals)
    busy = finals + partials
    variance = (2 / busy - 1) * mean**2 if busy > 0.0 else 0.0
    variance += max(0.0, demand.final_s2 - demand.final_s**2)
    return mean + demand.final_s + 1.645 * math.sqrt(variance)


def calls_with_room(demand: Demand, workers: float, within_s: float) -> int:
    """The most calls of which 95 of 100 finals are there `within_s` after the end of the turn."""
    calls = 0
    while calls < MOST_CALLS and final_p95(demand, calls + 1, workers) <= within_s + AHEAD_S:
        calls += 1
    return calls


class PoolLoad:
    """What a pool's decodes have cost.

    Args:
        workers: decodes that it does at a time; a part of one where others take the rest.
    """

    def __init__(self, workers: float) -> None:
        self.workers = workers
        """May change."""
        self._busy = {urgency: Rate() for urgency in Urgency}
        self._decodes = {urgency: Average() for urgency in Urgency}
        self._factors = {urgency: Average() for urgency in Urgency}
        self._calls = 0
        self._since: float | None = None
        self._call_s = 0.0
        self._asked = dict.fromkeys(Urgency, 0.0)
        """Decodes within the last `CALL_SECONDS` of calls, weighted like `_call_s`."""

    def done(self, now: float, urgency: Urgency, seconds: float, audio_s: float) -> None:
        """A decode of `audio_s` of a turn was done in `seconds`."""
        self._busy[urgency].add(now, seconds)
        self._decodes[urgency].add(seconds)
        if audio_s > 0.0:
            self._factors[urgency].add(seconds / audio_s)
        self._pass(now)
        if self._calls:
            self._asked[urgency] += 1.0

    def serving(self, now: float, calls: int) -> None:
        """From now on there are so many calls."""
        self._pass(now)
        self._calls = calls

    def utilisation(self, now: float) -> float:
        """Share of the workers' time that decodes take, 0..1."""
        busy = sum(rate.at(now) for rate in self._busy.values())
        return min(1.0, busy / self.workers) if self.workers else float(busy > 0.0)

    def decode_s(self, urgency: Urgency) -> float:
        """How long a decode takes, seconds; 0 before the first."""
        return self._decodes[urgency].mean

    def real_time_factor(self, urgency: Urgency) -> float:
        """Seconds of decoding a second of the turn; 0 before the first."""
        return self._factors[urgency].mean

    def partial_interval(self, now: float, base_s: float, speakers: int) -> float:
        """Seconds between two partials of each of the `speakers`; may be infinite."""
        urgent = self._busy[Urgency.FINAL].at(now) + self._busy[Urgency.SENTINEL].at(now)
        room = SHARE * self.workers - urgent
        return partial_interval(base_s, speakers, self.decode_s(Urgency.PARTIAL), room)

    def demand(self) -> Demand | None:
        """What one call asks; None while too little was measured to say."""
        final = self._decodes[Urgency.FINAL]
        if self._call_s < EVIDENCE_S or final.count < EVIDENCE:
            return None
        early = (Urgency.SENTINEL, Urgency.PARTIAL)
        finals, partials = self._asked[Urgency.FINAL], [self._asked[each] for each in early]
        count = sum(partials)
        kinds = [self._decodes[urgency] for urgency in early]
        shares = [part / count if count else 0.0 for part in partials]
        return Demand(
            finals / self._call_s,
            final.mean,
            final.square,
            count / self._call_s,
            sum(share * kind.mean for share, kind in zip(shares, kinds, strict=True)),
            sum(share * kind.square for share, kind in zip(shares, kinds, strict=True)),
        )

    def room(self, within_s: float) -> int | None:
        """How many calls there is room for; None while too little was measured to say."""
        demand = self.demand()
        return None if demand is None else calls_with_room(demand, self.workers, within_s)

    def _pass(self, now: float) -> None:
        """Calls have gone on since the last look."""
        passed = self._calls * (now - self._since) if self._since is not None else 0.0
        self._since = now
        left = math.exp(-passed / CALL_SECONDS)
        self._call_s = self._call_s * left + passed
        self._asked = {urgency: count * left for urgency, count in self._asked.items()}


class Gate:
    """Whether another call is taken. It does not flutter: once there was no room, calls must come
    down to `REOPENS` of it first."""

    def __init__(self) -> None:
        self._closed = False

    def takes_another(self, calls: int, room: int | None) -> bool:
        """There are `calls`, and room for `room`; None is not known."""
        if room is None:
            limit = MOST_CALLS
        else:
            limit = max(min(1, room), math.floor(REOPENS * room)) if self._closed else room
        self._closed = calls >= limit
        return not self._closed
