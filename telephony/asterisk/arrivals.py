"""Whether audio of a leg still arrives: a desk whose power fails says no goodbye.

Asterisk itself ends such a leg (`rtp_timeout`), counting whole seconds and seldom; its
caller may not be in silence for so long.
"""

from __future__ import annotations

import asyncio

from telephony.asterisk.ari import Ari, AriError

STALLED_S = 2.5
"""Without a packet for so long the far side is gone. A switch that has nothing to say sends
silence, and one that holds the call says so."""

LOOK_S = 0.25

_MISSED_S = 2 * LOOK_S
"""What one look may count for: a stall of ours is none of the far side."""


class Arrivals:
    """Packets that have come so far, looked at again and again. Pure."""

    def __init__(self) -> None:
        self._count, self._still_s = 0, 0.0
        self.held = False
        """The far side holds the call: nothing need come."""

    def look(self, count: int, elapsed_s: float) -> None:
        """`count` packets have come, `elapsed_s` after the last look."""
        if count != self._count or self.held:
            self._count, self._still_s = count, 0.0
        elif count:  # a far side that never sent anything may have nothing to say
            self._still_s += min(elapsed_s, _MISSED_S)

    @property
    def stalled(self) -> bool:
        return self._still_s >= STALLED_S


async def until_stalled(ari: Ari, channel: str, arrivals: Arrivals) -> None:
    """Returns when no packet has come to the channel for too long."""
    clock = asyncio.get_running_loop().time
    looked = clock()
    while not arrivals.stalled:
        await asyncio.sleep(LOOK_S)
        try:
            seen = await ari.get(f"channels/{channel}/rtp_statistics")
            count = int(seen["rxcount"])
        except (AriError, KeyError, TypeError, ValueError):
            looked = clock()  # nothing is known
            continue
        before, looked = looked, clock()
        arrivals.look(count, looked - before)
