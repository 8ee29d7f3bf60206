"""What only a database server does: it is away, is killed, and has several who write at once."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.voicebot.postgres import Postgres, fresh_server
from voicebot.auditing.keeping import lock_head
from voicebot.config import Settings, load_settings
from voicebot.exchange.dossier import Dossier
from voicebot.records.database import migrate, open_engine
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow, CallRow

NOW = 1_790_000_000.0
OPENING = {"destination": "110-460106", "requested_at": NOW}


def dossier(handoff: str, revision: int = 1) -> dict[str, Any]:
    return Dossier(
        handoff=handoff, revision=revision, call_id="C1", caller="13800138000", did="12345"
    ).model_dump(mode="json")


def settings_for(folder: Path, url: str) -> Settings:
    folder.mkdir(exist_ok=True)
    file = folder / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{folder}"\n[database]\nurl = "{url}"\n')
    return load_settings(file)


async def replayed(records: Records) -> None:
    async with asyncio.timeout(120):
        while not records.available:  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.05)


@pytest.fixture
def server() -> Iterator[Postgres]:
    """One that this test may kill."""
    own = fresh_server()
    try:
        own.start()
        yield own
    finally:
        own.remove()


async def test_nothing_is_lost_while_the_server_is_killed_and_comes_back(
    server: Postgres, tmp_path: Path
) -> None:
    records = await Records.open(settings_for(tmp_path / "a", server.url(server.create())))
    assert await records.open_handoff(OPENING, dossier("H1"))
    await asyncio.to_thread(server.kill)
    assert await records.open_handoff(OPENING, dossier("H2"))
    assert await records.update_dossier("H1", dossier("H1", 2))
    assert not records.available
    await asyncio.to_thread(server.start)
    await replayed(records)
    assert await records.open_handoff(OPENING, dossier("H3"))
    revisions = {}
    for name in ("H1", "H2", "H3"):
        handoff = await records.handoff(name)
        assert handoff is not None
        revisions[name] = handoff["revision"]
    assert revisions == {"H1": 2, "H2": 1, "H3": 1}
    await records.close()


async def test_a_server_that_is_away_at_the_start_costs_no_call(
    postgresql_url: str, tmp_path: Path
) -> None:
    away = postgresql_url.partition("?")[0] + f"?host={tmp_path}"
    records = await Records.open(settings_for(tmp_path / "a", away))
    assert await records.open_handoff(OPENING, dossier("H1"))
    assert not records.available
    await records.close()
    again = await Records.open(settings_for(tmp_path / "a", postgresql_url))
    assert await again.handoff("H1") is not None
    await again.close()


def test_a_process_that_is_frozen_while_it_writes_the_audit_does_not_stop_the_others(
    postgresql_url: str,
) -> None:
    frozen = open_engine(postgresql_url, writes=True, idle_s=0.3)
    other = open_engine(postgresql_url, writes=True, patience_s=30.0)
    with Session(frozen) as holds:
        lock_head(holds)
        with Session(other) as session, session.begin():
            session.add(AuditRow(at=NOW, principal="a", role="admin", action="x"))
        with pytest.raises(DBAPIError):
            holds.execute(text("SELECT 1"))
        holds.invalidate()


@pytest.mark.parametrize(
    ("writes", "expected"), [(True, "10s"), (False, "0")], ids=["a writer", "a reader"]
)
def test_only_a_transaction_that_writes_may_not_be_idle(
    postgresql_url: str, writes: bool, expected: str
) -> None:
    with Session(open_engine(postgresql_url, writes=writes)) as session:
        assert session.scalar(text("SHOW idle_in_transaction_session_timeout")) == expected


def test_two_processes_that_start_together_bring_the_tables_up_to_date(
    empty_database_url: str,
) -> None:
    with ThreadPoolExecutor(2) as pool:
        reached = list(pool.map(migrate, [empty_database_url] * 2))
    assert reached[0] == reached[1] != ""


async def test_two_processes_that_write_of_one_handoff_lose_nothing(
    postgresql_url: str, tmp_path: Path
) -> None:
    one, other = [
        await Records.open(settings_for(tmp_path / name, postgresql_url)) for name in ("a", "b")
    ]
    names = [f"H{number}" for number in range(40)]
    confirmed = await asyncio.gather(
        *(one.open_handoff(OPENING, dossier(name)) for name in names),
        *(other.handoff_state(name, "seat", "confirmed", NOW + 7) for name in reversed(names)),
        *(one.save_ticket({"id": name, "call_id": "C1", "matter": "m"}) for name in names),
        *(other.save_ticket({"id": name, "call_id": "C1", "matter": "m"}) for name in names),
    )
    assert all(confirmed)
    await replayed(one)
    await replayed(other)
    for name in names:
        handoff = await one.handoff(name)
        assert handoff is not None
        assert (handoff["revision"], handoff["state"]) == (1, "confirmed")
    messages = await other.outbox(time.time() + 1, per_address=1000)
    assert {each["handoff"] for each in messages} == set(names)
    await one.close()
    await other.close()


async def test_a_row_that_another_process_writes_at_this_moment_is_found(
    postgresql_url: str, tmp_path: Path
) -> None:
    records = await Records.open(settings_for(tmp_path / "a", postgresql_url))
    engine = open_engine(postgresql_url)
    with Session(engine) as other, Session(engine) as watching:
        other.add(CallRow(id="C1", caller="13800138000", did="12345", recording=""))
        other.flush()
        write = records.finish_call("C1", "answered", NOW)
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not watching.scalar(waiting):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.01)
        other.commit()
    assert await write
    await replayed(records)
    call = await records.call("C1")
    assert call is not None
    assert (call["caller"], call["outcome"]) == ("13800138000", "answered")
    engine.dispose()
    await records.close()
