"""What all migrations make of an empty SQLite file is made once a run, and then repeated.

They take a sixth of a second of processor time, and most tests begin with a fresh database.
In the tests' own process the one step from nothing to the newest revision is therefore taken
by the statements that its result consists of, in 6 ms; every other step, and every process
of its own, goes the whole way. A test that is about this step asks for `each_migration`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from voicebot.records.database import MIGRATIONS, open_engine

_upgrade, _read_scripts = command.upgrade, ScriptDirectory.from_config


def migrate_step_by_step(file: Path) -> None:
    """As `voicebot.records.database.migrate` does elsewhere."""
    engine = open_engine(f"sqlite:///{file}", writes=True)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        _upgrade(config, "head")
    engine.dispose()


def statements(file: Path) -> list[str]:
    """Those that make an empty database equal to this one, within a transaction."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        return list(database.iterdump())[1:-1]


@cache
def _scripts(folder: str) -> ScriptDirectory:
    return ScriptDirectory(folder)


def _scripts_once(config: Config) -> ScriptDirectory:
    """The migrations' modules are read once, too."""
    folder = config.get_main_option("script_location")
    return _scripts(folder) if folder == str(MIGRATIONS) else _read_scripts(config)


@pytest.fixture(scope="session", autouse=True)
def _migrations_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    @cache
    def all_tables() -> list[str]:
        file = tmp_path_factory.mktemp("all-tables") / "voicebot.db"
        migrate_step_by_step(file)
        return statements(file)

    def upgrade(config: Config, revision: str, **options: Any) -> None:
        connection: Connection | None = config.attributes.get("connection")
        if (
            revision != "head"
            or connection is None
            or connection.dialect.name != "sqlite"
            or inspect(connection).get_table_names()
        ):
            _upgrade(config, revision, **options)
        else:
            for statement in all_tables():
                connection.exec_driver_sql(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade)
        patch.setattr(ScriptDirectory, "from_config", _scripts_once)
        yield


@pytest.fixture
def each_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "upgrade", _upgrade)
