"""`voicebot kb import` and `export`: entries from files and into files."""

from __future__ import annotations

import getpass
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from voicebot.commands.knowledge_common import (
    change_knowledge,
    database_sentences,
    known_entries,
    progress_bar,
    write_whole,
)
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from kb.differences import Difference
    from kb.headings import RowError
    from kb.importer import Imported
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
    who: Annotated[str, typer.Option(help="Who wrote the entries; you, if not said.")] = "",
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
    imported = _read(file, parse_pairs(mapping or ()), quiet=as_json)
    if dry_run:
        _refuse_nothing(file, imported)
        found = _differences(settings, imported, reviewed=bool(reviewed_by))
        if as_json:
            print_json(_as_dict(imported) | {"differences": [d.as_dict() for d in found]})
        else:
            _show(found)
        raise typer.Exit(1 if imported.errors else 0)
    change, faults = read_files(
        file,
        phrasings,
        gaps,
        who=who,
        reviewed_by=reviewed_by,
        imported=imported,
        report=print_json if as_json else None,
    )
    if not check:
        with database_sentences(), progress_bar("storing"):
            change_knowledge(settings, change)
    elif as_json:
        print_json(_as_dict(imported))
    raise typer.Exit(1 if faults else 0)


def export_file(
    file: Annotated[Path, typer.Argument(help="Where to: .csv, .xlsx or .jsonl.")],
    form: Annotated[
        str, typer.Option("--format", help="csv, xlsx or jsonl; else by the name.")
    ] = "",
    encoding: Annotated[str, typer.Option(help="Of a CSV: utf-8, gbk or gb18030.")] = "utf-8",
    replace: Annotated[
        bool, typer.Option("--replace", help="Write 〓 for a character that GBK lacks.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also drafts and what is in review or has ended.")
    ] = False,
    phrasings: Annotated[
        Path | None, typer.Option(help="Also write the further ways to ask, as CSV.")
    ] = None,
) -> None:
    """Write the published entries to a file that `import` reads back without a difference.

    Cells that a spreadsheet would run as a formula get an apostrophe, which `import` takes off.

    \b
    Examples:
      voicebot kb export faq.xlsx
      voicebot kb export faq.csv --encoding gbk
      voicebot kb export everything.jsonl --all --phrasings phrasings.csv
    """
    from kb.exporter import Encoding, Format, write_entries, write_phrasings

    form = form or file.suffix.lower().lstrip(".")
    if form not in ("csv", "xlsx", "jsonl"):
        raise InputError(f"{file}: which format? Use --format csv, xlsx or jsonl.")
    if encoding not in ("utf-8", "gbk", "gb18030"):
        raise InputError(f"--encoding {encoding}: use utf-8, gbk or gb18030.")
    entries = known_entries(open_settings(), published=not everything)
    if not entries:
        raise InputError("There is no such entry to write; `voicebot kb show` lists what there is.")
    data, replaced = write_entries(entries, cast(Format, form), cast(Encoding, encoding))
    lost = [each for each in replaced if form == "csv" and encoding != "utf-8"]
    for each in replaced[:SHOWN]:
        typer.echo(f"replaced: {each}", err=True)
    if len(replaced) > SHOWN:
        typer.echo(f"replaced: {len(replaced) - SHOWN} more", err=True)
    if lost and not replace:
        raise InputError(
            f"{encoding} lacks {len(lost)} characters of the entries; nothing was written. "
            "Use --encoding gb18030 or utf-8, or --replace to write 〓 for them."
        )
    write_whole(file, data)
    if phrasings is not None:
        write_whole(phrasings, write_phrasings(entries))
    typer.echo(f"{len(entries)} entries written to {file}.")


def read_files(
    file: Path,
    phrasings: Path | None,
    gaps: Path | None,
    *,
    who: str = "",
    reviewed_by: str = "",
    publish: bool = False,
    imported: Imported | None = None,
    report: Callable[[object], None] | None = None,
) -> tuple[Callable[[Session], object], int]:
    """What the files change in the knowledge base, and how many rows were faulty.

    Args:
        imported: what `file` holds, where it has been read.
        report: is given the outcome as JSON has it; without it, a sentence is printed.
    """
    from kb import store
    from kb.corpus import read_gaps
    from kb.importer import read_phrasings
    from voicebot.security import local_act

    login = getpass.getuser()
    who = who or login
    found = imported if imported is not None else _read(file, {})
    faults = len(found.errors)
    _refuse_nothing(file, found)
    extra = read_phrasings(file_bytes(phrasings)) if phrasings is not None else None
    if extra is not None and phrasings is not None:
        faults += tell_rows(phrasings, extra.errors, extra.warnings)
    unanswered = read_gaps(gaps) if gaps is not None else ()

    def change(session: Session) -> None:
        stored = store.import_entries(
            session,
            found.entries,
            who,
            why=f"import {file.name}",
            login=login,
            reviewed_by=reviewed_by,
            publish=publish,
        )
        more = store.import_phrasings(session, extra.phrasings, who) if extra else 0
        store.import_gaps(session, unanswered, who)
        session.add(local_act("kb.import", f"{file.name}: {len(found.entries)} entries"))
        if report is not None:
            report(
                _as_dict(found)
                | {
                    "added": stored.added,
                    "changed": stored.changed,
                    "unchanged": stored.unchanged,
                    "phrasings_added": more,
                }
            )
            return
        typer.echo(
            f"{len(stored.added)} entries added, {len(stored.changed)} changed, "
            f"{len(stored.unchanged)} as before, {more} phrasings added, "
            f"{faults} rows left out."
        )

    return change, faults


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


def _differences(settings: Settings, imported: Imported, *, reviewed: bool) -> list[Difference]:
    from kb.differences import differences

    known = {entry.id: entry for entry in known_entries(settings, published=False)}
    return differences(known, imported.entries, reviewed=reviewed, publish=False)


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
