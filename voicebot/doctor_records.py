"""`voicebot doctor` on what is kept: state folder, database, knowledge base, tokens, keys.

Nothing is written or made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voicebot.finding import Check

if TYPE_CHECKING:
    from voicebot.config import Settings
    from voicebot.config_webhooks import Webhook

_MIGRATE = "Run `voicebot db migrate`."
_PUBLISH = "Run `voicebot kb publish FILE`, or `voicebot kb publish --demo` for a trial."


def state_folder(folder: Path) -> Check:
    """There, writable, private, and nothing left over in the spool."""
    name = "state folder"
    if not folder.exists():
        return Check(name, None, f"{folder} is not there yet", f"{_MIGRATE} Or set paths.state.")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Check(
            name, False, f"{folder} cannot be used", "Mend its owner and mode, or set paths.state."
        )
    rejected = folder / "spool" / "rejected.jsonl"
    if rejected.exists():
        return Check(
            name, None, f"{rejected} holds writes that the database refused",
            "Let somebody who may see personal data look at them, then move the file away.",
        )  # fmt: skip
    if folder.stat().st_mode & 0o077:
        return Check(
            name, None, f"{folder} is open to other users", f"Run `chmod -R go= {folder}`."
        )
    return Check(name, True, f"{folder}, its owner's alone")


def database(url: str) -> Check:
    """Reachable, and its tables up to date."""
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    from voicebot.records.database import MIGRATIONS, reason, sqlite_file

    check_url = "Mend database.url; empty means SQLite in the state folder."
    try:
        target = make_url(url)
        shown = target.render_as_string(hide_password=True)
        engine = create_engine(target)
        file = sqlite_file(url)
    except (ArgumentError, NoSuchModuleError):
        # Not the URL itself: what stands in it may be a password.
        return Check("database", False, "database.url is no address of a database", check_url)
    except ImportError as error:
        return Check(
            "database", False, f"the driver of {shown} is missing ({error.name})",
            "Run `pip install 'voicebot[postgres]'` and write postgresql+psycopg://…",
        )  # fmt: skip
    if file is not None and not file.exists():
        return Check("database", None, f"{shown} is not there yet", _MIGRATE)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        return Check(
            "database", False, f"{shown} cannot be read: {reason(error)}",
            "Check that the server runs and database.url is right. Put a damaged file's copy back.",
        )  # fmt: skip
    finally:
        engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    if current != head:
        detail = f"{shown} is at {current or 'nothing'}, the program at {head}"
        return Check("database", False, detail, _MIGRATE)
    return Check("database", True, f"{shown}, up to date")


def knowledge_base(settings: Settings) -> Check:
    """Something is published that may be spoken today."""
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.orm import Session

    from kb import store
    from voicebot.clock import now
    from voicebot.records.database import open_engine, reason
    from voicebot.records.errors import RecordsUnavailable

    name, without = "knowledge base", "every question becomes a ticket"
    try:
        engine = open_engine(settings.database_url)
        try:
            with Session(engine) as session:
                entries = len(store.published(session, now()))
        finally:
            engine.dispose()
    except (SQLAlchemyError, RecordsUnavailable) as error:
        return Check(name, None, f"cannot be read ({reason(error)}); {without}", _PUBLISH)
    if not entries:
        return Check(name, None, f"no entry is valid today; {without}", _PUBLISH)
    if not any((settings.paths.state / "knowledge").glob("kb-*.npz")):
        return Check(
            name, None, f"{entries} entries, no index yet: the next start makes it",
            "Run `voicebot kb publish`.",
        )  # fmt: skip
    return Check(name, True, f"{entries} entries valid today")


def tokens(settings: Settings) -> Check:
    """Lines can connect, people can look, and desks know us."""
    from voicebot.security import SecurityError, desk_token, token_store

    try:
        kept = token_store(settings)
        try:
            listed = kept.listed()
        finally:
            kept.close()
    except SecurityError as error:
        return Check("tokens", None, str(error).partition(". ")[0], f"{_MIGRATE} It makes them.")
    roles = {row["role"] for row in listed if row["revoked_at"] is None}
    if {"media", "admin"} - {row["role"] for row in listed}:
        return Check("tokens", True, "made, and shown once, at the first start of `voicebot serve`")
    for role, without in (("media", "no line can connect"), ("admin", "nobody can administer")):
        if role not in roles:
            return Check(
                "tokens", False, f"no valid token of the role {role}: {without}",
                f"Run `voicebot token create {role} --name WHOM`.",
            )  # fmt: skip
    if desk_token(settings) is None:
        return Check(
            "tokens", False, "no token to show to the desks: hand-offs will be refused",
            "Set handoff.desk_token, or run `voicebot token create desk --save`.",
        )  # fmt: skip
    return Check("tokens", True, f"valid for {', '.join(sorted(roles))}")


def webhooks(named: Sequence[Webhook]) -> Check:
    """Events can be signed; no call needs it."""
    from voicebot.exchange.keys import KeyUnusable, read_secret

    for each in named:
        try:
            read_secret(each.secret_file)
        except KeyUnusable as error:
            return Check("webhooks", None, f"{each.name} is told nothing", f"{error}.")
    names = ", ".join(each.name for each in named)
    return Check("webhooks", True, f"{names}: `voicebot webhooks list` says what waits")
