"""`voicebot kb import`: entries from files and into files."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.knowledge_common import change_knowledge, database_sentences
from voicebot.commands.session import InputError, open_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from kb.headings import RowError

SHOWN = 20
"""Faults of a file that are printed; the rest is counted."""


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV of entries, UTF-8 or GBK.")],
    phrasings: Annotated[
        Path | None, typer.Option(help="CSV with more ways to ask: id, phrasing.")
    ] = None,
    gaps: Annotated[
        Path | None, typer.Option(help="Questions known to have no entry, one a line.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Only read the files and say what is wrong.")] = False,
) -> None:
    """Take entries from a CSV file; faulty rows are named and left out, good ones kept.

    Running services take up the change within seconds. `voicebot kb publish` renders
    the audio beforehand.

    \b
    Examples:
      voicebot kb import faq.csv
      voicebot kb import faq.csv --check
      voicebot kb import faq.csv --phrasings phrasings.csv
    """
    settings = open_settings()
    change, faults = read_files(file, phrasings, gaps)
    if check:
        raise typer.Exit(1 if faults else 0)
    with database_sentences():
        change_knowledge(settings, change)
    raise typer.Exit(1 if faults else 0)


def read_files(
    file: Path,
    phrasings: Path | None,
    gaps: Path | None,
    *,
    who: str = "",
    reviewed_by: str = "",
    publish: bool = False,
) -> tuple[Callable[[Session], object], int]:
    """What the files change in the knowledge base, and how many rows were faulty."""
    from kb import store
    from kb.corpus import read_gaps
    from kb.importer import read_entries, read_phrasings
    from voicebot.security import local_act

    login = getpass.getuser()
    who = who or login
    imported = read_entries(_bytes(file))
    faults = _tell(file, imported.errors, imported.warnings)
    if not imported.entries:
        raise InputError(f"{file} holds no usable entry; nothing was changed.")
    extra = read_phrasings(_bytes(phrasings)) if phrasings is not None else None
    if extra is not None and phrasings is not None:
        faults += _tell(phrasings, extra.errors, extra.warnings)
    unanswered = read_gaps(gaps) if gaps is not None else ()

    def change(session: Session) -> None:
        stored = store.import_entries(
            session,
            imported.entries,
            who,
            why=f"import {file.name}",
            login=login,
            reviewed_by=reviewed_by,
            publish=publish,
        )
        more = store.import_phrasings(session, extra.phrasings, who) if extra else 0
        store.import_gaps(session, unanswered, who)
        session.add(local_act("kb.import", f"{file.name}: {len(imported.entries)} entries"))
        typer.echo(
            f"{len(stored.added)} entries added, {len(stored.changed)} changed, "
            f"{len(stored.unchanged)} as before, {more} phrasings added, "
            f"{faults} rows left out."
        )

    return change, faults


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None


def _tell(file: Path, errors: Sequence[RowError], warnings: Sequence[RowError]) -> int:
    for kind, rows in (("left out", errors), ("look at", warnings)):
        for row in rows[:SHOWN]:
            typer.echo(f"{kind}: {file}, {row}", err=True)
        if len(rows) > SHOWN:
            typer.echo(f"{kind}: {len(rows) - SHOWN} more", err=True)
    return len(errors)
