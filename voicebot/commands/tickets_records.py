"""How the commands of `voicebot tickets` read and change tickets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeVar

from voicebot.clock import BEIJING, today
from voicebot.commands.knowledge_common import database_sentences
from voicebot.commands.session import InputError, open_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

T = TypeVar("T")

DAYS = 30


def read_tickets(work: Callable[[Session], T], act: str, subject: str = "") -> T:
    """What `work` reads; that it is read is put on record before.

    Raises:
        RecordsUnavailable: the database cannot be read.
        SecurityError: it takes no write.
    """
    from voicebot.records.database import migrate, open_engine
    from voicebot.security import audit_local

    url = open_settings().database_url
    migrate(url)
    audit_local(url, act, subject[:255])
    return _within(open_engine(url), work)


def change_tickets(work: Callable[[Session], T], act: str, subject: str = "") -> T:
    """`work` in one transaction, on record as an act of this machine's user.

    Raises:
        RecordsUnavailable: the database cannot be written.
    """
    from voicebot.records.database import migrate, open_engine
    from voicebot.security import WRITE_PATIENCE_S, local_act

    def recorded(session: Session) -> T:
        done = work(session)
        session.add(local_act(act, subject[:255]))
        return done

    url = open_settings().database_url
    migrate(url)
    return _within(open_engine(url, writes=True, patience_s=WRITE_PATIENCE_S), recorded)


def _within(engine: Engine, work: Callable[[Session], T]) -> T:
    from sqlalchemy.orm import Session

    try:
        with (
            database_sentences("The tickets cannot be read or written", ""),
            Session(engine) as session,
            session.begin(),
        ):
            return work(session)
    finally:
        engine.dispose()


def day_of(option: str, text: str) -> date:
    """Raises InputError: it is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text}: give a day such as 2026-11-01.") from None


def period(since: str, until: str) -> tuple[float, float]:
    """Whole days in Hainan as [first, after the last), seconds since the epoch; 30 by default.

    Raises:
        InputError: they are no days, or in the wrong order.
    """
    last = day_of("--until", until) if until else today()
    first = day_of("--since", since) if since else last - timedelta(days=DAYS)
    if first > last or last.year > 2999:
        raise InputError(f"--since {first} --until {last}: the first day comes first.")
    return _midnight(first), _midnight(last + timedelta(days=1))


def minute(at: float | None) -> str:
    """In Beijing; empty for none."""
    return "" if at is None else datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M")


def _midnight(day: date) -> float:
    return datetime.combine(day, time.min, BEIJING).timestamp()
