"""The agents' desks that are open in browsers: who is there, what rings, who has which call.

Never on record: a desk that loses its connection is gone until its page comes back, with what the
agent had said of himself. What rings at the desks is a leg like any other
(`telephony.browser_leg`), so that a caller whom nobody takes falls to the next route.

Where pages and calls are at several nodes, each knows what the others have told (`desk_shares`),
and the node that has the caller decides who gets him.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from telephony.browser_leg import BrowserLeg
from telephony.dialing import DutyNumber
from telephony.leg_state import LegState
from telephony.trunk_address import CONSOLE
from voicebot.call.attendance import Attendance
from voicebot.call.desk_shares import DeskShare, Presence, ToldCall, ToldOffer

__all__ = ["AgentDesks", "Offer", "Presence", "desk_number"]

REMEMBERED = 1000
"""Calls of which it is known, when they are over, who had them."""
PREFIX = "seat@"
"""Of the destination that is one agent's desk: not dialled, and in no directory."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A call of this node that rings at desks."""

    leg: BrowserLeg
    call_id: str
    agent: str
    """For this agent alone; "" for whoever is ready."""


class AgentDesks(Attendance):
    """All desks: who is at them, and the calls there."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock, wall)
        self._offers: dict[str, Offer] = {}
        self._holders: dict[str, str] = {}
        self._legs: dict[str, BrowserLeg] = {}
        self._had: OrderedDict[str, str] = OrderedDict()

    def others(self, agent: str) -> list[tuple[str, str]]:
        """(agent, name) of whoever else would take a call now."""
        return [
            (each, self.name_of(each))
            for each in self._agents()
            if each != agent and self._is_ready(each)
        ]

    def talks(self, agent: str) -> bool:
        """The agent is on a call in his browser."""
        here = any(self._holders.get(call_id) == agent for call_id in self._legs)
        return here or self.elsewhere.talks(agent)

    def _is_ready(self, agent: str) -> bool:
        alive = self._is_alive(agent) or self.elsewhere.is_alive(agent)
        return alive and self.presence(agent) is Presence.READY and not self.talks(agent)

    @property
    def ready(self) -> int:
        """Agents who would take a call now."""
        return sum(self._is_ready(agent) for agent in self._agents())

    # ── other nodes ───────────────────────────────────────────────────────────────

    def share(self) -> DeskShare:
        """What this node knows by itself."""
        return DeskShare(
            desks=self._told_desks(),
            offers=self._told_offers(),
            calls=tuple(
                ToldCall(call_id=call_id, agent=agent, in_browser=self.in_browser(call_id))
                for call_id, agent in self._holders.items()
            ),
        )

    def take_share(self, node: str, share: DeskShare) -> None:
        """What another node knows, whole, and newer than what it told before."""
        self._learn(share.desks)
        self._remember(self.elsewhere.take(node, share))
        self._forget_gone()
        self._show()

    def forget(self, node: str) -> None:
        """Another node is gone, with its pages and with what rang there."""
        self._remember(self.elsewhere.forget(node))
        self._show()

    def take_running(self, node: str, running: Mapping[str, Mapping[str, Any]]) -> None:
        """The calls that run at another node: what desks show of them, by id."""
        self.elsewhere.take_running(node, running)
        self._show()

    # ── calls ─────────────────────────────────────────────────────────────────────

    def new_leg(self, number: DutyNumber, call_id: str, *, answer_timeout_s: float) -> BrowserLeg:
        """A leg to the desks that `number` names, not yet ringing."""
        agent = number.url.removeprefix(CONSOLE)

        def ring(leg: BrowserLeg) -> bool:
            if not (self.is_open(agent) if agent else self.ready):
                return False
            self._offers[leg.id] = Offer(leg, call_id, agent)
            self._tell()
            return True

        return BrowserLeg(ring, self._over, answer_timeout_s=answer_timeout_s)

    def offers(self, agent: str) -> tuple[Offer, ...]:
        """Which calls of this node ring at this agent's desk."""
        free = self._is_ready(agent)
        return tuple(
            offer
            for offer in self._offers.values()
            if offer.agent == agent or (not offer.agent and free)
        )

    def rings(self, agent: str) -> tuple[ToldOffer, ...]:
        """What rings at this agent's desk, from whichever node."""
        free = self._is_ready(agent)
        return tuple(
            offer
            for offer in (*self._told_offers(), *self.elsewhere.offers)
            if offer.agent == agent or (not offer.agent and free)
        )

    def _told_offers(self) -> tuple[ToldOffer, ...]:
        return tuple(
            ToldOffer(leg=leg, call_id=offer.call_id, agent=offer.agent)
            for leg, offer in self._offers.items()
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
        return self._holders.get(call_id) or self.elsewhere.holder(call_id)

    def last_holder(self, call_id: str) -> str:
        """Who has the call, or was the last who had it; "" for nobody."""
        return self.holder(call_id) or self._had.get(call_id, "")

    def has(self, call_id: str, agent: str) -> bool:
        """The agent has the call, or was the last who had it: what is left to do is his."""
        return agent in (self.holder(call_id), self._had.get(call_id))

    def in_browser(self, call_id: str) -> bool:
        """The call's agent talks in his browser: it is known here when that ends."""
        return call_id in self._legs

    def leave(self, call_id: str) -> None:
        """The call has no agent any more."""
        self._legs.pop(call_id, None)
        agent = self._holders.pop(call_id, None)
        if agent is not None:
            self._remember([(call_id, agent)])
            self._tell()

    def _remember(self, over: Iterable[tuple[str, str]]) -> None:
        """These calls have no agent any more."""
        self._had.update(over)
        while len(self._had) > REMEMBERED:
            self._had.popitem(last=False)

    def _over(self, leg: BrowserLeg) -> None:
        self._offers.pop(leg.id, None)
        for call_id, each in list(self._legs.items()):
            if each is leg:
                self.leave(call_id)
        self._tell()


def desk_number(destination: str) -> DutyNumber | None:
    """What a hand-off to one agent's desk is dialled as; None for any other destination.

    Nothing is dialled in truth, so that the duty directory has no part in it.
    """
    if not destination.startswith(PREFIX):
        return None
    agent = destination.removeprefix(PREFIX)
    return DutyNumber(destination, "seat", "", CONSOLE + agent, f"座席 {agent}")
