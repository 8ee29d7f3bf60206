"""Whenever another process ends a call on record for a node that is cut off: what the node writes
in the end is what stands there, and 110 has it as the newest revision.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tests.voicebot.test_records import NOW, dossier
from voicebot.callers.tables import MissedCallRow
from voicebot.records.operations import OPERATIONS, break_off_call
from voicebot.records.tables import CallRow, HandoffRow, OutboxRow

Operation = tuple[str, dict[str, Any]]

BEGIN: list[Operation] = [
    (
        "start_call",
        {
            "call_id": "C1",
            "caller": "13800138000",
            "did": "12345",
            "started_at": NOW,
            "recording": "",
            "run": "r1",
        },
    ),
    ("write_dossier", {"destination": "110-460106", "dossier": dossier(1), "at": NOW + 2.0}),
]
REACHED: list[Operation] = [
    ("update_dossier", {"handoff": "H1", "dossier": dossier(2), "at": NOW + 4.0}),
    (
        "handoff_state",
        {"handoff": "H1", "destination": "110-460106", "state": "confirmed", "at": NOW + 9.0},
    ),
    (
        "update_dossier",
        {"handoff": "H1", "dossier": dossier(3, notes=("在三楼",)), "at": NOW + 12.0},
    ),
    (
        "finish_call",
        {"call_id": "C1", "ended_at": NOW + 60.0, "outcome": "handed_off", "region": None},
    ),
]
BROKE_OFF: list[Operation] = [
    (
        "update_dossier",
        {"handoff": "H1", "dossier": dossier(2, flags=("interrupted",)), "at": NOW + 8.0},
    ),
    (
        "note_missed",
        {
            "call_id": "C1",
            "number": "13800138000",
            "did": "12345",
            "at": NOW + 8.0,
            "why": "danger",
            "danger": True,
            "next_try_at": NOW + 128.0,
        },
    ),
    (
        "finish_call",
        {"call_id": "C1", "ended_at": NOW + 8.0, "outcome": "abandoned", "region": None},
    ),
]


def apply(engine: Engine, operations: list[Operation]) -> None:
    for name, arguments in operations:
        with Session(engine) as session, session.begin():
            OPERATIONS[name](session, **arguments)


def given_up(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        break_off_call(session, call_id="C1", at=NOW + 200.0, own=False, call_back_at=NOW + 260.0)


def on_record(engine: Engine) -> dict[str, Any]:
    """What people and 110 read of the call, whatever the numbers of the revisions."""
    with Session(engine) as session:
        call, handoff = session.get_one(CallRow, "C1"), session.get_one(HandoffRow, "H1")
        waiting = session.scalars(select(OutboxRow).filter_by(state="waiting")).one()
        assert waiting.payload["revision"] == handoff.revision == handoff.dossier["revision"]
        newest = max(each.payload["revision"] for each in session.scalars(select(OutboxRow)))
        assert waiting.payload["revision"] == newest
        return {
            "call": (call.outcome, call.ended_at, call.lost),
            "reached": (handoff.connected_at, handoff.connected_to, handoff.flags),
            "dossier": {**handoff.dossier, "revision": 0},
            "told": {**waiting.payload, "revision": 0},
            "missed": [(each.why, each.at) for each in session.scalars(select(MissedCallRow))],
        }


@pytest.mark.parametrize("end", [REACHED, BROKE_OFF], ids=["reached", "broke-off"])
@pytest.mark.parametrize("known", range(5))
@pytest.mark.parametrize("twice", [False, True])
def test_what_the_node_writes_in_the_end_is_what_stands(
    engine: Engine, end: list[Operation], known: int, twice: bool
) -> None:
    operations = BEGIN + end
    at = min(2 + known, len(operations) - 1)
    apply(engine, operations[:at])
    given_up(engine)
    given_up(engine)
    apply(engine, operations[at:])
    if twice:  # the spool of a node that was killed as it emptied it
        apply(engine, operations)
    found = on_record(engine)
    ended = operations[-1][1]
    assert found["call"] == (ended["outcome"], ended["ended_at"], False)
    if end is REACHED:
        assert found["reached"] == (NOW + 9.0, "110-460106", [])
        assert found["missed"] == []
        if at < 5:
            assert found["dossier"]["notes"] == ["在三楼"]
    else:
        assert found["reached"][2] == ["interrupted"]
        assert found["missed"] == [("danger", NOW + 8.0)]
    assert found["told"] == found["dossier"]
