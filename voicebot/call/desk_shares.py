"""What each node tells the others of its agents' desks, and what is known of them by that.

Pure: who tells it, and when a node has been silent for too long, is `voicebot.cluster.desks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict


class Presence(StrEnum):
    """What an agent has said of himself."""

    READY = "ready"
    AWAY = "away"
    WRAP_UP = "wrap_up"
    """话后处理: the call is over, its ticket is not."""


class Said(NamedTuple):
    """What an agent has said of himself, and when; whatever he said last holds."""

    at: float
    """Seconds since the epoch; 0 where he has said nothing."""
    presence: Presence


NOTHING_SAID = Said(0.0, Presence.READY)


@dataclass(frozen=True, slots=True)
class ToldDesk:
    """An agent's desk, as one node knows it."""

    agent: str
    name: str
    pages: int
    """That are open at this node; without any, a page elsewhere has spoken through it."""
    alive: bool
    """A page has answered a beat lately."""
    said: Said


@dataclass(frozen=True, slots=True)
class ToldOffer:
    """A call that rings at desks."""

    leg: str
    call_id: str
    agent: str
    """For this agent alone; "" for whoever is ready."""


@dataclass(frozen=True, slots=True)
class ToldCall:
    """A call that an agent has."""

    call_id: str
    agent: str
    in_browser: bool


class DeskShare(BaseModel):
    """All that one node knows by itself."""

    model_config = ConfigDict(frozen=True)

    desks: tuple[ToldDesk, ...] = ()
    offers: tuple[ToldOffer, ...] = ()
    calls: tuple[ToldCall, ...] = ()


class _Node:
    """A share, by what is asked of it."""

    def __init__(self, share: DeskShare) -> None:
        self.said = {desk.agent: desk.said for desk in share.desks}
        self.open = frozenset(desk.agent for desk in share.desks if desk.pages)
        self.alive = frozenset(desk.agent for desk in share.desks if desk.alive)
        self.offers = {offer.leg: offer for offer in share.offers}
        self.calls = {call.call_id: call for call in share.calls}
        self.talking = frozenset(call.agent for call in share.calls if call.in_browser)


class Elsewhere:
    """What the other nodes have told last; where there is but one, asking costs nothing."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._running: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    def take(self, node: str, share: DeskShare) -> list[tuple[str, str]]:
        """A node's newest share; gives the calls that have no agent any more: (call, agent)."""
        before = self._nodes.get(node)
        self._nodes[node] = _Node(share)
        held = before.calls.values() if before is not None else ()
        return [(call.call_id, call.agent) for call in held if not self.holder(call.call_id)]

    def take_running(self, node: str, running: Mapping[str, Mapping[str, Any]]) -> None:
        """The calls that run at a node: what its desks would show of them, by id."""
        self._running[node] = running

    def forget(self, node: str) -> list[tuple[str, str]]:
        """The node is gone with all that was there; gives what `take` does."""
        left = self.take(node, DeskShare())
        del self._nodes[node]
        self._running.pop(node, None)
        return left

    # ── desks ─────────────────────────────────────────────────────────────────────

    @property
    def agents(self) -> Iterable[str]:
        """Whoever has a desk there."""
        return dict.fromkeys(agent for node in self._nodes.values() for agent in node.said)

    def is_open(self, agent: str) -> bool:
        """A page of the agent's is there."""
        return any(agent in node.open for node in self._nodes.values())

    def is_alive(self, agent: str) -> bool:
        """A page of his has answered a beat lately."""
        return any(agent in node.alive for node in self._nodes.values())

    def said(self, agent: str) -> Said:
        """What he has said last of himself there."""
        last = NOTHING_SAID
        for node in self._nodes.values():
            last = max(last, node.said.get(agent, NOTHING_SAID))
        return last

    def talks(self, agent: str) -> bool:
        """He is on a call in his browser."""
        return any(agent in node.talking for node in self._nodes.values())

    # ── calls ─────────────────────────────────────────────────────────────────────

    @property
    def offers(self) -> Iterator[ToldOffer]:
        """What rings there."""
        return (offer for node in self._nodes.values() for offer in node.offers.values())

    def node_of(self, leg: str) -> str:
        """Where this leg rings; "" for nowhere."""
        return next((name for name, node in self._nodes.items() if leg in node.offers), "")

    def holder(self, call_id: str) -> str:
        """Who has the call; "" for nobody."""
        for node in self._nodes.values():
            if call_id in node.calls:
                return node.calls[call_id].agent
        return ""

    @property
    def running(self) -> dict[str, Mapping[str, Any]]:
        """The calls that run there: what desks show of them, by id."""
        return {
            call_id: each for calls in self._running.values() for call_id, each in calls.items()
        }
