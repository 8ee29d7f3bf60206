"""Who calls at the other nodes, and whom they call back over danger, by their heartbeats.

An answer is there at once, from what was heard last: nothing that concerns danger waits for a
database. A node that is gone is forgotten with its callers; without NATS each node goes by its
own calls alone. Numbers are told as digests, so that they stand in no trace of NATS; what the
same NATS tells of calls is no less confidential.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass

from voicebot.cluster.nodes import Nodes

_LATER_S = 0.001


def digest(number: str) -> str:
    """A number as it is told to other nodes; "" for a withheld one."""
    if not number:
        return ""
    return hashlib.blake2b(number.encode(), digest_size=8, person=b"vb-caller").hexdigest()


def digests(numbers: Iterable[str]) -> tuple[str, ...]:
    """Of running calls; one for each, without those that withhold their number."""
    return tuple(digest(number) for number in numbers if number)


@dataclass(frozen=True, slots=True)
class CallersElsewhere:
    """Parameters:
    nodes: None: this process is the only one.
    """

    nodes: Nodes | None

    def calls(self, number: str) -> int:
        """Calls of this number that run or wait for people at other nodes."""
        told = digest(number)
        if self.nodes is None or not told:
            return 0
        return sum(node.callers.count(told) for node in self.nodes.media)

    def called_back(self, number: str) -> bool:
        """A call of this number broke off in danger elsewhere, and it is being called back."""
        return bool(self._begun(number))

    def stamp(self, number: str, now: float | None = None) -> float:
        """When a matter of this number that begins now counts as begun, seconds since the epoch:
        after every one that was heard of, though that node's clock be ahead (Lamport).
        """
        now = time.time() if now is None else now
        return max([now, *(at + _LATER_S for at, _ in self._begun(number))])

    def has_newer(self, number: str, began_at: float) -> bool:
        """Another node calls the number back over a later matter than one of ours.

        Parameters:
            began_at: the `stamp` of ours; of two that are equal the node that comes first by name
                goes on.
        """
        if self.nodes is None:
            return False
        return any(
            at > began_at or (at == began_at and node < self.nodes.own)
            for at, node in self._begun(number)
        )

    def _begun(self, number: str) -> list[tuple[float, str]]:
        told = digest(number)
        if self.nodes is None or not told:
            return []
        return [
            (at, node.name)
            for node in self.nodes.media
            for each, at in node.calling_back
            if each == told
        ]
