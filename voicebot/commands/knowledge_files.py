"""`voicebot kb import`: entries, further ways to ask and known gaps from files."""

from __future__ import annotations

import getpass
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.knowledge_acts import read_knowledge
from voicebot.commands.knowledge_common import (
    change_knowledge,
    database_exists,
    database_sentences,
    known_entries,
    progress_bar,
)
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from kb.differences import Difference
    from kb.headings import RowError
    from kb.importer import Imported
    from kb.store import Stored
    from voicebot.config import Settings

SHOWN = 20
"""Faults of a file that are printed; the rest is counted."""


def import_file(
    file: Annotated[Path, typer.Argument(help="Entries: CSV (UTF-8 or GBK), XLSX or JSON Lines.")],
    phrasings: Annotated[
        Path | None, typer.Option(help="File with more ways to ask: id, phrasing.")
    ] = None,
    gaps: Annotated[
        Path | None, typer.Option(help="Questions known to have no entry, one a line.")
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="A heading of yours: 我们的问法=question.")
    ] = None,
    who: Annotated[str, typer.Option("--as", help="Who wrote the entries; you, if not said.")] = "",
    writer: Annotated[
        str, typer.Option("--who", hidden=True, help="What --as was called before.")
    ] = "",
    reviewed_by: Annotated[
        str, typer.Option(help="Who has read the file's approved entries: somebody else.")
    ] = "",
    check: Annotated[bool, typer.Option(help="Only read the files and say what is wrong.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Take entries from a file; faulty rows are named and left out, good ones kept.

    All of it in one transaction. What is approved or published in the file goes into review,
    or is approved where `--reviewed-by` names the second person; `voicebot kb publish` makes
    approved entries heard.

    \b
    Examples:
      voicebot kb import faq.xlsx --dry-run
      voicebot kb import faq.csv --reviewed-by 李主任
      voicebot kb import 口径.csv --map 我们的问法=question --map 我们的答复=answer
      voicebot kb import faq.jsonl --phrasings phrasings.csv --json
      voicebot kb import faq.csv --check
    """
    from kb.headings import parse_pairs

    settings = open_settings()
    files = read_files(file, phrasings, gaps, parse_pairs(mapping or ()), quiet=as_json)
    if dry_run:
        _show_changes(settings, files, bool(reviewed_by), as_json)
    elif check:
        if as_json:
            print_json(_as_dict(files.entries))
    else:
        with progress_bar("storing"):
            done = store_files(settings, files, who=who or writer, reviewed_by=reviewed_by)
        tell_done(files, done, as_json)
    raise typer.Exit(1 if files.faults else 0)


@dataclass(frozen=True, slots=True)
class Files:
    """What the files hold, and how many of their rows are faulty."""

    name: str
    entries: Imported
    phrasings: Mapping[str, Sequence[str]]
    gaps: Sequence[str]
    faults: int


@dataclass(frozen=True, slots=True)
class Done:
    """What came of them, once it is on record."""

    entries: Stored
    phrasings: int
    gaps: int


def read_files(
    file: Path,
    phrasings: Path | None,
    gaps: Path | None,
    mapping: Mapping[str, str],
    *,
    quiet: bool = False,
) -> Files:
    """Read all of them, and say which rows are left out; `quiet`: not those of `file`.

    Raises:
        InputError: one cannot be read, or `file` holds no usable entry.
    """
    from kb.corpus import read_gaps
    from kb.importer import read_phrasings

    found = _read(file, mapping, quiet=quiet)
    _refuse_nothing(file, found)
    faults = len(found.errors)
    ways: Mapping[str, Sequence[str]] = {}
    if phrasings is not None:
        extra = read_phrasings(file_bytes(phrasings))
        faults += tell_rows(phrasings, extra.errors, extra.warnings)
        ways = extra.phrasings
    return Files(file.name, found, ways, read_gaps(gaps) if gaps is not None else (), faults)


def store_files(
    settings: Settings,
    files: Files,
    *,
    who: str = "",
    reviewed_by: str = "",
    publish: bool = False,
) -> Done:
    """Put all of it on record, or nothing."""
    from kb import store
    from voicebot.security import local_act

    login = getpass.getuser()
    who = who.strip() or login

    def change(session: Session) -> Done:
        stored = store.import_entries(
            session,
            files.entries.entries,
            who,
            why=f"import {files.name}",
            login=login,
            reviewed_by=reviewed_by,
            publish=publish,
        )
        more = store.import_phrasings(session, files.phrasings, who)
        unanswered = store.import_gaps(session, files.gaps, who)
        session.add(local_act("kb.import", f"{files.name}: {len(files.entries.entries)} entries"))
        return Done(stored, more, unanswered)

    with database_sentences():
        return change_knowledge(settings, change)


def tell_done(files: Files, done: Done, as_json: bool) -> None:
    """Say what has changed."""
    stored = done.entries
    if as_json:
        changed = {
            "added": stored.added,
            "changed": stored.changed,
            "unchanged": stored.unchanged,
            "phrasings_added": done.phrasings,
            "gaps_added": done.gaps,
        }
        print_json(_as_dict(files.entries) | changed)
        return
    typer.echo(
        f"{len(stored.added)} entries added, {len(stored.changed)} changed, "
        f"{len(stored.unchanged)} as before, {done.phrasings} phrasings added, "
        f"{done.gaps} gaps added, {files.faults} rows left out."
    )


def _read(file: Path, mapping: Mapping[str, str], *, quiet: bool = False) -> Imported:
    from kb.importer import read_entries

    data = file_bytes(file)
    with progress_bar(f"reading {file.name}") as progress:
        imported = read_entries(data, mapping, progress)
    if not quiet:
        tell_rows(file, imported.errors, imported.warnings)
    return imported


def _refuse_nothing(file: Path, imported: Imported) -> None:
    if not imported.entries:
        reasons = "".join(f" {error}." for error in imported.errors[:1])
        raise InputError(f"{file} holds no usable entry; nothing was changed.{reasons}")


def _show_changes(settings: Settings, files: Files, reviewed: bool, as_json: bool) -> None:
    from kb import store
    from kb.differences import differences

    known = {entry.id: entry for entry in known_entries(settings, published=False)}
    found = differences(known, files.entries.entries, reviewed=reviewed, publish=False)
    ways, gaps = files.phrasings, files.gaps
    if database_exists(settings):
        ways = read_knowledge(partial(store.new_phrasings, texts=ways))
        gaps = read_knowledge(partial(store.new_gaps, questions=gaps))
    counts = {"phrasings_added": sum(map(len, ways.values())), "gaps_added": len(gaps)}
    if as_json:
        told = {"differences": [each.as_dict() for each in found]}
        print_json(_as_dict(files.entries) | told | counts)
        return
    _show(found)
    typer.echo(
        f"And {counts['phrasings_added']} phrasings added, {counts['gaps_added']} gaps added, "
        f"{files.faults} rows left out."
    )


def _show(found: Sequence[Difference]) -> None:
    signs = {"added": "+", "changed": "~", "moved": "~", "unchanged": "="}
    for each in found:
        if each.change == "unchanged":
            continue
        typer.echo(f"{signs[each.change]} {each.id}  {each.question}  ({each.status})")
        for field, before, after in each.fields:
            typer.echo(f"    {field}")
            typer.echo(f"      - {before}")
            typer.echo(f"      + {after}")
    counts = Counter(each.change for each in found)
    typer.echo(
        f"Would change: {counts['added']} entries added, "
        f"{counts['changed'] + counts['moved']} changed, {counts['unchanged']} as before."
    )


def _as_dict(imported: Imported) -> dict[str, object]:
    def rows(faults: Sequence[RowError]) -> list[dict[str, object]]:
        return [{"line": f.line, "column": f.column, "reason": f.reason} for f in faults]

    return {
        "read": len(imported.entries),
        "errors": rows(imported.errors),
        "warnings": rows(imported.warnings),
    }


def file_bytes(file: Path) -> bytes:
    """The file, or a sentence why it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None


def tell_rows(file: Path, errors: Sequence[RowError], warnings: Sequence[RowError]) -> int:
    """Say which rows are left out and which to look at; how many are left out."""
    for kind, rows in (("left out", errors), ("look at", warnings)):
        for row in rows[:SHOWN]:
            typer.echo(f"{kind}: {file}, {row}", err=True)
        if len(rows) > SHOWN:
            typer.echo(f"{kind}: {len(rows) - SHOWN} more", err=True)
    return len(errors)
