"""Of two who do the same thing first, at the same moment, the second finds what the other did."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.voicebot.test_claiming import dossier
from tests.voicebot.test_records_postgresql import settings_for
from voicebot.accounts.id_token import Identity
from voicebot.accounts.provided import admit
from voicebot.accounts.tables import AccountRow
from voicebot.agents import drafts, words
from voicebot.agents.tables import AgentDraftRow
from voicebot.records.store import Records

NOW = 1_790_000_000.0


@pytest.fixture
async def records(tmp_path: Path, postgresql_url: str) -> AsyncIterator[Records]:
    opened = await Records.open(settings_for(tmp_path / "a", postgresql_url))
    yield opened
    await opened.close()


async def at_once(
    records: Records, kind: type[Any], work: Callable[[Session], Any]
) -> list[Any | BaseException]:
    """What comes of `work` for two of whom each sees before that there is no row of this kind."""
    both = threading.Barrier(2, timeout=30)

    def done(session: Session) -> Any:
        if session.query(kind).first() is None:
            both.wait()
        return work(session)

    return await asyncio.gather(*(records.transact(done) for _ in range(2)), return_exceptions=True)


async def test_of_two_pages_that_begin_a_form_the_second_is_told(records: Records) -> None:
    def save(session: Session) -> int:
        return drafts.save(session, "C1", {"note": "x"}, agent="王芳", version=0, at=NOW)

    found = await at_once(records, AgentDraftRow, save)
    assert sorted(type(each) for each in found if each != 1) == [drafts.DraftChanged]
    assert 1 in found


async def test_a_person_who_comes_twice_for_the_first_time_is_in_twice(records: Records) -> None:
    person = Identity("https://id.example", "4711", "王芳", "agent")
    one, other = await at_once(
        records, AccountRow, lambda session: admit(session, person, "10.1.1.1", time.time())
    )
    assert one == other
    assert one.principal.name == "王芳"


async def test_of_two_officers_who_acknowledge_one_is_the_first(records: Records) -> None:
    opening = {"destination": "110-460106", "requested_at": NOW}
    assert await records.open_handoff(opening, dossier("H1"))
    found = await at_once(
        records,
        words.HandoffWordRow,
        lambda session: words.acknowledge(session, "H1", who="警号0123", at=NOW),
    )
    assert sorted(found) == [False, True]
    assert len(await records.read(words.words, "H1")) == 1
