"""Who acts on the knowledge base at the command line, when, and what comes of it."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from voicebot.clock import BEIJING
from voicebot.commands.knowledge_common import (
    bring_up_to_date,
    change_knowledge,
    database_sentences,
)
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from kb.entry import Entry
    from kb.ledger import Act

T = TypeVar("T")

Name = Annotated[str, typer.Argument(help="An entry's id.")]
Names = Annotated[list[str], typer.Argument(help="Ids of entries.")]
Who = Annotated[str, typer.Option("--as", help="Your name, where several people share the login.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the history.")]
At = Annotated[
    str, typer.Option("--at", help="From which minute on, Hainan's time: '2026-12-01 08:00'.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def by(who: str, why: str) -> Act:
    """Who does something, at this moment: the name given, with the login beside it."""
    from kb.ledger import Act

    login = getpass.getuser()
    return Act(who.strip() or login, why, login)


def minute_of(text: str) -> datetime | None:
    """A minute in Hainan's time; None for no text.

    Raises:
        InputError: it is no minute.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(f"--at {text!r}: write a minute such as '2026-12-01 08:00'.") from None
    if moment.second or moment.microsecond:
        raise InputError(f"--at {text!r}: full minutes only.")
    return moment


def tell(entry: Entry, as_json: bool) -> None:
    """What an entry has become."""
    from kb.entry_form import values_of

    if as_json:
        head = {"id": entry.id, "version": entry.version, "status": entry.status.value}
        print_json(head | values_of(entry))
    else:
        typer.echo(f"{entry.id} v{entry.version} {entry.status.value}  {entry.question}")


def act_on(
    action: str, changes: Sequence[Callable[[Session], Entry]], as_json: bool
) -> list[Entry]:
    """Make all changes or none, with an audit row each, then tell."""
    from voicebot.security import local_act

    done: list[Entry] = []

    def change(session: Session) -> None:
        for each in changes:
            entry = each(session)
            session.add(local_act(action, f"{entry.id} v{entry.version}"))
            done.append(entry)

    with database_sentences():
        change_knowledge(open_settings(), change)
    for entry in done:
        tell(entry, as_json)
    return done


def read_knowledge(read: Callable[[Session], T]) -> T:
    """What is on record."""
    from sqlalchemy.orm import Session

    from voicebot.records.database import open_engine

    settings = open_settings()
    with database_sentences():
        bring_up_to_date(settings)
        engine = open_engine(settings.database_url)
        try:
            with Session(engine) as session:
                return read(session)
        finally:
            engine.dispose()


def local(moment: datetime) -> str:
    """A moment as people in Hainan write it."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")
