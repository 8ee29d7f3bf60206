"""The lines to 110 and to seats, and who waits for one: the riskiest gets the next. Pure.

One list for all running calls of a process. Who calls a number of which a line is free is let
through; who finds it full waits in the list while the rest of the chain (the province's 110,
neighbours, a seat) is tried. A line that is free goes to the most urgent caller who wants it.

How many lines a number has may be known (`lines`). Where it is not, a busy signal is all there is
to go by: after `PROBE_S` the most urgent of those for whom nothing rings tries it, and nobody else.

Where processes share the lines of a number, their database gives them out (`hold`, `keep`), and
this list alone while that does not answer.

No clock: `at` is seconds of any one clock, the same for all calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from flows.routes import SEAT
from flows.waiting_risk import Risk, precedence

PROBE_S = 3.0
"""How long a number that was busy is left in peace."""

RESERVED_S = 3.0
"""How long a line is kept for the caller to whom it was given."""

STALE_S = 60.0
"""A call that has not been heard of for so long is not waited for."""

NO_RISK = Risk()
NOWHERE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Claim:
    """What one call has and wants (`flows.waiting.claim`).

    Parameters:
        using: the number whose line it has or is dialling; None: none.
        wants: numbers that are full and that it would rather have, the best first.
        idle: nothing rings for it.
        since: when it began to wait.
    """

    handoff: str
    using: str | None = None
    wants: tuple[str, ...] = ()
    idle: bool = True
    risk: Risk = NO_RISK
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Grant:
    """A line for one caller.

    Parameters:
        sure: a line is free, and not only worth a try.
    """

    call: str
    handoff: str
    destination: str
    sure: bool
    risk: Risk
    waited_s: float


@dataclass(frozen=True, slots=True)
class Wish:
    """A caller who waits for a line to one number, as `Claim` and `Risk` have it."""

    call: str
    destination: str
    score: float
    waited_s: float
    idle: bool


@dataclass(slots=True)
class _Number:
    """One number of the duty directory, as far as our calls are concerned."""

    doubtful: bool = False
    """It was busy although a line of ours was free, or nobody knows how many there are."""
    freed: int = 0
    """Calls of ours that have left it since."""
    quiet_until: float = float("-inf")
    """Nobody tries it before."""


@dataclass(slots=True)
class WaitingList:
    """Who has a line and who waits for one.

    Parameters:
        lines: how many lines of ours each number has, where that is known.
    """

    lines: Mapping[str, int] = field(default_factory=dict)
    _held: dict[str, str] = field(default_factory=dict)
    """Call → number whose line it has."""
    _reserved: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Call → number that was given to it, and until when it is kept."""
    _claims: dict[str, tuple[Claim, float]] = field(default_factory=dict)
    """Call → what it wants, and when it last said so."""
    _numbers: dict[str, _Number] = field(default_factory=dict)
    _in_use: Counter[str] = field(default_factory=Counter)
    """Number → how many of its lines are held or reserved."""

    def take(self, call: str, destination: str, at: float) -> bool:
        """Whether this call may dial the number now; the line is its own then."""
        mine = self._keep_no_more(call) == destination
        self._let_go(call)
        if not mine and not self._open(call, destination, at):
            return False
        self._hold(call, destination)
        return True

    def hold(self, call: str, destination: str) -> None:
        """A line that was given out elsewhere is this call's, and no other."""
        self.let_go(call)
        self._hold(call, destination)

    def let_go(self, call: str) -> None:
        """The call has no line, and none is kept for it."""
        self._keep_no_more(call)
        self._let_go(call)

    def renew(self, call: str, claim: Claim | None, at: float) -> None:
        """The newest claim of a call; None: it has no hand-off to 110 any more."""
        if claim is None:
            self._claims.pop(call, None)
            self.let_go(call)
            return
        if self._held.get(call) not in (None, claim.using):
            self._let_go(call)
        given = self._reserved.get(call)
        if given is not None and given[0] not in claim.wants:
            self._keep_no_more(call)
        self._claims[call] = (claim, at)

    def busy(self, call: str, destination: str, at: float) -> None:
        """A number that the call had from this list is busy, or nobody there answers."""
        if self._held.get(call) != destination:
            return
        del self._held[call]
        self._in_use[destination] -= 1
        number = self._number(destination)
        number.doubtful, number.freed, number.quiet_until = True, 0, at + PROBE_S

    def reached(self, call: str, destination: str, *, answered: bool) -> None:
        """The call's line rings, or has been answered: the number is not full."""
        if self._held.get(call) != destination:
            return
        number = self._number(destination)
        number.quiet_until = float("-inf")
        if number.doubtful and answered:
            number.freed = max(number.freed, 1)

    def grants(
        self, at: float, but: Collection[str] = (), elsewhere: Mapping[str, int] = NOWHERE
    ) -> tuple[Grant, ...]:
        """Lines given out now, to the most urgent first; each is kept for a moment.

        Parameters:
            but: numbers whose lines are given out elsewhere (`keep`).
            elsewhere: how many lines of each number calls have of which this list does not know.
        """
        self._forget(at)
        wanted = {each for claim, _ in self._claims.values() for each in claim.wants}
        wanted.difference_update(but)
        possible = {each for each in wanted if self._worth_a_try(each, at) or self._sure(each)}
        given = []
        for call, claim in self._in_order(at) if possible else ():
            if call in self._reserved:
                continue
            for destination in claim.wants:
                if destination not in possible or not self._room(destination, elsewhere):
                    continue
                sure = self._sure(destination)
                if not (sure or (claim.idle and self._worth_a_try(destination, at))):
                    continue
                self._keep(call, destination, at)
                self._tried(destination, at)
                waited = at - claim.since
                given.append(Grant(call, claim.handoff, destination, sure, claim.risk, waited))
                break
        return tuple(given)

    def keep(self, call: str, destination: str, at: float, *, sure: bool) -> Grant | None:
        """A line that was given out elsewhere is kept for the call; None: it wants it no more."""
        claim, _ = self._claims.get(call, (None, 0.0))
        if claim is None or destination not in claim.wants or call in self._reserved:
            return None
        self._keep(call, destination, at)
        return Grant(call, claim.handoff, destination, sure, claim.risk, at - claim.since)

    @property
    def taken(self) -> frozenset[tuple[str, str]]:
        """(call, number) of the lines that are held or kept."""
        kept = {(call, destination) for call, (destination, _) in self._reserved.items()}
        return frozenset(kept.union(self._held.items()))

    def wishes(self, at: float, numbers: Collection[str]) -> tuple[Wish, ...]:
        """Who waits for a line to one of these numbers and has none kept for it: the most urgent
        first, and of each call the number that it would rather have.
        """
        return tuple(
            Wish(call, number, claim.risk.score, max(0.0, at - claim.since), claim.idle)
            for call, claim in self._in_order(at)
            if call not in self._reserved
            for number in claim.wants
            if number in numbers
        )

    def waiting(self, at: float) -> tuple[tuple[str, Claim], ...]:
        """Call and claim of all who wait, the most urgent first."""
        return tuple(self._in_order(at))

    def in_use(self, destination: str) -> int:
        """Lines of the number that our calls have, or that are kept for them."""
        return self._in_use[destination]

    def _in_order(self, at: float) -> list[tuple[str, Claim]]:
        waiting = [(call, claim) for call, (claim, _) in self._claims.items() if claim.wants]
        return sorted(
            waiting,
            key=lambda each: precedence(each[1].risk.score, at - each[1].since, each[0]),
        )

    def _open(self, call: str, destination: str, at: float) -> bool:
        """Whether a call to which no line was given may dial the number."""
        if destination == SEAT and destination not in self.lines:
            return True  # ordinary callers dial seats without asking: danger must not be shut out
        self._forget(at)
        if not self._room(destination) or at < self._number(destination).quiet_until:
            return False
        sure = self._sure(destination)
        return not any(
            destination in claim.wants and (sure or claim.idle)
            for other, (claim, _) in self._claims.items()
            if other != call and other not in self._reserved
        )

    def _room(self, destination: str, elsewhere: Mapping[str, int] = NOWHERE) -> bool:
        limit = self.lines.get(destination)
        return limit is None or self.in_use(destination) + elsewhere.get(destination, 0) < limit

    def _sure(self, destination: str) -> bool:
        """A line is free for all that is known."""
        number = self._number(destination)
        known = destination in self.lines and not number.doubtful
        return (known or number.freed > 0) and self._room(destination)

    def _worth_a_try(self, destination: str, at: float) -> bool:
        return self._room(destination) and at >= self._number(destination).quiet_until

    def _tried(self, destination: str, at: float) -> None:
        number = self._number(destination)
        if number.doubtful:
            number.freed, number.quiet_until = max(0, number.freed - 1), at + PROBE_S

    def _hold(self, call: str, destination: str) -> None:
        self._held[call] = destination
        self._in_use[destination] += 1

    def _let_go(self, call: str) -> None:
        destination = self._held.pop(call, None)
        if destination is None:
            return
        self._in_use[destination] -= 1
        if self._number(destination).doubtful:
            self._number(destination).freed += 1

    def _keep(self, call: str, destination: str, at: float) -> None:
        self._reserved[call] = (destination, at + RESERVED_S)
        self._in_use[destination] += 1

    def _keep_no_more(self, call: str) -> str | None:
        """The number of which a line was kept for the call."""
        destination, _ = self._reserved.pop(call, (None, 0.0))
        if destination is not None:
            self._in_use[destination] -= 1
        return destination

    def _forget(self, at: float) -> None:
        for call in [c for c, (_, until) in self._reserved.items() if at >= until]:
            self._keep_no_more(call)
        for call in [c for c, (_, seen) in self._claims.items() if at - seen > STALE_S]:
            del self._claims[call]

    def _number(self, destination: str) -> _Number:
        return self._numbers.setdefault(destination, _Number())
