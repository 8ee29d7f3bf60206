"""What the commands of `voicebot kb` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from voicebot.commands.session import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from kb.entry import Entry
    from kb.search import Searcher
    from voicebot.config import Settings

T = TypeVar("T")


def open_searcher(settings: Settings) -> Searcher:
    """The search over what is published today, as calls have it.

    Raises:
        InputError: nothing is published today.
    """
    from voicebot.knowledge import KnowledgeBase, open_embedder

    bring_up_to_date(settings)
    base = KnowledgeBase(settings)
    try:
        with database_sentences():
            knowledge = base.open(open_embedder(settings))
    finally:
        base.close()
    if not knowledge.entries or knowledge.searcher is None:
        raise InputError(
            "The knowledge base holds no entry that is valid today; "
            "`voicebot kb publish --demo` fills it with the demonstration entries."
        )
    return knowledge.searcher


def demonstration_searcher(settings: Settings, *, plain: bool) -> Searcher:
    """The search over the demonstration entries.

    Parameters:
        plain: with their own variants alone, without further ways to ask.
    """
    from kb.search import Searcher
    from kb.training_data import demonstration
    from voicebot.clock import today
    from voicebot.knowledge import open_embedder

    every = demonstration(today())
    data = every.plain() if plain else every
    embedder = open_embedder(settings)
    return Searcher.of(data.entries, embedder, gaps=data.unanswered, embed=embedder.embed_corpus)


def database_exists(settings: Settings) -> bool:
    """Whether there is a database to read; not so on a new machine."""
    from voicebot.records.database import sqlite_file

    file = sqlite_file(settings.database_url)
    return file is None or file.exists()


def bring_up_to_date(settings: Settings) -> None:
    """Migrate a database that an older release has made; make none where there is none."""
    from voicebot.records.database import migrate

    if database_exists(settings):
        migrate(settings.database_url)


def known_entries(settings: Settings, *, published: bool) -> list[Entry]:
    """What may be spoken now, or the newest version of every entry; none on a new machine."""
    from sqlalchemy.orm import Session

    from kb import store
    from voicebot.clock import now
    from voicebot.records.database import open_engine

    if not database_exists(settings):
        return []
    bring_up_to_date(settings)
    engine = open_engine(settings.database_url)
    try:
        with database_sentences(), Session(engine) as session:
            if published:
                return store.published(session, now())
            return store.newest(session)
    finally:
        engine.dispose()


def write_whole(file: Path, data: bytes) -> None:
    """Write a file whole or not at all: one that is cut short looks complete to its reader."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def change_knowledge(settings: Settings, change: Callable[[Session], T]) -> T:
    """Make a change of the knowledge base, in one transaction; what came of it, once it is kept."""
    from sqlalchemy.orm import Session

    from voicebot.records.database import LONG_WORK_S, migrate, open_engine
    from voicebot.security import WRITE_PATIENCE_S

    migrate(settings.database_url)
    engine = open_engine(
        settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S, idle_s=LONG_WORK_S
    )
    try:
        with Session(engine) as session, session.begin():
            return change(session)
    finally:
        engine.dispose()


@contextmanager
def database_sentences(
    failed: str = "The knowledge base cannot be read or written",
    advice: str = "On a new machine, run `voicebot kb publish --demo` first.",
) -> Iterator[None]:
    """What the database refuses becomes a sentence that says what to do."""
    from sqlalchemy.exc import SQLAlchemyError

    from voicebot.records.database import reason
    from voicebot.records.errors import RecordsUnavailable

    try:
        yield
    except SQLAlchemyError as error:
        raise RecordsUnavailable(f"{failed}: {reason(error)}. {advice}".rstrip()) from None


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; what it yields is told how much is done of how much (0: unknown)."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)

        yield tell


def entry_values(entry: Any, *, as_read: bool = False) -> dict[str, Any]:
    """An entry as JSON has it; `as_read`: with its answer as the voice reads it out."""
    from voicebot.call.voices.reading import spoken

    return {
        "id": entry.id,
        "version": entry.version,
        "status": entry.status.value,
        "region": entry.region,
        "category": entry.category,
        "department": entry.department,
        "question": entry.question,
        "answer": entry.answer,
        **({"spoken": spoken(entry.answer)} if as_read else {}),
        "valid_from": entry.valid_from.isoformat(),
        "valid_to": entry.valid_to.isoformat(),
    }
