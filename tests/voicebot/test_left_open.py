"""A call whose service was killed is closed at the next start, and 110 is told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.voicebot.test_records import NOW, dossier, opening, written
from voicebot.callers.missed import listed
from voicebot.callers.missed_rules import BROKEN, DANGER_FIRST_S, Window
from voicebot.left_open import RunningCalls, close_left_open
from voicebot.records.breaking_off import NOTE
from voicebot.records.store import Records
from voicebot.records.tables import OutboxRow
from voicebot.retention import removing

pytestmark = pytest.mark.usefixtures("database_url")


def event(seq: int, at: float) -> dict[str, Any]:
    payload = {"at": at, "key": "1"}
    return {"seq": seq, "at": at, "direction": "in", "kind": "KeyPressed", "payload": payload}


async def begun(records: Records) -> None:
    """A call in danger that has got as far as 110's telephone."""
    await written(
        records.start_call("C1", "13800138000", "12345", NOW),
        records.append("C1", [event(1, 2.0), event(2, 7.5)]),
        records.open_handoff(opening(), dossier()),
    )


async def restarted(records: Records, folder: Path) -> dict[str, Any]:
    """What is on record of the call after the next start."""
    running = RunningCalls(folder)
    await close_left_open(running, running.left(), records)
    assert running.left() == []
    record = await records.call("C1")
    assert record is not None
    return record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RunningCalls(tmp_path / "running").begin("C1")
    return tmp_path / "running"


async def test_it_ends_at_its_last_event(records: Records, folder: Path) -> None:
    await begun(records)
    record = await restarted(records, folder)
    assert record["ended_at"] == NOW + 7.5
    assert record["outcome"] == "abandoned"


async def test_what_110_had_not_taken_over_is_marked_and_110_is_told(
    records: Records, folder: Path
) -> None:
    await begun(records)
    record = await restarted(records, folder)
    assert record["handoffs"][0]["dossier"]["flags"] == ["interrupted"]
    (message,) = await records.transact(
        lambda session: [
            dict(row.payload)
            for row in session.scalars(select(OutboxRow).where(OutboxRow.state == "waiting"))
        ]
    )
    assert message["revision"] == 2
    assert message["notes"] == [NOTE]


async def test_where_several_nodes_share_the_records_the_caller_is_called_back(
    records: Records, folder: Path
) -> None:
    """Not at once: a PBX may have put him through to a person."""
    await begun(records)
    running, before = RunningCalls(folder), time.time()
    await close_left_open(running, running.left(), records, Window())
    (missed,) = await records.read(listed, time.time(), everything=True)
    assert (missed["why"], missed["danger"]) == (BROKEN, True)
    assert missed["next_try_at"] >= before + DANGER_FIRST_S


async def test_what_110_had_taken_over_stays_as_it_is(records: Records, folder: Path) -> None:
    await begun(records)
    await written(records.handoff_state("H1", "110-460106", "confirmed", NOW + 5.0))
    record = await restarted(records, folder)
    assert record["outcome"] == "handed_off"
    assert record["handoffs"][0]["dossier"]["flags"] == []


@pytest.mark.parametrize("seat", ["seat", "seat@3"])
async def test_a_call_that_waited_for_a_seat_is_no_matter_for_110(
    records: Records, folder: Path, seat: str
) -> None:
    await written(
        records.start_call("C1", "13800138000", "12345", NOW),
        records.open_handoff(opening(seat), dossier()),
    )
    record = await restarted(records, folder)
    assert record["handoffs"][0]["dossier"]["flags"] == []


async def test_a_call_with_an_end_on_record_keeps_it(records: Records, folder: Path) -> None:
    await begun(records)
    await written(records.finish_call("C1", "answered", NOW + 60.0))
    before = await records.call("C1")
    assert await restarted(records, folder) == before


async def test_a_dossier_emptied_by_retention_meanwhile_is_left_so(
    records: Records, folder: Path
) -> None:
    await begun(records)
    await records.transact(lambda session: removing.transcripts(session, ["C1"]))
    record = await restarted(records, folder)
    assert record["ended_at"] == NOW + 7.5
    assert "notes" not in record["handoffs"][0]["dossier"]


async def test_it_is_closed_once(records: Records, folder: Path) -> None:
    await begun(records)
    first = await restarted(records, folder)
    RunningCalls(folder).begin("C1")
    assert await restarted(records, folder) == first


def test_a_call_that_has_ended_is_not_left_open(folder: Path) -> None:
    running = RunningCalls(folder)
    running.begin("来电/../1")
    assert running.left() == ["C1", "来电/../1"]
    running.end("来电/../1")
    assert running.left() == ["C1"]


def test_a_folder_that_cannot_be_written_stops_no_call(tmp_path: Path) -> None:
    (tmp_path / "running").write_text("")
    running = RunningCalls(tmp_path / "running")
    running.begin("C1")
    running.end("C1")
    assert running.left() == []
