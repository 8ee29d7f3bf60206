"""The subjects of NATS, in one place; `nats.subject` stands before each of them."""

from __future__ import annotations

from typing import Final

HEARTBEATS: Final = "nodes"
"""Every process once a second: `voicebot.cluster.nodes.Node`."""

LIVE: Final = "live"
"""What happens in calls, numbered by each node: `voicebot.cluster.live_events`."""

WORDS: Final = "live-words"
"""What is said of a call where it does not run: ``{"node", "run", "event"}``."""

SURGE_FIGURES: Final = "surge-figures"
"""``{"node"}`` and `voicebot.surge.shared.SeatsTold`."""

SURGE_SENT: Final = "surge-sent"
"""``{"node"}`` and `voicebot.surge.shared.SentToSeats`."""

SURGE_ARRIVALS: Final = "surge-arrivals"
"""``{"node"}`` and `voicebot.surge.shared.Arrived`."""

POLICE_LINES: Final = "police-lines"
"""`voicebot.cluster.free_lines.Free`."""

RECORDINGS: Final = "recordings"
"""Asked of all nodes with calls; who has the file of ``{"name"}`` answers ``{"node", "state"}``."""


def standing(node: str) -> str:
    """Asked of one node: its running calls as they stand (`live_events.RunningCalls`)."""
    return f"standing.{node}"
