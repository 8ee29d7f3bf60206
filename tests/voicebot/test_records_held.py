"""What neither the database nor the disk can take is held, and written when one of them can."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from tests.voicebot.test_records import NOW, dossier, locked, opening, replayed
from voicebot.config import Settings
from voicebot.records.store import Records

pytestmark = pytest.mark.usefixtures("database_url")


@contextmanager
def full(settings: Settings) -> Iterator[None]:
    """No file can be made in the spool's folder."""
    spool = settings.paths.state / "spool"
    spool.parent.mkdir(mode=0o700, exist_ok=True)
    spool.write_text("a file where the folder should be")
    yield
    spool.unlink()


def turn(text: str) -> dict[str, Any]:
    return {"side": "caller", "text": text, "start": 1.0, "end": 2.0}


async def test_nothing_is_lost_and_nobody_was_told_that_it_is_safe(
    records: Records, settings: Settings
) -> None:
    with locked(settings), full(settings):
        begun = await records.start_call("C1", "13800138000", "12345", NOW)
        transferred = await records.open_handoff(opening(), dossier())
        said = await records.add_turn("C1", 1, turn("着火"))
        more = await records.add_turn("C1", 1, turn("着火了"))
        assert not records.available
    assert [begun, transferred, said, more] == [False] * 4
    await replayed(records)
    record = await records.call("C1")
    assert record is not None
    assert [each["text"] for each in record["turns"]] == ["着火了"], "in order"
    assert record["handoffs"][0]["dossier"]["handoff"] == "H1"


async def test_what_is_held_goes_to_the_spool_when_the_disk_has_room_before_the_database_is_back(
    records: Records, settings: Settings
) -> None:
    with locked(settings):
        with full(settings):
            assert not await records.start_call("C1", "13800138000", "12345", NOW)
        async with asyncio.timeout(30):
            while not (settings.paths.state / "spool" / "records.jsonl").exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await records.add_turn("C1", 1, turn("着火了"))
    await replayed(records)
    record = await records.call("C1")
    assert record is not None
    assert record["turns"]


async def test_only_so_much_is_held(
    settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records._writer, "_most_held", 2)
    with structlog.testing.capture_logs() as logs, locked(settings), full(settings):
        for number in range(4):
            await records.start_call(f"C{number}", "13800138000", "12345", NOW)
    await replayed(records)
    assert [await records.call(f"C{n}") is not None for n in range(4)] == [True, True, False, False]
    assert sum(each.get("count", 0) for each in logs if each["event"] == "writes_lost") == 2
