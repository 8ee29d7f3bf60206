"""`voicebot doctor`: the transcriber that is shared over NATS."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from asr.nodes.messages import LONGEST_BYTES
from asr.nodes.transcriber import NodesTranscriber
from voicebot.cluster.nats_servers import servers_of
from voicebot.doctor import SHARED
from voicebot.finding import Check

if TYPE_CHECKING:
    from voicebot.config import Settings

ALL_S = 1.5
"""Within which all nodes say how they are."""
START = "Start one: `voicebot serve --roles asr` where a transcriber's model is."


def nodes(settings: Settings) -> Check:
    """NATS is there, takes an utterance in a message, and nodes say what they are.

    Raises:
        RemoteAddressInvalid: the token or the certificates of [nats] cannot be used.
    """
    shared = NodesTranscriber(servers_of(settings.nats))
    try:
        if not shared.why_away:
            time.sleep(ALL_S)
        return _judged(shared, is_node=settings.server.roles == ("asr",))
    finally:
        shared.close()


def _judged(shared: NodesTranscriber, *, is_node: bool) -> Check:
    if shared.why_away:
        return Check(
            SHARED, False, f"NATS does not answer: {shared.why_away}",
            "Start nats-server, or correct nats.servers, nats.token_file and nats.tls_ca.",
        )  # fmt: skip
    limit = shared.max_payload or 0
    if limit < LONGEST_BYTES:
        return Check(
            SHARED, False, f"NATS takes messages of {limit} bytes, and an utterance has more",
            "Set max_payload in its configuration to 1MB, as it is by default.",
        )  # fmt: skip
    there = shared.nodes
    if not there:
        if is_node:
            return Check(SHARED, True, "NATS is there; no other node is")
        return Check(SHARED, False, "NATS is there, and no node with the role asr", START)
    kinds = sorted(
        {f"{node.engine} ({node.model})" if node.model else node.engine for node in there}
    )
    detail = f"{len(there)} nodes with {shared.workers} decodes at a time: {', '.join(kinds)}"
    if len(kinds) > 1:
        return Check(
            SHARED,
            None,
            detail,
            "Give all nodes the same engine and model, or callers' words vary.",
        )
    return Check(SHARED, True, detail)
