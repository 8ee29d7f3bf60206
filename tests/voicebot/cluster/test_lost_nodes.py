"""The calls of a node that does not come back are ended, 110 is told and callers in danger are
called back; a node that was only cut off loses nothing of what it writes afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.voicebot.test_records import NOW, dossier, opening, written
from voicebot.callers.missed_rules import BROKEN, Window
from voicebot.callers.tables import MissedCallRow
from voicebot.cluster import lost_rules, signs_of_life
from voicebot.cluster.lost_nodes import LostNodes, end_call, give_up
from voicebot.cluster.lost_nodes import signs_of_life as signs
from voicebot.cluster.signs_of_life import sign, tell_life
from voicebot.cluster.tables import MediaRunRow
from voicebot.config import Settings
from voicebot.records.breaking_off import NOTE, WENT_ON
from voicebot.records.database import open_engine
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.operations import break_off_call
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow, CallRow, HandoffRow, OutboxRow

pytestmark = [
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.usefixtures("database_url"),
]

T = TypeVar("T")
AFTER_S = 0.3


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def watched(records: Records, alive: Sequence[str] = ()) -> AsyncIterator[None]:
    """A leader watches."""
    job = LostNodes(records, AFTER_S, Window(), lambda: alive, every_s=0.05)
    task = asyncio.create_task(job.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def begun(node: Records, reason: str = "danger", trunk: str = "public") -> None:
    """A node that has given a sign of life, with a caller on his way to 110."""
    await node.in_background(sign, node.run_id, "media1")
    started = {"at": 0.0, "call_id": "C1", "caller": "1", "did": "12345", "trunk": trunk}
    row = {"seq": 1, "at": 7.5, "direction": "in", "kind": "CallStarted", "payload": started}
    await written(
        node.start_call("C1", "13800138000", "12345", NOW),
        node.append("C1", [row]),
        node.open_handoff(opening(), dossier(reason=reason)),
    )


async def given_up(records: Records) -> None:
    """The leader has done all that it does of the node."""
    async with watched(records):
        await until(lambda: nothing_left(records))


async def nothing_left(records: Records) -> bool:
    return not await records.read(signs)


async def rows(records: Records, table: type[T]) -> list[T]:
    def all_of(session: Session) -> list[T]:
        found = list(session.scalars(select(table)))
        session.expunge_all()
        return found

    return await records.read(all_of)


async def call_of(records: Records) -> CallRow:
    (call,) = await rows(records, CallRow)
    return call


async def handoff_of(records: Records) -> HandoffRow:
    (handoff,) = await rows(records, HandoffRow)
    return handoff


async def missed_of(records: Records) -> list[MissedCallRow]:
    return await rows(records, MissedCallRow)


async def told(records: Records) -> list[tuple[int, list[str]]]:
    """Revision and flags of what waits for 110's desk."""
    waiting = [row for row in await rows(records, OutboxRow) if row.state == "waiting"]
    return [(row.payload["revision"], row.payload["flags"]) for row in waiting]


async def test_its_calls_end_and_110_is_told(records: Records) -> None:
    await begun(records)
    await given_up(records)
    call, handoff = await call_of(records), await handoff_of(records)
    assert (call.ended_at, call.outcome, call.lost) == (NOW + 7.5, "abandoned", True)
    assert handoff.flags == ["interrupted"]
    assert handoff.dossier["notes"] == [NOTE]
    assert await told(records) == [(2, ["interrupted"])]
    acts = [(act.action, act.subject) for act in await rows(records, AuditRow)]
    assert acts == [("node.lost", "media1 1")]


async def test_a_caller_in_danger_is_called_back_at_once(records: Records) -> None:
    await begun(records)
    await given_up(records)
    (missed,) = await missed_of(records)
    assert (missed.number, missed.did, missed.danger) == ("13800138000", "12345", True)
    assert missed.next_try_at <= time.time()


async def test_a_caller_with_another_matter_for_the_police_in_his_time(records: Records) -> None:
    await begun(records, reason="police_matter")
    await given_up(records)
    (missed,) = await missed_of(records)
    assert not missed.danger
    assert missed.next_try_at > time.time()


async def test_110_itself_is_not_called_back(records: Records) -> None:
    await begun(records, trunk="110")
    await given_up(records)
    assert await missed_of(records) == []


async def test_whom_110_had_is_neither_marked_nor_called_back(records: Records) -> None:
    await begun(records)
    await written(records.handoff_state("H1", "110-460106", "confirmed", NOW + 5.0))
    await given_up(records)
    assert (await handoff_of(records)).flags == []
    assert await missed_of(records) == []
    assert (await call_of(records)).outcome == "handed_off"


async def test_a_node_that_lives_keeps_its_calls(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs_of_life, "EVERY_S", 0.05)
    await begun(records)
    life = asyncio.create_task(tell_life(records, "media1", lambda: ["C1"]))
    async with watched(records):
        await asyncio.sleep(AFTER_S * 5)
    assert (await call_of(records)).ended_at is None
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def test_a_node_that_is_heard_over_nats_keeps_its_calls(records: Records) -> None:
    await begun(records)
    async with watched(records, alive=[records.run_id]):
        await asyncio.sleep(AFTER_S * 5)
    assert (await call_of(records)).ended_at is None


async def test_calls_of_a_node_that_gave_no_sign_at_all_end_as_well(records: Records) -> None:
    await written(records.start_call("C1", "13800138000", "12345", NOW))
    await given_up(records)
    assert (await call_of(records)).ended_at is not None


async def test_two_leaders_end_a_call_once(records: Records, settings: Settings) -> None:
    await begun(records)
    other = await Records.open(settings)
    async with watched(other):
        await given_up(records)
    await other.close()
    assert len(await missed_of(records)) == 1
    assert await told(records) == [(2, ["interrupted"])]


async def test_who_gives_a_sign_meanwhile_is_not_given_up(records: Records) -> None:
    await begun(records)
    (silent,) = await records.read(signs)
    assert await records.in_background(give_up, silent) == ["C1"]
    assert await records.in_background(sign, records.run_id, "media1")
    assert await records.in_background(give_up, silent) == []
    assert not await records.in_background(end_call, silent, "C1", NOW, NOW)
    assert (await call_of(records)).ended_at is None


async def test_a_call_that_went_on_while_its_node_was_cut_off_goes_on_on_record(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs_of_life, "EVERY_S", 0.05)
    await begun(records)
    life = asyncio.create_task(tell_life(records, "media1", lambda: ["C1"]))
    seen = await records.read(signs)

    async def seen_again() -> bool:
        return await records.read(signs) != seen

    await until(seen_again)

    def no_sign_for_long(session: Session) -> None:
        session.execute(update(MediaRunRow).values(lost_at=1.0))
        break_off(session)

    await records.transact(no_sign_for_long)

    async def goes_on() -> bool:
        return (await call_of(records)).ended_at is None

    await until(goes_on)
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
    handoff = await handoff_of(records)
    assert (handoff.flags, handoff.dossier["notes"]) == ([], [WENT_ON])
    assert await told(records) == [(3, [])]
    assert await missed_of(records) == []


async def test_a_call_goes_on_on_record_though_the_answer_to_the_sign_was_lost(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign stands, so that the next one finds nothing to be put right."""
    monkeypatch.setattr(signs_of_life, "EVERY_S", 0.05)
    await lost(records)
    await records.transact(lambda session: session.execute(update(MediaRunRow).values(lost_at=1.0)))
    signed = records.in_background
    failing = iter([RecordsUnavailable("server closed the connection"), OSError("cut off")])

    async def answer_lost(work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        done = await signed(work, *arguments, **named)
        for error in failing:
            raise error
        return done

    monkeypatch.setattr(records, "in_background", answer_lost)
    life = asyncio.create_task(tell_life(records, "media1", lambda: ["C1"]))

    async def goes_on() -> bool:
        return (await call_of(records)).ended_at is None

    await until(goes_on)
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
    assert await missed_of(records) == []


async def test_a_node_that_is_long_in_being_given_up_keeps_no_other_from_being_watched(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_rules, "LONGEST_GAP_S", 0.5)
    await begun(records)
    ended, late = asyncio.Event(), asyncio.Event()
    act = records.in_background

    async def slowly(work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        if work is end_call:
            ended.set()
            await late.wait()
        return await act(work, *arguments, **named)

    monkeypatch.setattr(records, "in_background", slowly)
    job = LostNodes(records, AFTER_S, Window(), lambda: (), every_s=0.05)
    task = asyncio.create_task(job.run())
    await ended.wait()
    looked = job._watch._looked_at
    async with asyncio.timeout(20):
        while job._watch._looked_at - looked < 1.0:  # noqa: ASYNC110 - of the watch itself
            await asyncio.sleep(0.02)
    late.set()
    await until(lambda: nothing_left(records))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await call_of(records)).lost


async def test_its_own_end_counts_though_another_is_ending_the_call_at_that_moment(
    records: Records,
) -> None:
    await begun(records)
    engine = open_engine(records._url, writes=True)
    with Session(engine) as leader, leader.begin():
        break_off(leader)
        leader.flush()
        finishing = asyncio.ensure_future(records.finish_call("C1", "handed_off", NOW + 130.0))
        await asyncio.sleep(0.3)  # it waits for the leader's lock, or has read what was before
        assert not finishing.done()
    assert await finishing
    engine.dispose()
    call = await call_of(records)
    assert (call.outcome, call.ended_at, call.lost) == ("handed_off", NOW + 130.0, False)
    assert (await handoff_of(records)).flags == []
    assert await missed_of(records) == []


def break_off(session: Session) -> None:
    """As the leader does it."""
    break_off_call(session, call_id="C1", at=NOW + 100.0, own=False, call_back_at=NOW + 160.0)


async def lost(records: Records) -> None:
    await begun(records)
    await records.transact(break_off)


async def test_what_its_node_writes_afterwards_counts(records: Records) -> None:
    """The spool of a node that was cut off: each of its revisions comes, none as an older one."""
    await lost(records)
    newer = dossier(2, notes=("在三楼",))
    await written(
        records.update_dossier("H1", newer),
        records.handoff_state("H1", "110-460106", "confirmed", NOW + 90.0),
        records.finish_call("C1", "handed_off", NOW + 130.0),
    )
    call, handoff = await call_of(records), await handoff_of(records)
    assert (call.outcome, call.ended_at, call.lost) == ("handed_off", NOW + 130.0, False)
    assert (handoff.flags, handoff.dossier["notes"]) == ([], ["在三楼"])
    ((revision, flags),) = await told(records)
    assert revision > 2
    assert flags == []
    assert await missed_of(records) == []


async def test_what_comes_twice_out_of_the_spool_changes_nothing(records: Records) -> None:
    await lost(records)
    again = records.update_dossier, records.finish_call
    await written(again[0]("H1", dossier(2)), again[1]("C1", "handed_off", NOW + 130.0))
    before = await told(records), (await handoff_of(records)).revision
    await written(
        again[0]("H1", dossier(1)),
        again[0]("H1", dossier(2)),
        again[1]("C1", "handed_off", NOW + 130.0),
    )
    assert (await told(records), (await handoff_of(records)).revision) == before


async def test_who_was_missed_by_the_words_of_the_node_itself_stays_missed(
    records: Records,
) -> None:
    await lost(records)
    note = {"call_id": "C1", "number": "13800138000", "did": "12345", "at": NOW + 125.0}
    await written(
        records.note_missed({**note, "why": "danger", "danger": True, "next_try_at": NOW + 245.0}),
        records.finish_call("C1", "abandoned", NOW + 125.0),
    )
    (missed,) = await missed_of(records)
    assert (missed.why, missed.at) == ("danger", NOW + 125.0)


async def test_a_node_that_was_killed_puts_its_own_end_before_the_guess(records: Records) -> None:
    """It had written more into its spool, and has broken off after all."""
    await lost(records)
    later = {"at": 40.0, "key": "1"}
    row = {"seq": 2, "at": 40.0, "direction": "in", "kind": "KeyPressed", "payload": later}
    await written(records.append("C1", [row]), records.update_dossier("H1", dossier(2)))
    await written(records.break_off_call("C1", NOW + 4000.0, call_back_at=NOW + 4060.0))
    call, handoff = await call_of(records), await handoff_of(records)
    assert (call.ended_at, call.lost) == (NOW + 40.0, False)
    assert handoff.flags == ["interrupted"]
    assert [missed.why for missed in await missed_of(records)] == [BROKEN]
    before = handoff.revision
    await written(records.break_off_call("C1", NOW + 5000.0, call_back_at=NOW + 5060.0))
    assert (await handoff_of(records)).revision == before
