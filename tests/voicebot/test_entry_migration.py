"""A knowledge base of the first release keeps its entries, its history and what it may say."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session

from kb import store
from kb.entry import Status
from voicebot.records.database import MIGRATIONS, migrate, open_engine

RECORDED = datetime(2026, 3, 1, 8, tzinfo=UTC)
OLD = [
    # id, version, status, valid_from
    ("spoken", 1, "approved", "2026-01-01"),
    ("spoken", 2, "draft", "2026-01-01"),
    ("reviewed", 1, "in_review", "2026-01-01"),
    ("reviewed", 2, "approved", "2026-01-01"),
    ("drafted", 1, "draft", "2026-01-01"),
    ("ended", 1, "approved", "2026-01-01"),
    ("ended", 2, "expired", "2026-01-01"),
    ("to-come", 1, "approved", "2026-06-01"),
    ("changing", 1, "approved", "2026-01-01"),
    ("changing", 2, "approved", "2026-06-01"),
]


def first_release(file: Path) -> str:
    """A database as the first release made it, with the entries `OLD`; its URL."""
    url = f"sqlite:///{file}"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = open_engine(url, writes=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    engine.dispose()
    with closing(sqlite3.connect(file)) as old, old:
        old.executemany(
            "INSERT INTO kb_entry_version VALUES (?,?,'类','厅','','问?',?,?,'[]','源','',"
            "?,'2026-12-31',?,'2026-03-01 08:00:00.000000','甲','原因')",
            [
                (name, version, json.dumps(["问法"]), f"答{version}", starts, status)
                for name, version, status, starts in OLD
            ],
        )
        old.execute("INSERT INTO kb_revision VALUES (1, 7)")
    return url


@pytest.fixture
def session(tmp_path: Path) -> Session:
    url = first_release(tmp_path / "records.db")
    migrate(url)
    return Session(open_engine(url))


def spoken(session: Session, day: date) -> dict[str, str]:
    return {entry.id: entry.answer for entry in store.published(session, day)}


def test_what_was_spoken_is_spoken_and_nothing_else(session: Session) -> None:
    assert spoken(session, date(2026, 3, 2)) == {
        "spoken": "答1",
        "reviewed": "答2",
        "changing": "答1",
    }
    assert spoken(session, date(2026, 6, 1)) == {
        "spoken": "答1",
        "reviewed": "答2",
        "changing": "答2",
        "to-come": "答1",
    }
    assert store.revision(session) == 7


def test_every_version_keeps_who_when_and_why(session: Session) -> None:
    first, second = store.history(session, "ended")
    assert (first.who, first.why, first.at) == ("甲", "原因", RECORDED)
    assert first.entry.variants == ("问法",)
    assert [step.status for step in first.steps] == [
        Status.IN_REVIEW,
        Status.APPROVED,
        Status.PUBLISHED,
    ]
    assert second.entry.status is Status.EXPIRED
    assert second.based_on == 1
