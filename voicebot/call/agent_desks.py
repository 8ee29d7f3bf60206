"""The agents' desks that are open in browsers: who is there, what rings, who has which call.

Only of this process and never on record: a desk that loses its connection is gone until its page
comes back, with what the agent had said of himself. What rings at the desks is a leg like any other
(`telephony.browser_leg`), so that a caller whom nobody takes falls to the next route.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from telephony.browser_leg import BrowserLeg
from telephony.dialing import DutyNumber
from telephony.leg_state import LegState
from telephony.trunk_address import CONSOLE

ALIVE_S = 25.0
"""A page answers a beat every 10 s; where none has for so long, nobody is ready."""
REMEMBERED = 1000
"""Calls of which it is known, when they are over, who had them."""
PREFIX = "seat@"
"""Of the destination that is one agent's desk: not dialled, and in no directory."""


class Presence(StrEnum):
    """What an agent has said of himself."""

    READY = "ready"
    AWAY = "away"
    WRAP_UP = "wrap_up"
    """话后处理: the call is over, its ticket is not."""


@dataclass(slots=True)
class _Desk:
    pages: int = 0
    beat_at: float = 0.0
    watchers: set[Callable[[], None]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Offer:
    """A call that rings at desks."""

    leg: BrowserLeg
    call_id: str
    agent: str
    """For this agent alone; "" for whoever is ready."""


class AgentDesks:
    """All desks; agents are named by `Principal.token_id`.

    Parameters:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._desks: dict[str, _Desk] = {}
        self._presences: dict[str, Presence] = {}
        self._offers: dict[str, Offer] = {}
        self._holders: dict[str, str] = {}
        self._legs: dict[str, BrowserLeg] = {}
        self._names: dict[str, str] = {}
        self._had: OrderedDict[str, str] = OrderedDict()

    # ── desks ─────────────────────────────────────────────────────────────────────

    @contextmanager
    def open(self, agent: str, name: str, changed: Callable[[], None]) -> Iterator[None]:
        """A page of the agent's desk is there; `changed` is called when what rings does."""
        self._names[agent] = name
        desk = self._desks.setdefault(agent, _Desk())
        desk.pages += 1
        desk.beat_at = self._clock()
        desk.watchers.add(changed)
        try:
            yield
        finally:
            desk.watchers.discard(changed)
            desk.pages -= 1
            if not desk.pages:
                del self._desks[agent]

    def is_open(self, agent: str) -> bool:
        """A page of the agent's is there."""
        return agent in self._desks

    def others(self, agent: str) -> list[tuple[str, str]]:
        """(agent, name) of whoever else would take a call now."""
        return [
            (each, self._names[each])
            for each in self._desks
            if each != agent and self._is_ready(each)
        ]

    def presence(self, agent: str) -> Presence:
        """What he has said of himself, if a page of his is open."""
        if agent not in self._desks:
            return Presence.AWAY
        return self._presences.get(agent, Presence.READY)

    def set_presence(self, agent: str, presence: Presence) -> None:
        if agent in self._desks:
            self._presences[agent] = presence
            self.beat(agent)
            self._tell()

    def beat(self, agent: str) -> None:
        """A page of the agent's is there, and he is logged in."""
        desk = self._desks.get(agent)
        if desk is not None:
            desk.beat_at = self._clock()

    def talks(self, agent: str) -> bool:
        """The agent is on a call in his browser."""
        return any(self._holders.get(call_id) == agent for call_id in self._legs)

    def _is_ready(self, agent: str) -> bool:
        alive = self._clock() - self._desks[agent].beat_at < ALIVE_S
        return alive and self.presence(agent) is Presence.READY and not self.talks(agent)

    @property
    def ready(self) -> int:
        """Agents who would take a call now."""
        return sum(self._is_ready(agent) for agent in self._desks)

    # ── calls ─────────────────────────────────────────────────────────────────────

    def new_leg(self, number: DutyNumber, call_id: str, *, answer_timeout_s: float) -> BrowserLeg:
        """A leg to the desks that `number` names, not yet ringing."""
        agent = number.url.removeprefix(CONSOLE)

        def ring(leg: BrowserLeg) -> bool:
            there = self._desks.get(agent) if agent else None
            if there is None and (agent or not self.ready):
                return False
            self._offers[leg.id] = Offer(leg, call_id, agent)
            self._tell()
            return True

        return BrowserLeg(ring, self._over, answer_timeout_s=answer_timeout_s)

    def offers(self, agent: str) -> tuple[Offer, ...]:
        """What rings at this agent's desk."""
        free = agent in self._desks and self._is_ready(agent)
        return tuple(
            offer
            for offer in self._offers.values()
            if offer.agent == agent or (not offer.agent and free)
        )

    def answer(self, leg_id: str, agent: str) -> Offer | None:
        """The agent has it from now on; None: another has, or nobody rings any more."""
        offer = next((each for each in self.offers(agent) if each.leg.id == leg_id), None)
        present = self._legs.get(offer.call_id) if offer is not None else None
        if present is not None and present.state is not LegState.ENDED:
            return None
        if offer is not None:
            del self._offers[leg_id]
            offer.leg.answered_by = agent
            self._holders[offer.call_id] = agent
            self._legs[offer.call_id] = offer.leg
            self._tell()
        return offer

    def claim(self, call_id: str, agent: str) -> bool:
        """The agent has this call on a telephone of his own; False: another has it."""
        if self._holders.setdefault(call_id, agent) != agent:
            return False
        self._tell()
        return True

    def holder(self, call_id: str) -> str:
        """Who has the call; "" for nobody."""
        return self._holders.get(call_id, "")

    def last_holder(self, call_id: str) -> str:
        """Who has the call, or was the last who had it; "" for nobody."""
        return self._holders.get(call_id) or self._had.get(call_id, "")

    def has(self, call_id: str, agent: str) -> bool:
        """The agent has the call, or was the last who had it: what is left to do is his."""
        return agent in (self._holders.get(call_id), self._had.get(call_id))

    def in_browser(self, call_id: str) -> bool:
        """The call's agent talks in his browser: it is known here when that ends."""
        return call_id in self._legs

    def name_of(self, agent: str) -> str:
        """As the agent is called; "" for nobody known here."""
        return self._names.get(agent, "")

    def leave(self, call_id: str) -> None:
        """The call has no agent any more."""
        self._legs.pop(call_id, None)
        agent = self._holders.pop(call_id, None)
        if agent is not None:
            self._had[call_id] = agent
            while len(self._had) > REMEMBERED:
                self._had.popitem(last=False)
            self._tell()

    def _over(self, leg: BrowserLeg) -> None:
        self._offers.pop(leg.id, None)
        for call_id, each in list(self._legs.items()):
            if each is leg:
                self.leave(call_id)
        self._tell()

    def _tell(self) -> None:
        for desk in self._desks.values():
            for changed in desk.watchers:
                changed()


def desk_number(destination: str) -> DutyNumber | None:
    """What a hand-off to one agent's desk is dialled as; None for any other destination.

    Nothing is dialled in truth, so that the duty directory has no part in it.
    """
    if not destination.startswith(PREFIX):
        return None
    agent = destination.removeprefix(PREFIX)
    return DutyNumber(destination, "seat", "", CONSOLE + agent, f"座席 {agent}")
