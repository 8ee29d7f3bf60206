"""What a process knows of the nodes: pure; times are seconds of one steady clock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from asr.nodes.messages import Status
from asr.pool_load import Rate

FRESH_S: Final = 3.0
"""A node that was not heard of for so long is not counted."""
MOST_NODES: Final = 256
"""Names beyond so many are forged."""


@dataclass(frozen=True, slots=True)
class _Seen:
    status: Status
    at: float


class Roster:
    """The nodes, by what they say once a second. Changed by one thread, read by any."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._ours = Rate()

    def told(self, status: Status, now: float) -> None:
        """A node says how it is; one that leaves is counted no more."""
        seen = {node: seen for node, seen in self._seen.items() if now - seen.at < FRESH_S}
        if status.leaving:
            seen.pop(status.node, None)
        elif status.node in seen or len(seen) < MOST_NODES:
            seen[status.node] = _Seen(status, now)
        self._seen = seen

    def gone(self, node: str) -> None:
        """It does not answer; it is counted again when it says how it is."""
        self._seen = {name: seen for name, seen in self._seen.items() if name != node}

    def lose_all(self) -> None:
        """NATS is lost, and whatever is beyond it."""
        self._seen = {}

    def decoded(self, seconds: float, now: float) -> None:
        """A node has worked for us for so long."""
        self._ours.add(now, seconds)

    def nodes(self, now: float) -> tuple[Status, ...]:
        """Those that can be asked, by name."""
        fresh = (seen.status for seen in self._seen.values() if now - seen.at < FRESH_S)
        return tuple(sorted(fresh, key=lambda status: status.node))

    def workers(self, now: float) -> int:
        """Decodes that all nodes do at a time."""
        return sum(status.workers for status in self.nodes(now))

    def share(self, now: float) -> float:
        """Workers that the others, who ask the same nodes, leave to us."""
        busy = sum(status.workers * status.utilisation for status in self.nodes(now))
        return max(0.0, self.workers(now) - max(0.0, busy - self._ours.at(now)))

    def another(self, tried: Collection[str], now: float) -> str | None:
        """The node with the most room, but for those `tried`; None where there is none."""
        others = [status for status in self.nodes(now) if status.node not in tried]
        return max(others, key=_room).node if others else None


def _room(status: Status) -> float:
    return (status.workers - status.at_work - status.waiting) / status.workers
