"""The subjects of NATS, in one place; `nats.subject` stands before each of them."""

from __future__ import annotations

from typing import Final

HEARTBEATS: Final = "nodes"
"""Every process once a second: `voicebot.cluster.nodes.Node`."""

LIVE: Final = "live"
"""What happens in calls, in the order of each node: `voicebot.cluster.live_events`."""
