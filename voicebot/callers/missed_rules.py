"""Missed calls (漏接电话): which they are, and when their numbers are called back. Pure.

国办函〔2025〕66号 asks for them to be called back. Who was lost in danger is called within 30 s
by `voicebot.call_backs`; what is left of that is listed here, and goes before all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from flows.announcing import UNDECIDED
from flows.pending import HandoffState
from flows.state import State
from voicebot.callers.days import local

if TYPE_CHECKING:
    from voicebot.config_callers import Callers

QUEUED = "queued"
"""Why a caller is on the list who was given to a queue, until it is known what became of that."""
BROKEN = "broken"
"""… whose call ended with the process that had it, as far as the others know."""

WHY: Mapping[str, str] = {
    "danger": "险情中断",
    "police": "公安事项中断",
    "queue": "排队时挂断",
    QUEUED: "排队中失去联系",
    "no_seat": "没有空闲座席",
    "closed": "非服务时间",
    "refused": "线路全忙未接",
    "surge": "高峰登记回拨",
    BROKEN: "系统中断",
}

_SURE: Mapping[str, int] = {QUEUED: 0, BROKEN: 1}
"""Guesses, the surer the higher; everything else is known."""

FIRST_S = 60.0
"""Until a number is called back: who wants to call again has done so by then."""
DANGER_FIRST_S = 120.0
"""The calls at once of `voicebot.call_backs` are over by then."""
LOST_S = 600.0
"""Until who was in the queue counts as lost, where nobody was left to see what became of it."""
_AGAIN_S = (300.0, 1800.0, 7200.0)
"""Pauses after the first try, the second, and all others."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Why a call counts as missed."""

    why: str
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """A number that is to be called now."""

    number: str
    did: str
    """What the called person sees: the number that was dialled."""
    danger: bool
    tries: int
    call_id: str
    """The oldest of its missed calls."""


@dataclass(frozen=True, slots=True)
class Window:
    """The hours in which callers may be called, Hainan's time; danger knows no hours."""

    opens: time = time(8)
    closes: time = time(21)

    @classmethod
    def of(cls, settings: Callers) -> Window:
        """The one of [callers]."""
        return cls(settings.call_back_from, settings.call_back_until)

    def open_at(self, at: float) -> bool:
        return self.opens <= local(at).time() < self.closes

    def first_open(self, at: float) -> float:
        """The moment itself, or the next one at which the window opens; seconds since the epoch."""
        if self.open_at(at):
            return at
        moment = local(at)
        day = moment.date() + timedelta(days=moment.time() >= self.closes)
        return datetime.combine(day, self.opens, moment.tzinfo).timestamp()


def of_call(state: State) -> Missed | None:
    """Whether an ended call was missed; None where somebody or something served the caller."""
    if not state.caller or state.trunk != "public":
        return None
    handoff = state.handoff
    if handoff is not None and handoff.to_police and not (handoff.talking or handoff.released):
        danger = _danger(state, handoff)
        return Missed("danger" if danger else "police", danger)
    if state.reached is not None or state.ticket_kept or state.limited or state.left:
        return None
    if handoff is not None and not handoff.talking:
        return Missed("queue")
    if not state.seat_failed or state.answered:
        return None
    return Missed("closed" if state.closed else "no_seat")


def _danger(state: State, handoff: HandoffState) -> bool:
    return is_danger(handoff.reason) or state.doubt > 0


def is_danger(reason: str) -> bool:
    """A hand-off to 110 for this reason is of a caller in danger."""
    return reason not in ("police_matter", UNDECIDED)


def is_surer(why: str, known: str) -> bool:
    """A reason that is noted goes before the one that is on the list."""
    known_now = len(_SURE)
    return _SURE.get(why, known_now) > _SURE.get(known, known_now)


def first_try(missed: Missed, at: float, window: Window) -> float:
    """When the number is called for the first time; seconds since the epoch."""
    if missed.danger:
        return at + DANGER_FIRST_S
    return window.first_open(at + (LOST_S if missed.why == QUEUED else FIRST_S))


def first_after_break(at: float, window: Window) -> float:
    """When a caller is called for the first time whose call broke off with the process that had
    it, and who was in no danger; `breaking_off` sees to those who were.
    """
    return first_try(Missed("police"), at, window)


def next_try(tries: int, most: int, at: float, *, danger: bool, window: Window) -> float | None:
    """When it is called again after `tries` tries in vain; None: no more, a person decides."""
    if tries >= most:
        return None
    later = at + _AGAIN_S[min(tries, len(_AGAIN_S)) - 1]
    return later if danger else window.first_open(later)
