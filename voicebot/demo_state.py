"""A state folder of the demonstration's own, with what is published and nothing personal.

The service that `make run` keeps up must meet neither the demonstration's calls nor its
desk, so both have their own database, spool and tokens. Rendered audio, the search index
and the vectors are shared as they are: by hard link where the disk can, else by copy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from sqlalchemy import insert, select

from kb.store import metadata as knowledge_base
from voicebot.config import Settings
from voicebot.records.database import migrate, open_engine
from voicebot.security import WRITE_PATIENCE_S, prepare
from voicebot.state_folder import make_private

_SHARED = ("audio", "knowledge")
_VECTORS = "vectors.sqlite"


def demo_settings(settings: Settings, state: Path) -> Settings:
    """`settings` for a service of its own in `state`, on loopback."""
    return settings.model_copy(
        update={
            "paths": settings.paths.model_copy(update={"state": state}),
            "database": settings.database.model_copy(update={"url": ""}),
        }
    )


def environment(state: Path, port: int, desk_port: int) -> dict[str, str]:
    """What makes a process one of the demonstration: its folder, its ports, its own desk."""
    return {
        "VOICEBOT_PATHS__STATE": str(state),
        "VOICEBOT_DATABASE__URL": "",
        "VOICEBOT_SERVER__HOST": "127.0.0.1",
        "VOICEBOT_SERVER__PORT": str(port),
        "VOICEBOT_SIP__ENABLED": "false",
        "VOICEBOT_SERVER__TLS_CERTIFICATE": "",
        "VOICEBOT_SERVER__TLS_KEY": "",
        "VOICEBOT_HANDOFF__DESK_URL": f"ws://127.0.0.1:{desk_port}/line",
        "VOICEBOT_HANDOFF__DESK_HTTP": f"http://127.0.0.1:{desk_port}",
        # Never the seats and tokens of the platform that is configured.
        "VOICEBOT_HANDOFF__SEAT_URL": "",
        "VOICEBOT_HANDOFF__SEAT_HTTP": "",
        "VOICEBOT_HANDOFF__DESK_TOKEN": "",
    }


def fill(settings: Settings, state: Path) -> Settings:
    """Make `state` ready for a service: what is published, and tokens that nobody prints.

    Raises:
        RecordsUnavailable: one of the databases cannot be used.
    """
    own = demo_settings(settings, make_private(state))
    for name in _SHARED:
        if (settings.paths.state / name).is_dir():
            shutil.copytree(settings.paths.state / name, state / name, copy_function=_link)
    with contextlib.suppress(sqlite3.Error):  # a cache
        _copy_vectors(settings.paths.state / _VECTORS, state / _VECTORS)
    migrate(own.database_url)
    _copy_knowledge(settings.database_url, own.database_url)
    prepare(own)
    return own


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _copy_vectors(source: Path, target: Path) -> None:
    if source.is_file():
        with (
            contextlib.closing(sqlite3.connect(source)) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)


def _copy_knowledge(source_url: str, target_url: str) -> None:
    source = open_engine(source_url)
    target = open_engine(target_url, writes=True, patience_s=WRITE_PATIENCE_S)
    try:
        with source.connect() as reading, target.begin() as writing:
            for table in knowledge_base.sorted_tables:
                rows = [dict(row) for row in reading.execute(select(table)).mappings()]
                if rows:
                    writing.execute(insert(table), rows)
    finally:
        source.dispose()
        target.dispose()
