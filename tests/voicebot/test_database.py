"""The migrations make exactly the tables that the code has."""

import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from tests.voicebot.test_accounts_migration import to_revision
from voicebot.records import database
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


@pytest.mark.usefixtures("each_migration")
def test_several_databases_are_brought_up_to_date_at_once(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{n}.db" for n in range(4)]
    with ThreadPoolExecutor() as threads:
        assert len(set(threads.map(migrate, urls))) == 1


def test_a_database_that_is_up_to_date_is_not_waited_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    head = migrate(url)
    with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert migrate(url) == head
        assert time.monotonic() - began < 4.0


def test_a_table_that_others_use_is_not_waited_for_long_and_nothing_is_changed(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if empty_database_url.startswith("sqlite"):
        pytest.skip("SQLite has one lock for all tables")
    monkeypatch.setattr(database, "TABLES_LOCKED_S", 0.2)
    to_revision(empty_database_url, "0028")
    engine = open_engine(empty_database_url)
    with engine.connect() as backup:
        backup.execute(text("SELECT count(*) FROM call"))
        with pytest.raises(RecordsUnavailable, match="pg_stat_activity"):
            migrate(empty_database_url)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0028"
    engine.dispose()
    assert migrate(empty_database_url) > "0028"


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


def test_another_process_that_leaves_takes_no_log_from_one_that_writes(tmp_path: Path) -> None:
    """A second engine on the file must not cost the first one's locks."""
    file = tmp_path / "records.db"
    url = f"sqlite:///{file}"
    migrate(url)
    engine = open_engine(url, writes=True)

    def elsewhere() -> str:
        """How many notes another process finds before it leaves."""
        count = (
            "print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM note').fetchone())"
        )
        code = f"import sqlite3, sys; {count}"
        command = [sys.executable, "-c", code, str(file)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE note (words TEXT)")
        connection.commit()
        open_engine(url, writes=True).dispose()
        assert elsewhere() == "(0,)"
        connection.exec_driver_sql("INSERT INTO note VALUES ('路灯坏了')")
        connection.commit()
        assert elsewhere() == "(1,)"
    engine.dispose()


def test_a_database_that_others_may_read_becomes_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    file.touch(0o644)
    for _ in range(2):
        open_engine(f"sqlite:///{file}", writes=True).dispose()
        assert file.stat().st_mode & 0o777 == 0o600
