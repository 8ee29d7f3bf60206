"""The list of those who wait for a line (`flows.waiting_list`), shared by the calls of a service.

Each call tells it what it has and wants after every event, and is told of a line that is free.
Should the list itself fail, every call dials as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from flows.events import LegState, TransferProgress
from flows.state import State
from flows.waiting import LINES_FULL, claim
from flows.waiting_list import Claim, Grant, WaitingList
from flows.waiting_risk import as_values
from voicebot.cluster.nodes import waiting_first

log = structlog.get_logger()

EVERY_S = 0.25
"""How often free lines are given out, at least."""


class WaitingLines:
    """One list for all calls of a service; every `at` is of one monotonic clock, in seconds.

    Parameters:
        lines: how many lines each number of the duty directory has, where that is known.
        others: who waits at other nodes, as `waiting` lists them.
    """

    def __init__(
        self,
        lines: Mapping[str, int] | None = None,
        others: Callable[[], Iterable[dict[str, Any]]] = tuple,
    ) -> None:
        self._list = WaitingList(dict(lines or {}))
        self._others = others
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

    def waiting(self, at: float) -> list[dict[str, Any]]:
        """Who waits, here or elsewhere, the most urgent first, as JSON has it."""
        others = list(self._others())
        own = self.waiting_here(at)
        return waiting_first([*own, *others]) if others else own

    def waiting_here(self, at: float) -> list[dict[str, Any]]:
        """Those of `waiting` whose calls are this service's."""
        return [
            {
                "call_id": call,
                "handoff": claim.handoff,
                "wants": list(claim.wants),
                "waited_s": round(max(0.0, at - claim.since), 1),
                **as_values(claim.risk),
            }
            for call, claim in self._list.waiting(at)
        ]

    def take(self, call: str, destination: str, at: float) -> bool:
        return self._list.take(call, destination, at)

    def busy(self, call: str, destination: str, at: float) -> None:
        self._list.busy(call, destination, at)

    def reached(self, call: str, destination: str, *, answered: bool) -> None:
        self._list.reached(call, destination, answered=answered)

    def renew(self, call: str, claim: Claim | None, at: float) -> None:
        self._list.renew(call, claim, at)

    def deal(self, at: float, *, now: bool = False) -> None:
        """Give out the lines that are free; `now`, or if it was long enough ago."""
        if not now and at - self._dealt_at < EVERY_S:
            return
        self._dealt_at = at
        for grant in self._list.grants(at):
            call = self._calls.get(grant.call)
            if call is not None:
                call.told(grant)


class CallLines:
    """What one call has to do with the list; nothing here raises."""

    def __init__(self, lines: WaitingLines, call: str, told: Callable[[Grant], None]) -> None:
        self._lines, self._call, self.told = lines, call, told
        self._last: Claim | None = None

    def may_dial(self, destination: str, at: float) -> bool:
        """Whether there is a line; the call has it then."""
        try:
            return self._lines.take(self._call, destination, at)
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
