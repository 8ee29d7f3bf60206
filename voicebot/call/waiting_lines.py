"""The list of those who wait for a line (`flows.waiting_list`), shared by the calls of a service.

Each call tells it what it has and wants after every event, and is told of a line that is free.
Lines that several nodes share are given out by their database (`voicebot.cluster.shared_lines`);
the list knows of each, and decides alone while that does not answer. Should the list itself fail,
every call dials as if there were none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

import structlog

from flows.events import LegState, TransferProgress
from flows.state import State
from flows.waiting import LINES_FULL, claim
from flows.waiting_list import Claim, Grant, WaitingList, Wish
from voicebot.cluster.nodes import WaitingCaller, waiting_first

log = structlog.get_logger()

EVERY_S = 0.25
"""How often free lines are given out, at least."""


class Shared(Protocol):
    """Lines that other nodes have and want as well (`voicebot.cluster.shared_lines`)."""

    @property
    def numbers(self) -> Collection[str]: ...
    @property
    def in_touch(self) -> bool: ...
    def elsewhere(self, at: float) -> Mapping[str, int]: ...
    def alone(self) -> None: ...
    async def take(self, call: str, destination: str) -> bool | None: ...
    def give_back(self) -> None: ...
    def busy(self, call: str, destination: str) -> None: ...
    def reached(self, call: str, destination: str, *, answered: bool) -> None: ...
    def look(self, at: float) -> None: ...


class WaitingLines:
    """One list for all calls of a service; every `at` is of one monotonic clock, in seconds.

    Parameters:
        lines: how many lines each number of the duty directory has, where that is known.
        others: who waits at other nodes, as `waiting` lists them.
        shared: the lines that they share with this one.
    """

    def __init__(
        self,
        lines: Mapping[str, int] | None = None,
        others: Callable[[], Iterable[WaitingCaller]] = tuple,
        shared: Shared | None = None,
    ) -> None:
        self._list = WaitingList(dict(lines or {}))
        self._others, self._shared = others, shared
        self._numbers = frozenset(shared.numbers if shared is not None else ())
        self._calls: dict[str, CallLines] = {}
        self._dealt_at = float("-inf")

    def of_call(self, call: str, told: Callable[[Grant], None]) -> CallLines:
        """The part of one call, which is told of each line that it is given."""
        lines = self._calls[call] = CallLines(self, call, told)
        return lines

    def leave(self, call: str) -> None:
        """The call is over; harmless for one that is not known."""
        self._calls.pop(call, None)
        self._list.renew(call, None, self._dealt_at)
        self._look(self._dealt_at)

    def waiting(self, at: float) -> list[WaitingCaller]:
        """Who waits, here or elsewhere, the most urgent first, as JSON has it."""
        others = list(self._others())
        own = self.waiting_here(at)
        return waiting_first([*own, *others]) if others else own

    def waiting_here(self, at: float) -> list[WaitingCaller]:
        """Those of `waiting` whose calls are this service's."""
        return [
            {
                "call_id": call,
                "handoff": claim.handoff,
                "wants": list(claim.wants),
                "waited_s": round(max(0.0, at - claim.since), 1),
                "score": round(claim.risk.score, 2),
                "reasons": list(claim.risk.reasons),
            }
            for call, claim in self._list.waiting(at)
        ]

    @property
    def taken(self) -> frozenset[tuple[str, str]]:
        """(call, number) of the shared lines that are held here, or kept for a call."""
        return frozenset(pair for pair in self._list.taken if pair[1] in self._numbers)

    def wishes(self, at: float) -> tuple[Wish, ...]:
        """Who waits here for a shared line."""
        return self._list.wishes(at, self._numbers)

    def given(self, call: str, destination: str, at: float, *, sure: bool) -> bool:
        """A shared line is free for this call; False: it wants it no more."""
        grant = self._list.keep(call, destination, at, sure=sure) if call in self._calls else None
        if grant is None:
            return False
        self._calls[call].told(grant)
        return True

    def take(self, call: str, destination: str, at: float) -> bool:
        """Whether the call has a line to the number from now on, by this list alone."""
        if (call, destination) in self.taken:  # the others know of it
            self._list.hold(call, destination)
            return True
        return self._list.take(call, destination, at)

    def shares(self, call: str, destination: str) -> bool:
        """Whether the call has a line is to be asked of the others (`ask`)."""
        return destination in self._numbers and (call, destination) not in self.taken

    async def ask(self, call: str, destination: str, now: Callable[[], float]) -> bool:
        """As `take`, of all nodes; of this list alone where they cannot be asked quickly."""
        assert self._shared is not None
        self._list.let_go(call)
        mine = await self._shared.take(call, destination)
        if call not in self._calls:  # it is over
            self._shared.give_back()
            return False
        if mine is None:
            return self._list.take(call, destination, now())
        if mine:
            self._list.hold(call, destination)
        return mine

    def busy(self, call: str, destination: str, at: float) -> None:
        if self._shared is not None and (call, destination) in self.taken:
            self._shared.busy(call, destination)
        self._list.busy(call, destination, at)

    def reached(self, call: str, destination: str, *, answered: bool) -> None:
        if self._shared is not None and (call, destination) in self.taken:
            self._shared.reached(call, destination, answered=answered)
        self._list.reached(call, destination, answered=answered)

    def renew(self, call: str, claim: Claim | None, at: float) -> None:
        self._list.renew(call, claim, at)

    def deal(self, at: float, *, now: bool = False) -> None:
        """Give out the lines that are free; `now`, or if it was long enough ago."""
        if not now and at - self._dealt_at < EVERY_S:
            return
        self._dealt_at = at
        for grant in self._list.grants(at, *self._of_others(at)):
            if self._shared is not None and grant.destination in self._numbers:
                self._shared.alone()
            call = self._calls.get(grant.call)
            if call is not None:
                call.told(grant)
        self._look(at)

    def _of_others(self, at: float) -> tuple[Collection[str], Mapping[str, int]]:
        """Numbers whose lines are given out elsewhere; lines that calls of other nodes have."""
        if self._shared is None:
            return (), {}
        if self._shared.in_touch:
            return self._numbers, {}
        return (), self._shared.elsewhere(at)

    def _look(self, at: float) -> None:
        if self._shared is not None:
            self._shared.look(at)


class CallLines:
    """What one call has to do with the list; nothing here raises."""

    def __init__(self, lines: WaitingLines, call: str, told: Callable[[Grant], None]) -> None:
        self._lines, self._call, self.told = lines, call, told
        self._last: Claim | None = None

    def may_dial(self, destination: str, now: Callable[[], float]) -> bool | asyncio.Task[bool]:
        """Whether there is a line; the call has it then.

        Where other nodes are asked the answer comes soon, whatever becomes of them; it is to be
        cancelled if the line is not wanted any more.
        """
        try:
            if self._lines.shares(self._call, destination):
                return asyncio.create_task(self._ask(destination, now), name="line-asked")
            return self._lines.take(self._call, destination, now())
        except Exception:
            log.exception("waiting_list_failed")
            return True

    async def _ask(self, destination: str, now: Callable[[], float]) -> bool:
        try:
            return await self._lines.ask(self._call, destination, now)
        except Exception:
            log.exception("waiting_list_failed")
            return True

    def heard_of(self, event: TransferProgress, at: float) -> None:
        """Progress of a leg: a number that is busy has no line for anybody."""
        if event.line or event.reason == LINES_FULL:
            return
        try:
            match event.state:
                case LegState.BUSY | LegState.NO_ANSWER:
                    self._lines.busy(self._call, event.destination, at)
                case LegState.RINGING | LegState.ANSWERED | LegState.CONFIRMED:
                    answered = event.state is not LegState.RINGING
                    self._lines.reached(self._call, event.destination, answered=answered)
        except Exception:
            log.exception("waiting_list_failed")

    def renew(self, state: State, began: float, at: float) -> None:
        """The state after an event, of a call that was answered at `began`."""
        try:
            wanted = claim(state, began)
            if wanted is None and self._last is None:
                return
            self._lines.renew(self._call, wanted, at)
            changed = _lines_of(wanted) != _lines_of(self._last)
            self._last = wanted
            self._lines.deal(at, now=changed)
        except Exception:
            log.exception("waiting_list_failed")

    def tick(self, at: float) -> None:
        """Time passes."""
        try:
            self._lines.deal(at)
        except Exception:
            log.exception("waiting_list_failed")


def _lines_of(claim: Claim | None) -> object:
    return None if claim is None else (claim.using, claim.wants, claim.idle)


def why(grant: Grant) -> str:
    """For people: why this caller had the line."""
    reasons = "、".join(grant.risk.reasons) or "险情"
    return (
        f"{grant.destination}有线路，按危急程度轮到：{reasons}，"
        f"{grant.risk.score:.1f}级，已等{grant.waited_s:.0f}秒"
    )
