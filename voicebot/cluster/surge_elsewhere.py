"""What surge control knows of the other nodes: seats, whom they gave to them, and what they were
offered.

Each is told at its moment or not at all: what a connection that was away brings late would count
for another moment. While NATS is away a call that is offered here stands for one at each of the
nodes that were heard last, since a dispatcher gives all of them alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from voicebot.cluster import subjects
from voicebot.cluster.messages import as_told
from voicebot.cluster.nodes import GONE_S, Node
from voicebot.surge.shared import ALONE, Arrived, Others, SeatsTold, SentToSeats, Told

if TYPE_CHECKING:
    from voicebot.cluster.member import Member
    from voicebot.surge.control import SurgeControl

_SUBJECTS: Final[dict[type[Told], str]] = {
    SeatsTold: subjects.SURGE_FIGURES,
    SentToSeats: subjects.SURGE_SENT,
    Arrived: subjects.SURGE_ARRIVALS,
}


def stands_for(others: Collection[Node], heard_last: int, *, in_touch: bool) -> int:
    """How many calls of the installation one call here is counted for. Pure.

    Parameters:
        others: nodes with calls that are there.
        heard_last: how many that were when this process was last in touch with them.
    """
    unheard = (
        sum(not node.tells_arrivals for node in others)  # of a version before they were told
        if in_touch
        else heard_last
    )
    return 1 + unheard


class SurgeElsewhere:
    """`voicebot.surge.shared.Others` over NATS."""

    def __init__(self, member: Member) -> None:
        self._bus, self._nodes = member.bus, member.nodes
        self._heard_last, self._heard_at = 0, -math.inf
        member.bus.subscribe(subjects.HEARTBEATS, self._heard)

    def tell(self, told: Told) -> None:
        if self._in_touch:
            message = {**told.model_dump(mode="json"), "node": self._nodes.own}
            self._bus.publish(_SUBJECTS[type(told)], message)

    def stands_for(self) -> int:
        return stands_for(self._nodes.media, self._heard_last, in_touch=self._in_touch)

    @property
    def _in_touch(self) -> bool:
        """NATS brings what is said, this process's own heartbeats too."""
        return self._bus.connected and time.monotonic() - self._heard_at < GONE_S

    def _heard(self, _: dict[str, Any]) -> None:
        self._heard_last, self._heard_at = len(self._nodes.media), time.monotonic()


def surge_elsewhere(member: Member | None) -> Others:
    """Those of the installation, if there are any."""
    return SurgeElsewhere(member) if member is not None else ALONE


def follow_surge(member: Member, control: SurgeControl) -> None:
    """`control` takes from now on what the others tell."""

    def take(told: TypeAdapter[Told], message: dict[str, Any]) -> None:
        if message["node"] != member.nodes.own:
            control.take(as_told(told, message))

    for kind, subject in _SUBJECTS.items():
        member.bus.subscribe(subject, partial(take, TypeAdapter(kind)))
