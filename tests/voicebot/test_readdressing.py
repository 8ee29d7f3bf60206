"""What waits for a desk follows it to its new address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.voicebot.exchange_messages import AT
from voicebot.config import Settings
from voicebot.duty.changing import Change, Who, apply
from voicebot.exchange.dossier import Dossier
from voicebot.records import duty
from voicebot.records.database import migrate, open_engine
from voicebot.records.operations import notify_line, write_dossier
from voicebot.records.store import Records
from voicebot.records.tables import DutyNumberRow, OutboxRow

NOW = AT.timestamp()
DESK, OTHER = "110-460106", "110-460105"


@pytest.fixture
def session(settings: Settings, database_url: str) -> Iterator[Session]:
    migrate(database_url)
    engine = open_engine(database_url, writes=True)
    with Session(engine) as opened, opened.begin():
        duty.write_seed(opened, settings.handoff)
        yield opened
    engine.dispose()


def dossier(handoff: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "call_id": "C1",
        "caller": "13800138000",
        "did": "12345",
        "region": "460106",
    }
    return Dossier(handoff=handoff, revision=1, **values).model_dump(mode="json")


def wait_for(session: Session, handoff: str, number: str, **values: Any) -> None:
    write_dossier(session, destination=number, dossier=dossier(handoff), at=NOW)
    waiting = {"attempts": 7, "next_attempt_at": NOW + 30, "last_error": "HTTP 503", **values}
    session.execute(update(OutboxRow).where(OutboxRow.handoff == handoff).values(**waiting))


def move(session: Session, number: str, http_url: str) -> None:
    before = {"http_url": session.get_one(DutyNumberRow, number).http_url}
    change = Change("number", number, before, {"http_url": http_url})
    apply(session, [change], Who("王", "wang", "新系统"), NOW + 1)


def urls(session: Session) -> dict[str, str]:
    session.expire_all()
    return {row.handoff: row.url for row in session.scalars(select(OutboxRow))}


def test_what_waits_goes_to_the_new_address_at_once(session: Session) -> None:
    wait_for(session, "H1", DESK)
    wait_for(session, "H2", OTHER)
    old = urls(session)["H2"]
    move(session, DESK, "https://desk.example/")
    assert urls(session) == {"H1": "https://desk.example/dossiers", "H2": old}
    row = session.scalars(select(OutboxRow).where(OutboxRow.handoff == "H1")).one()
    assert (row.attempts, row.next_attempt_at, row.last_error) == (0, NOW + 1, "")


def test_what_has_arrived_stays_as_it_was_sent(session: Session) -> None:
    wait_for(session, "H1", DESK, state="delivered")
    before = urls(session)
    move(session, DESK, "https://desk.example")
    assert urls(session) == before


def test_a_desk_without_an_address_leaves_the_old_one(session: Session) -> None:
    wait_for(session, "H1", DESK)
    before = urls(session)
    move(session, DESK, "")
    assert urls(session) == before


def test_a_notice_follows_the_desk_of_its_line(session: Session) -> None:
    session.execute(update(DutyNumberRow).values(http_url=""))
    notify_line(session, line="power", handoff="H1", dossier=dossier("H1"), at=NOW)
    assert urls(session) == {"H1": ""}
    move(session, "95598", "https://power.example")
    assert urls(session) == {"H1": "https://power.example/dossiers"}


async def test_a_start_with_other_addresses_in_the_settings_moves_what_waits(
    settings: Settings,
) -> None:
    records = await Records.open(settings)
    opening = {"destination": DESK, "requested_at": NOW}
    await records.open_handoff(opening, dossier("H1"))
    await records.close()
    moved = settings.handoff.model_copy(update={"desk_http": "https://desk.example"})
    again = await Records.open(settings.model_copy(update={"handoff": moved}))
    assert await again.read(urls) == {"H1": "https://desk.example/dossiers"}
    await again.close()
