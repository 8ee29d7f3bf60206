"""A hand-off as the 110 view has it: what is on record of it, and what of that is shown."""

from __future__ import annotations

import re
import time
from typing import Any

from sqlalchemy.orm import Session

from voicebot.agents import words
from voicebot.records.duty import region_names
from voicebot.records.tables import CallRow, HandoffRow
from voicebot.web.board import CALLS_S

SHOWN = (
    "caller", "region", "region_name", "place", "category", "category_name", "lines",
    "line_states", "flags", "reason", "evidence", "notes", "incident", "order", "did",
)  # fmt: skip
KINDS = {
    "danger": "",
    "police_request": "要求接110：",
    "human_request": "要求人工：",
    "police_matter": "公安事项：",
    "classifier": "语义判断：",
    "negation": "否认：",
    "refusal": "拒绝：",
    "retraction": "改口：",
}
"""What evidence of triage is called for people; what is danger speaks for itself."""


def read(session: Session, handoff: str) -> dict[str, Any] | None:
    """What is on record of a hand-off and its call; `over`: the call is."""
    row = session.get(HandoffRow, handoff)
    if row is None:
        return None
    call = session.get(CallRow, row.call_id)
    return {
        "handoff": row.id,
        "call_id": row.call_id,
        "state": row.state,
        "destination": row.destination,
        "requested_at": row.requested_at,
        "connected_at": row.connected_at,
        "revision": row.revision,
        "dossier": dict(row.dossier),
        "recording": call.recording if call is not None else "",
        "ended_at": call.ended_at if call is not None else None,
        "over": _over(row, call),
        "words": words.words(session, handoff),
    }


def _over(row: HandoffRow, call: CallRow | None) -> bool:
    """Of a call that is not on record only its hand-off's age tells: it may be in the spool."""
    if call is None:
        return row.requested_at < time.time() - CALLS_S
    return call.ended_at is not None


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """Dossier and progress, for people."""
    dossier = {name: found["dossier"].get(name) for name in SHOWN}
    if not dossier["region_name"] and dossier["region"]:
        dossier["region_name"] = region_names().get(dossier["region"], dossier["region"])
    told = [each.partition("：") for each in dossier["evidence"] or ()]
    dossier["evidence"] = [KINDS.get(kind, kind + "：") + words for kind, _, words in told]
    # Without what was said for and against them: as they stand in the caller's words.
    dossier["danger"] = [re.sub("（.*", "", words) for kind, _, words in told if kind == "danger"]
    names = ("state", "destination", "requested_at", "connected_at", "ended_at", "words")
    return {"dossier": dossier, **{name: found[name] for name in names}}


def turns(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What the dossier has of the conversation, as the stream tells it."""
    return [
        {"key": f"d{index}", "partial": False, "at": turn["end"], **turn}
        for index, turn in enumerate(found["dossier"].get("transcript", ()))
    ]
