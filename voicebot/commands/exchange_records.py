"""How `voicebot exchange` reads and changes what is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from voicebot.clock import BEIJING
from voicebot.commands.knowledge_common import bring_up_to_date, database_sentences
from voicebot.commands.session import InputError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from voicebot.config import Settings

P = ParamSpec("P")
T = TypeVar("T")

_FAILED = "The database cannot be read or written"
_ADVICE = "On a new machine, run `voicebot db migrate` first."


def day_of(text: str) -> date:
    """A day as it is given on a command line."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=BEIJING).date()
    except ValueError:
        raise InputError(f"{text}: give a day such as 2026-11-01.") from None


def read(
    settings: Settings,
    query: Callable[Concatenate[Session, P], T],
    *arguments: P.args,
    **named: P.kwargs,
) -> T:
    """What a query says, of a database that is up to date."""
    from sqlalchemy.orm import Session

    from voicebot.records.database import open_engine

    bring_up_to_date(settings)
    engine = open_engine(settings.database_url)
    try:
        with database_sentences(_FAILED, _ADVICE), Session(engine) as session:
            return query(session, *arguments, **named)
    finally:
        engine.dispose()


class Transact(Protocol):
    """`transact(work, …)` is `work(session, …)` in one transaction; what came of it."""

    def __call__(
        self, work: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T: ...


@contextmanager
def changing(settings: Settings) -> Iterator[Transact]:
    """How to change a database that is up to date."""
    from sqlalchemy.orm import Session

    from voicebot.records.database import migrate, open_engine
    from voicebot.security import WRITE_PATIENCE_S

    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S)

    def transact(
        work: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        with Session(engine) as session, session.begin():
            return work(session, *arguments, **named)

    try:
        with database_sentences(_FAILED, _ADVICE):
            yield transact
    finally:
        engine.dispose()
