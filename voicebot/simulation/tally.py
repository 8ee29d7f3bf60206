"""What is counted of a simulated day, by the half-hour in which each call came. Adds up."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from voicebot.simulation.people import Caller
from voicebot.simulation.scenario import HALF_HOURS

LONGEST_WAIT_S = 3600
"""Longer waits are counted as this."""


def _half_hours() -> list[int]:
    return [0] * HALF_HOURS


def _sums() -> list[float]:
    return [0.0] * HALF_HOURS


def _histogram() -> list[int]:
    return [0] * (LONGEST_WAIT_S + 1)


@dataclass(slots=True)
class Tally:
    """Of one day, or the sum of several. A *call* is one attempt, a *caller* a person."""

    offered: list[int] = field(default_factory=_half_hours)
    """Calls, further tries included."""
    seats: list[int] = field(default_factory=_half_hours)
    """Answered by a local seat, the bot not before."""
    remote: list[int] = field(default_factory=_half_hours)
    """Answered by a seat of another region."""
    bot: list[int] = field(default_factory=_half_hours)
    """Answered by the bot."""
    contained: list[int] = field(default_factory=_half_hours)
    """Of those, over without a human."""
    handed_over: list[int] = field(default_factory=_half_hours)
    """Of those, answered by a seat in the end."""
    tickets: list[int] = field(default_factory=_half_hours)
    """Of those, with a work order in place of a seat: none was free in time, or no line left."""
    police: list[int] = field(default_factory=_half_hours)
    """Of those, handed to 110."""
    abandoned: list[int] = field(default_factory=_half_hours)
    """Given up while waiting for a first answer."""
    given_up_after_bot: list[int] = field(default_factory=_half_hours)
    call_backs: list[int] = field(default_factory=_half_hours)
    """Left with the promise of a call-back."""
    busy: list[int] = field(default_factory=_half_hours)
    """No incoming line was free."""
    in_15_s: list[int] = field(default_factory=_half_hours)
    """Answered within 15 s, by a seat or the bot."""
    in_20_s: list[int] = field(default_factory=_half_hours)
    asked_human: list[int] = field(default_factory=_half_hours)
    """Wanted a human: sent to seats or queue, or not contained by the bot."""
    human_in_15_s: list[int] = field(default_factory=_half_hours)
    """Of those, had one within 15 s of asking."""
    wait_s: list[float] = field(default_factory=_sums)
    """Until the first answer, or until giving up: sum over calls."""
    human_wait_s: list[float] = field(default_factory=_sums)
    """Until a human, or until giving up: sum over `asked_human`."""
    queue_area: list[float] = field(default_factory=_sums)
    """Waiting calls × seconds in this half-hour."""
    bot_area: list[float] = field(default_factory=_sums)
    queue_most: list[int] = field(default_factory=_half_hours)
    bot_most: list[int] = field(default_factory=_half_hours)
    lines_most: list[int] = field(default_factory=_half_hours)
    trunks_most: list[int] = field(default_factory=_half_hours)
    waits: list[int] = field(default_factory=_histogram)
    """Answered calls by whole seconds until the first answer."""
    police_waits: list[int] = field(default_factory=_histogram)
    """Hand-offs by whole seconds until a seat of 110 was free."""
    callers: int = 0
    unreached: int = 0
    """Callers who got nobody, whatever they tried."""
    in_danger: int = 0
    in_danger_unreached: int = 0
    in_danger_wait_s: float = 0.0
    """From the first call until a human: sum over those who were reached."""
    called_back: int = 0
    call_back_delay_s: float = 0.0
    surges: int = 0
    """How often the line went over to surge."""
    days: int = 1

    def answered(self, half: int, waited_s: float) -> None:
        """A first answer, by a seat or the bot, to a call of that half-hour."""
        self.wait_s[half] += waited_s
        self.waits[min(LONGEST_WAIT_S, int(waited_s))] += 1
        if waited_s <= 20.0:
            self.in_20_s[half] += 1
            if waited_s <= 15.0:
                self.in_15_s[half] += 1

    def reach(self, caller: Caller, now: float) -> None:
        """Somebody has the caller, for the first time or again."""
        if not caller.reached:
            caller.reached = True
            if caller.danger:
                self.in_danger_wait_s += now - caller.first

    def handed_to_police(self, half: int, waited_s: float) -> None:
        """110 has a caller who waited for it so long."""
        self.police[half] += 1
        self.police_waits[min(LONGEST_WAIT_S, int(waited_s))] += 1

    def add(self, other: Tally) -> None:
        """Takes another day in: sums, and the greater of two maxima."""
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            if not isinstance(ours, list):
                setattr(self, each.name, ours + theirs)
            elif each.name.endswith("_most"):
                ours[:] = map(max, ours, theirs)
            else:
                ours[:] = [a + b for a, b in zip(ours, theirs, strict=True)]
