"""Which processes with calls are lost, by their signs of life. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from voicebot.cluster.signs_of_life import EVERY_S

REPLACED_S = 3 * EVERY_S
"""So long without a sign, one that began anew under the same name is over."""
LONGEST_GAP_S = 3 * EVERY_S
"""Who has not looked for longer does not know what happened meanwhile, and watches anew."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What stands of a run in the database.

    Parameters:
        node: "" where it has calls on record and no sign of life at all.
        began_at, seen_at: by the database's clock; only compared with each other.
    """

    run: str
    node: str
    began_at: float
    seen_at: float


@dataclass
class Watch:
    """Who watches goes by its own monotonic clock, in seconds: a clock that is set, a database
    that was away and a watcher who was frozen make nobody lost.

    Parameters:
        after_s: without a sign for so long a process is lost.
    """

    after_s: float
    _since: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By run: its newest sign, and when that was first seen."""
    _looked_at: float = float("-inf")

    def look(self, signs: Sequence[Sign], alive: Collection[str], now: float) -> list[Sign]:
        """Those that are lost.

        Parameters:
            alive: runs that are heard otherwise: they are cut off from the database alone.
        """
        before = self._since if now - self._looked_at <= LONGEST_GAP_S else {}
        self._looked_at, self._since = now, {}
        newest: dict[str, float] = {}
        for each in signs:
            newest[each.node] = max(newest.get(each.node, each.began_at), each.began_at)
            known = before.get(each.run)
            fresh = known is None or known[0] != each.seen_at or each.run in alive
            self._since[each.run] = (each.seen_at, now if fresh or known is None else known[1])
        return [
            each
            for each in signs
            if now - self._since[each.run][1]
            >= self._limit(replaced=bool(each.node) and newest[each.node] > each.began_at)
        ]

    def _limit(self, *, replaced: bool) -> float:
        return min(REPLACED_S, self.after_s) if replaced else self.after_s
