"""What a process shows of the whole installation: its own, and what other nodes tell of theirs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telephony.recording import file_stem
from voicebot.cluster import subjects
from voicebot.cluster.errors import BusError
from voicebot.cluster.nodes import WaitingCaller
from voicebot.metrics.standing import Standing
from voicebot.recording_files import SUFFIX
from voicebot.surge.control import SurgeControl
from voicebot.surge.status import status_values, with_nodes_lines

if TYPE_CHECKING:
    from voicebot.cluster.member import Member
    from voicebot.config import Settings

ASKED_S = 1.0
"""How long nodes have to say that they have a recording."""


def with_nodes(own: Standing, member: Member | None) -> Standing:
    """The calls and lines of all nodes; the rest is this process's own."""
    nodes = member.nodes.media if member is not None else ()
    if not nodes:
        return own
    has_calls = member is not None and "media" in member.roles
    stopping = all(node.stopping for node in nodes) and (own.stopping or not has_calls)
    return replace(
        own,
        calls=own.calls + sum(len(node.calls) for node in nodes),
        room=own.room + sum(node.room for node in nodes),
        lines=own.lines + sum(node.lines for node in nodes),
        lines_room=own.lines_room + sum(node.lines_room for node in nodes),
        stopping=stopping,
    )


def lost_nodes(member: Member | None) -> dict[str, float]:
    """Nodes with calls that have fallen silent, and since when, seconds since the epoch."""
    if member is None:
        return {}
    now, wall = time.monotonic(), time.time()
    return {name: wall - (now - since) for name, since in member.nodes.lost(now).items()}


def waiting_elsewhere(member: Member | None) -> list[WaitingCaller]:
    """Who waits for a line to 110 at other nodes."""
    if member is None:
        return []
    return [each for node in member.nodes.media for each in node.waiting]


def surge_everywhere(
    control: SurgeControl, settings: Settings, member: Member | None
) -> dict[str, Any]:
    """As GET /v1/surge has it."""
    status = status_values(control, sorted(line.did for line in settings.lines))
    if member is None or not member.nodes.media:
        return status
    return with_nodes_lines(status, [node.surge for node in member.nodes.media])


def offer_recordings(member: Member, folder: Path) -> None:
    """Tells the others which recordings lie here.

    Parameters:
        folder: that of this process's recordings.
    """

    async def look(asked: dict[str, Any]) -> dict[str, Any] | None:
        plain = folder / f"{file_stem(str(asked['call']))}.wav"
        if await asyncio.to_thread(plain.is_file):
            return {"node": member.nodes.own, "state": "here"}
        if await asyncio.to_thread(plain.with_name(plain.name + SUFFIX).is_file):
            return {"node": member.nodes.own, "state": "sealed"}
        return None

    member.bus.answer(subjects.RECORDINGS, look)


async def recording_elsewhere(member: Member | None, call_id: str) -> tuple[str, str]:
    """(node, ``here`` or ``sealed``) of who has the recording of a call; ("", "") for nobody."""
    if member is None:
        return "", ""
    try:
        found = await member.bus.request(subjects.RECORDINGS, {"call": call_id}, ASKED_S)
    except BusError:
        return "", ""
    return str(found.get("node", "")), str(found.get("state", ""))
