"""The migrations make exactly the tables that the code has."""

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from voicebot.records.database import migrate, open_engine
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.metadata import METADATA


def test_migrations_and_models_agree(empty_database_url: str) -> None:
    migrate(empty_database_url)
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []  # type: ignore[arg-type]
    engine.dispose()


def test_migrating_again_changes_nothing(empty_database_url: str) -> None:
    assert migrate(empty_database_url) == migrate(empty_database_url) != ""


def test_a_database_that_is_up_to_date_is_not_waited_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    head = migrate(url)
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert migrate(url) == head
        assert time.monotonic() - began < 4.0


def test_a_missing_postgresql_driver_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RecordsUnavailable, match=r"voicebot\[postgres\]"):
        open_engine("postgresql+psycopg://bot@127.0.0.1/voicebot")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsUnavailable, match="cannot be brought up to date"):
        migrate(f"sqlite:///{tmp_path / 'file' / 'records.db'}")
