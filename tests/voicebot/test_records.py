"""The records keep what they are told, whatever becomes of the database."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import event, func, select, text, update
from sqlalchemy.orm import Session

from tests.voicebot.postgres import sqlite_only
from voicebot.config import Settings
from voicebot.exchange.dossier import Dossier, TranscriptTurn
from voicebot.records.database import open_engine
from voicebot.records.store import COUNTERS, READERS, Records
from voicebot.records.tables import AuditRow, CallRow, DutyNumberRow

pytestmark = pytest.mark.usefixtures("database_url")

NOW = 1_790_000_000.0


def dossier(revision: int = 1, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "handoff": "H1",
        "revision": revision,
        "call_id": "C1",
        "caller": "13800138000",
        "did": "12345",
        "region": "460106",
        "category": 4,
        "lines": ("119",),
        "reason": "danger",
        "transcript": (TranscriptTurn(side="caller", text="着火了", start=1.0, end=2.0),),
    }
    return Dossier(**{**values, **changes}).model_dump(mode="json")


def opening(destination: str = "110-460106") -> dict[str, Any]:
    return {"destination": destination, "requested_at": NOW + 2.0}


async def written(*writes: Any) -> None:
    assert all(await asyncio.gather(*writes))


async def replayed(records: Records) -> None:
    async with asyncio.timeout(60):
        while not records.available:  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.05)


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Another process holds the database, or in PostgreSQL its tables, against writers."""
    engine = open_engine(settings.database_url, writes=True)
    try:
        with engine.connect() as connection, connection.begin() as lock:
            if engine.dialect.name == "postgresql":
                connection.execute(text('LOCK TABLE "call", handoff, ticket IN EXCLUSIVE MODE'))
            yield
            lock.rollback()
    finally:
        engine.dispose()


async def test_a_call_is_read_back_complete(records: Records) -> None:
    await written(
        records.start_call("C1", "13800138000", "12345", NOW, "/x.wav"),
        records.append(
            "C1",
            [
                {
                    "seq": 1,
                    "at": 1.5,
                    "direction": "out",
                    "kind": "Decide",
                    "payload": {"what": "handoff", "why": "phrase 着火了"},
                }
            ],
        ),
        records.add_turn(
            "C1", 0, {"side": "caller", "text": "着", "start": 1, "end": 1.2, "final": False}
        ),
        records.add_turn("C1", 0, {"side": "caller", "text": "着火了", "start": 1.0, "end": 2.0}),
        records.open_handoff(opening(), dossier()),
        records.handoff_state("H1", "110-460106", "confirmed", NOW + 7.0),
        records.save_ticket(
            {
                "id": "T1",
                "call_id": "C1",
                "matter": "路灯不亮",
                "place": "",
                "name": "",
                "number": "",
                "region": None,
                "department": None,
            }
        ),
        records.finish_call("C1", "handed_off", NOW + 30, "460106"),
    )
    call = await records.call("C1")
    assert call is not None
    assert (call["caller"], call["outcome"], call["region"]) == (
        "13800138000",
        "handed_off",
        "460106",
    )
    assert [turn["text"] for turn in call["turns"]] == ["着火了"]
    assert call["decisions"] == [{"at": 1.5, "what": "handoff", "why": "phrase 着火了"}]
    (handoff,) = call["handoffs"]
    assert (handoff["requested_at"], handoff["connected_at"]) == (2.0, 7.0)
    assert handoff["transcript"][0]["text"] == "着火了"
    assert handoff["lines"] == ["119"]
    assert call["tickets"][0]["matter"] == "路灯不亮"
    assert [each["call_id"] for each in await records.calls()] == ["C1"]
    assert await records.known("C1")
    assert await records.last_region("13800138000") == "460106"


async def test_an_unknown_call_is_none(records: Records) -> None:
    assert await records.call("nobody") is None
    assert not await records.known("nobody")
    assert await records.handoff("nobody") is None


async def test_a_final_turn_is_not_undone_by_a_late_partial(records: Records) -> None:
    final = {"side": "caller", "text": "着火了", "start": 1.0, "end": 2.0}
    await written(
        records.add_turn("C1", 0, final),
        records.start_call("C1", "", "", NOW),
        records.add_turn("C1", 0, {**final, "text": "找", "final": False}),
    )
    call = await records.call("C1")
    assert call is not None
    assert call["turns"][0]["text"] == "着火了"


async def test_a_handoff_and_its_message_are_written_together(records: Records) -> None:
    await written(records.open_handoff(opening(), dossier()))
    (message,) = await records.outbox(time.time() + 1)
    assert message["url"] == "http://127.0.0.1:8446/dossiers"
    assert message["payload"]["handoff"] == "H1"
    assert message["kind"] == "dossier"


async def test_a_newer_dossier_supersedes_what_was_not_delivered(records: Records) -> None:
    await written(
        records.open_handoff(opening(), dossier(1)),
        records.update_dossier("H1", dossier(3, region="460105")),
        records.update_dossier("H1", dossier(2)),
    )
    (message,) = await records.outbox(time.time() + 1)
    assert message["payload"]["revision"] == 3
    handoff = await records.handoff("H1")
    assert handoff is not None
    assert (handoff["revision"], handoff["region"]) == (3, "460105")
    assert [each["state"] for each in handoff["messages"]] == ["superseded", "waiting"]


async def test_the_next_route_gets_the_dossier_too(records: Records) -> None:
    await written(records.open_handoff(opening(), dossier()))
    (message,) = await records.outbox(time.time() + 1)
    await written(
        records.delivered(message["id"]),
        records.handoff_state("H1", "110-460106", "busy", NOW + 5),
        records.handoff_state("H1", "seat", "requested", NOW + 6),
        records.handoff_state("H1", "110-460106", "ringing", NOW + 4),
    )
    (again,) = await records.outbox(time.time() + 1)
    assert again["key"] == "H1:1:seat"
    handoff = await records.handoff("H1")
    assert handoff is not None
    assert (handoff["destination"], handoff["state"]) == ("seat", "requested")


async def waiting(records: Records, now: float | None = None) -> list[dict[str, Any]]:
    return await records.outbox(now or time.time() + 1)


async def test_a_growing_dossier_keeps_its_age_and_its_pause(records: Records) -> None:
    await written(records.open_handoff(opening(), dossier(1)))
    (first,) = await waiting(records)
    later = time.time() + 30
    await written(
        records.delivery_failed(first["id"], 3, later, "refused"),
        records.update_dossier("H1", dossier(2)),
    )
    assert await waiting(records) == []
    (second,) = await waiting(records, later + 1)
    assert second["payload"]["revision"] == 2
    assert (second["attempts"], second["created_at"]) == (3, first["created_at"])


async def test_a_failure_counts_for_the_revision_that_came_meanwhile(records: Records) -> None:
    await written(records.open_handoff(opening(), dossier(1)))
    (first,) = await waiting(records)
    later = time.time() + 30
    await written(
        records.update_dossier("H1", dossier(2)),
        records.delivery_failed(first["id"], 1, later, "refused"),
    )
    assert await waiting(records) == []
    (second,) = await waiting(records, later + 1)
    assert (second["attempts"], second["last_error"]) == (1, "refused")


async def test_a_delivery_ends_the_wait_of_the_next_revision(records: Records) -> None:
    await written(records.open_handoff(opening(), dossier(1)))
    (first,) = await waiting(records)
    await written(
        records.update_dossier("H1", dossier(2)),
        records.delivered(first["id"]),
    )
    (second,) = await waiting(records)
    assert second["created_at"] > time.time() - 10


async def test_a_route_tried_again_gets_the_dossier_again(records: Records) -> None:
    await written(
        records.open_handoff(opening("110-460106"), dossier()),
        records.handoff_state("H1", "seat", "requested", NOW + 6),
        records.handoff_state("H1", "110-460106", "requested", NOW + 7),
    )
    (message,) = await waiting(records)
    assert message["key"] == "H1:1:110-460106"


async def test_progress_that_comes_before_its_handoff_is_kept(records: Records) -> None:
    await written(
        records.handoff_state("H1", "seat", "confirmed", NOW + 7),
        records.open_handoff(opening("110-460106"), dossier()),
    )
    handoff = await records.handoff("H1")
    assert handoff is not None
    assert (handoff["destination"], handoff["state"]) == ("seat", "confirmed")
    assert (handoff["connected_at_epoch"], handoff["requested_at_epoch"]) == (NOW + 7, NOW + 2)
    assert (handoff["call_id"], handoff["category"]) == ("C1", 4)
    (message,) = await waiting(records)
    assert message["key"] == "H1:1:seat"


async def test_what_waits_for_one_address_hides_nothing_else(records: Records) -> None:
    for number in range(40):
        records.notify_line("power", f"N{number}", dossier(handoff=f"N{number}"))
    await written(records.open_handoff(opening(), dossier()))
    due = await records.outbox(time.time() + 1, per_address=3)
    assert [each["handoff"] for each in due] == ["H1", "N39", "N38", "N37"]
    again = await records.outbox(time.time() + 1, skip=[due[0]["id"], due[1]["id"]], per_address=1)
    assert [each["handoff"] for each in again] == ["N38"]


async def test_an_act_is_audited_once_however_often_it_is_replayed(records: Records) -> None:
    act = {"at": NOW, "principal": "a", "role": "admin", "action": "call.read", "subject": "C1"}
    for _ in range(2):
        await written(records._write("audit", **act, client="10.0.0.1", allowed=True))
    await written(records._write("audit", **{**act, "at": NOW + 1}, client="", allowed=True))
    assert await records.read(lambda session: session.scalar(select(func.count(AuditRow.id)))) == 2


async def test_a_faulty_row_of_the_directory_closes_nothing_but_itself(records: Records) -> None:
    def spoil(session: Session, number: str, **values: str) -> None:
        session.execute(update(DutyNumberRow).filter_by(number=number).values(**values))

    await records.transact(spoil, "seat", url="ws://10.0.0.9/x")
    await records.transact(spoil, "119", http_url="http://10.0.0.9")
    with structlog.testing.capture_logs() as lines:
        directory = await records.duty_directory()
    assert {each.number for each in directory} >= {"110-460106", "119"}
    assert "seat" not in {each.number for each in directory}
    assert {line["event"] for line in lines} == {"duty_number_left_out", "duty_number_unsafe"}


async def test_a_line_is_notified_once(records: Records) -> None:
    await written(
        records.notify_line("power", "H1", dossier()), records.notify_line("power", "H1", dossier())
    )
    (message,) = await records.outbox(time.time() + 1)
    assert message["kind"] == "notice"
    assert message["payload"]["handoff"] == "H1/power"


async def test_a_delivery_that_failed_waits_for_its_time(records: Records) -> None:
    await written(records.open_handoff(opening(), dossier()))
    (message,) = await records.outbox(time.time() + 1)
    later = time.time() + 30
    await written(records.delivery_failed(message["id"], 1, later, "refused"))
    assert await records.outbox(time.time() + 1) == []
    assert (await records.outbox(later + 1))[0]["attempts"] == 1


@pytest.mark.parametrize("caller", ["1" * 500, "138\x0000138000", "138\ud83d"])
async def test_nothing_that_a_switch_sends_costs_a_handoff(records: Records, caller: str) -> None:
    """PostgreSQL refuses what is longer than its column, and NUL."""
    await written(
        records.start_call("C1", caller, caller, NOW, caller),
        records.add_turn(
            "C1", 0, {"side": "caller", "text": f"着火了{caller}", "start": 1, "end": 2}
        ),
        records.open_handoff(opening(), dossier(reason=caller)),
        records.handoff_state("H1", "110-460106", "busy", NOW + 7.0),
        records.save_ticket({"id": "T1", "call_id": "C1", "matter": caller, "number": caller}),
        records.finish_call("C1", "handed_off", NOW + 30, "460106"),
    )
    call = await records.call("C1")
    assert call is not None
    assert call["turns"][0]["text"].startswith("着火了")
    assert len(call["handoffs"]) == len(call["tickets"]) == 1
    assert await waiting(records)


async def test_a_locked_database_is_bridged_by_the_spool(
    records: Records, settings: Settings
) -> None:
    await written(records.start_call("C1", "13800138000", "12345", NOW))
    with locked(settings):
        began = time.monotonic()
        assert await records.open_handoff(opening(), dossier())
        assert time.monotonic() - began < 20.0, "the lock is not waited for"
        assert await records.update_dossier("H1", dossier(2))
        assert await records.save_ticket({"id": "T1", "call_id": "C1", "matter": "m"})
        assert not records.available
    await replayed(records)
    call = await records.call("C1")
    assert call is not None
    assert call["handoffs"][0]["revision"] == 2
    assert call["tickets"][0]["id"] == "T1"
    assert not list((settings.paths.state / "spool").glob("re*.jsonl"))


async def test_order_is_kept_while_the_spool_is_replayed(
    records: Records, settings: Settings
) -> None:
    with locked(settings):
        await written(records.start_call("C1", "13800138000", "12345", NOW))
        await written(records.finish_call("C1", "first", NOW + 1))
        await written(records.finish_call("C1", "second", NOW + 2))
    await written(records.finish_call("C1", "third", NOW + 3))
    await replayed(records)
    call = await records.call("C1")
    assert call is not None
    assert call["outcome"] == "third"


async def test_a_second_call_of_one_id_changes_nothing(
    records: Records, settings: Settings
) -> None:
    await written(
        records.finish_call("C1", "answered", NOW + 9),  # late, out of the spool
        records.start_call("C1", "13800138000", "12345", NOW),
        records.start_call("C1", "13800138000", "12345", NOW),
    )
    assert await records.start_call("C1", "13900139000", "12345", NOW + 1) is False
    call = await records.call("C1")
    assert call is not None
    assert (call["caller"], call["started_at"]) == ("13800138000", NOW)
    (line,) = (settings.paths.state / "spool" / "rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["args"]["caller"] == "13900139000"


async def test_a_restart_replays_what_was_left(settings: Settings) -> None:
    records = await Records.open(settings)
    with locked(settings):
        await written(records.start_call("C1", "13800138000", "12345", NOW))
        await records.close()
    again = await Records.open(settings)
    assert await again.known("C1")
    await again.close()


@sqlite_only
async def test_a_start_without_a_database_still_keeps_calls(settings: Settings) -> None:
    state = settings.paths.state
    state.mkdir(parents=True)
    (state / "voicebot.db").write_bytes(b"this is no database" * 100)
    records = await Records.open(settings)
    assert await records.start_call("C1", "13800138000", "12345", NOW)
    assert not records.available
    assert not await records.known("C1")
    assert (await records.duty_directory()).resolve("110-460100").kind == "110"
    await records.close()
    (state / "voicebot.db").unlink()
    mended = await Records.open(settings)
    assert await mended.known("C1")
    await mended.close()


async def test_neither_database_nor_spool_is_said_so(settings: Settings) -> None:
    settings.paths.state.mkdir(parents=True)
    (settings.paths.state / "spool").write_text("a file where the folder should be")
    records = await Records.open(settings)
    with locked(settings):
        assert await records.open_handoff(opening(), dossier()) is False
    await records.close()


async def test_a_database_and_a_spool_that_hang_hold_up_no_handoff(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(settings, urgent_s=(0.03, 0.02))
    given_up = threading.Event()
    monkeypatch.setattr(records._writer, "submit", lambda _: True)
    monkeypatch.setattr(records._spool, "write", lambda _: given_up.wait(120) and None)
    assert await records.open_handoff(opening(), dossier()) is False
    given_up.set()
    await records.close()


async def test_a_slow_sync_holds_no_other_write_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(settings, urgent_s=(0.0, 0.01))
    monkeypatch.setattr(records._writer, "submit", lambda _: True)
    slow, sync = threading.Event(), records._spool.sync
    monkeypatch.setattr(records._spool, "sync", lambda handle: slow.wait(120) and sync(handle))
    for _ in range(5):
        assert await records.open_handoff(opening(), dossier()) is False
    records._spooler.shutdown()
    spooled = settings.paths.state / "spool" / "records.jsonl"
    assert len(spooled.read_text().splitlines()) == 5
    slow.set()
    await records.close()


async def test_a_write_that_can_never_succeed_does_not_stop_the_others(
    records: Records, settings: Settings
) -> None:
    broken = records.append(
        "C1", [{"seq": 1, "at": 1.0, "direction": "in", "kind": None, "payload": {}}]
    )
    good = records.start_call("C1", "13800138000", "12345", NOW)
    assert (await broken, await good) == (False, True)
    (line,) = (settings.paths.state / "spool" / "rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["op"] == "append"


async def test_a_torn_spool_line_spoils_nothing_else(settings: Settings, tmp_path: Path) -> None:
    spool = settings.paths.state / "spool"
    spool.mkdir(parents=True)
    call = {"call_id": "C1", "caller": "1", "did": "12345", "started_at": NOW, "recording": ""}
    whole = json.dumps({"op": "start_call", "args": call})
    deep = "[" * 50_000
    (spool / "records.jsonl").write_text("\n".join((deep, whole, whole[:20])))
    records = await Records.open(settings)
    assert await records.known("C1")
    await records.close()


async def test_the_duty_directory_follows_the_settings(settings: Settings) -> None:
    records = await Records.open(settings)
    directory = await records.duty_directory()
    assert directory.resolve("110-460106").name == "海口市龙华区110"
    assert directory.resolve("seat").kind == "seat"
    assert directory.resolve("020-61330000").kind == "railway"
    await records.close()
    moved = settings.model_copy(
        update={
            "handoff": settings.handoff.model_copy(update={"desk_url": "ws://127.0.0.1:9/line"})
        }
    )
    again = await Records.open(moved)
    assert (await again.duty_directory()).resolve("110-460106").url == "ws://127.0.0.1:9/line"
    await again.close()


@sqlite_only
@pytest.mark.parametrize("url", ["nonsense", "mongodb://x/y"])
async def test_a_senseless_database_url_is_refused(settings: Settings, url: str) -> None:
    from voicebot.records.errors import RecordsUnavailable

    wrong = settings.model_copy(
        update={"database": settings.database.model_copy(update={"url": url})}
    )
    with pytest.raises(RecordsUnavailable):
        await Records.open(wrong)


@sqlite_only
async def test_a_read_only_database_is_bridged_by_the_spool(settings: Settings) -> None:
    first = await Records.open(settings)
    await first.close()
    file = settings.paths.state / "voicebot.db"
    read_only = settings.model_copy(
        update={
            "database": settings.database.model_copy(
                update={"url": f"sqlite:///file:{file}?mode=ro&uri=true"}
            )
        }
    )
    records = await Records.open(read_only)
    assert await records.open_handoff(opening(), dossier())
    assert not records.available
    await records.close()
    again = await Records.open(settings)
    assert await again.handoff("H1") is not None
    await again.close()


async def test_an_act_is_written_whole_or_not_at_all(records: Records) -> None:
    def act(session: Session, call_id: str, *, fails: bool) -> str:
        session.add(CallRow(id=call_id))
        session.flush()
        if fails:
            raise ValueError("no")
        return "done"

    assert await records.transact(act, "C1", fails=False) == "done"
    with pytest.raises(ValueError, match="no"):
        await records.transact(act, "C2", fails=True)
    assert [await records.known(call_id) for call_id in ("C1", "C2")] == [True, False]


async def test_an_act_wakes_who_waits_for_writes(records: Records) -> None:
    woken = threading.Event()
    records.on_written(woken.set)
    await records.transact(lambda session: None)
    assert woken.is_set()


@contextmanager
def held_up(times: int, ask: Any) -> Iterator[None]:
    """So many queries that take as long as the block does."""
    over = threading.Event()
    asked = [asyncio.ensure_future(ask(lambda _: over.wait())) for _ in range(times)]
    try:
        yield
    finally:
        over.set()
        for each in asked:
            each.cancel()


async def test_figures_that_take_long_hold_up_no_call(records: Records) -> None:
    await written(records.start_call("C1", "13800138000", "12345", NOW))
    with held_up(READERS + COUNTERS, records.count):
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            assert await records.known("C1")


async def test_a_slow_database_keeps_nobody_waiting_whose_token_was_read_before(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.records.store.ASKED_S", 0.01)
    token = records.tokens.create("media")
    with held_up(READERS, records.read):
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            assert await records.token_fits(token, ["media"])


async def test_opening_a_hand_off_asks_the_database_little(records: Records) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement.split()[0])

    event.listen(records._writer_engine, "before_cursor_execute", note)
    await written(records.open_handoff(opening(), dossier()))
    event.remove(records._writer_engine, "before_cursor_execute", note)
    assert len(await records.outbox(time.time() + 1)) == 1
    # Does it exist, the hand-off, the desk's address, the message, and who wants to hear of it.
    assert [each for each in asked if each != "BEGIN"] == [
        *("SELECT", "INSERT", "SELECT", "INSERT", "INSERT")
    ]
