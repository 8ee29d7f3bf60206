"""`voicebot duty import` and `export`: the directory and the rotas as tables."""

from __future__ import annotations

import csv
import getpass
import io
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.commands.duty_records import line_named, with_directory
from voicebot.commands.knowledge_common import progress_bar, write_whole
from voicebot.commands.knowledge_files import file_bytes, tell_rows
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from kb.headings import RowError
    from voicebot.duty.changing import Change, Plan

Rota = Annotated[bool, typer.Option("--rota", help="The rotas (值班表), not the numbers.")]


class _OnlyShown(Exception):
    """A dry run takes everything back."""


def import_file(
    file: Annotated[Path, typer.Argument(help="XLSX, CSV (UTF-8 or GBK) or JSON Lines.")],
    rota: Rota = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Remove shifts of the file's lines and places it lacks."),
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Also change numbers of 110 and of the seats.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    who: Annotated[
        str, typer.Option("--as", help="Your name, where several people share the login.")
    ] = "",
    why: Annotated[str, typer.Option("--why", help="The reason, for the history.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Take numbers or shifts from a table; faulty rows are named and left out, good ones kept.

    What the table does not name stays as it is. A row that would close a line is left out and
    said: numbers as delivered are changed and never removed. Running calls have the change
    within seconds. The columns are in docs/duty.md.

    \b
    Examples:
      voicebot duty import 值班号码表.xlsx --dry-run
      voicebot duty import 值班号码表.xlsx --why 换号
      voicebot duty import 国庆值班表.csv --rota
      voicebot duty import 值班表.xlsx --rota --replace --as 王值班长
    """
    from voicebot.duty.changing import Who, apply, plan_numbers, plan_shifts
    from voicebot.duty.number_file import read_numbers
    from voicebot.duty.shift_file import read_shifts

    if replace and not rota:
        raise InputError("--replace is for rotas; numbers are removed by the column 删除.")
    settings = open_settings()
    data = file_bytes(file)
    numbers = None if rota else read_numbers(data)
    shifts = read_shifts(data) if rota else None
    read = shifts or numbers
    assert read is not None
    plans: list[Plan] = []

    def change(session: Session) -> None:
        if shifts is not None:
            plan = plan_shifts(session, shifts, replace=replace)
        else:
            assert numbers is not None
            plan = plan_numbers(session, numbers, settings, confirmed=confirm)
        plans.append(plan)
        if dry_run:
            raise _OnlyShown
        login = getpass.getuser()
        act = Who(who.strip() or login, login, why or f"import {file.name}")
        apply(session, plan.changes, act, time.time())

    if read.rows or read.removed:
        try:
            with progress_bar("storing"):
                with_directory(settings, change, "duty.import", f"{file.name} {why}".strip())
        except _OnlyShown:
            pass
    plan = plans[0] if plans else None
    changes = plan.changes if plan is not None else ()
    left_out = (*read.errors, *(plan.left_out if plan is not None else ()))
    if as_json:
        print_json(_as_dict(len(read.rows), changes, left_out, read.warnings, dry_run))
    else:
        tell_rows(file, left_out, read.warnings)
        _show(changes, dry_run, len(left_out))
    if replace and read.errors:
        typer.echo("Nothing was removed: a faulty row may be one that is to stay.", err=True)
    raise typer.Exit(1 if left_out else 0)


def export_file(
    file: Annotated[Path, typer.Argument(help="Where to: .xlsx or .csv.")],
    rota: Rota = False,
    line: Annotated[str, typer.Option(help="Only this line's: 119, 供电 …")] = "",
    encoding: Annotated[str, typer.Option(help="Of a CSV: utf-8, gbk or gb18030.")] = "utf-8",
) -> None:
    """Write the directory or the rotas to a table that `import` reads back without a difference.

    \b
    Examples:
      voicebot duty export 值班号码表.xlsx
      voicebot duty export 值班表.csv --rota --line 供电 --encoding gbk
    """
    from voicebot.duty import directory
    from voicebot.duty.number_file import number_cells
    from voicebot.duty.shift_file import shift_cells

    if file.suffix.lower() not in (".xlsx", ".csv"):
        raise InputError(f"{file}: the name must end in .xlsx or .csv.")
    if encoding not in ("utf-8", "gbk", "gb18030"):
        raise InputError(f"--encoding {encoding}: use utf-8, gbk or gb18030.")
    wanted = line_named(line) if line else None

    def read(session: Session) -> list[tuple[str, ...]]:
        if rota:
            return shift_cells(directory.shifts(session, wanted))
        return number_cells(directory.numbers(session, wanted))

    cells = with_directory(open_settings(), read, "duty.export", f"{file.name} {wanted or ''}")
    if len(cells) == 1:
        raise InputError("There is nothing to write; `voicebot duty import` brings rows.")
    title = "值班表" if rota else "值班号码表"
    write_whole(file, table(cells, file.suffix.lower(), encoding, title))
    typer.echo(f"{len(cells) - 1} rows written to {file}.")


def table(cells: list[tuple[str, ...]], suffix: str, encoding: str, title: str = "值班表") -> bytes:
    """Head and rows as an ``.xlsx`` or a ``.csv``.

    Raises:
        InputError: the encoding lacks a character.
    """
    from kb.spreadsheet import guarded
    from kb.workbook import write_sheet

    rows = [[guarded(cell) for cell in row] for row in cells]
    if suffix == ".xlsx":
        return write_sheet(title, rows[0], rows[1:])
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    try:
        return out.getvalue().encode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeEncodeError as error:
        lacking = error.object[error.start]
        raise InputError(
            f"{encoding} lacks the character {lacking!r}; use gb18030 or utf-8."
        ) from None


def _show(changes: Sequence[Change], dry_run: bool, left_out: int) -> None:
    signs = {"added": "+", "changed": "~", "removed": "-"}
    for change in changes:
        name = (change.after or change.before or {}).get("person") or ""
        typer.echo(f"{signs[change.kind]} {change.key}  {name}".rstrip())
        if change.kind == "changed":
            for field, before, after in change.fields():
                typer.echo(f"    {field}: {before} → {after}")
    counts = Counter(change.kind for change in changes)
    typer.echo(
        f"{'Would change' if dry_run else 'Changed'}: {counts['added']} added, "
        f"{counts['changed']} changed, {counts['removed']} removed, {left_out} rows left out."
    )


def _as_dict(
    read: int,
    changes: Sequence[Change],
    left_out: Sequence[RowError],
    warnings: Sequence[RowError],
    dry_run: bool,
) -> dict[str, Any]:
    def rows(faults: Sequence[RowError]) -> list[dict[str, Any]]:
        return [{"line": f.line, "column": f.column, "reason": f.reason} for f in faults]

    return {
        "read": read,
        "dry_run": dry_run,
        "changes": [
            {
                "key": change.key,
                "change": change.kind,
                "fields": {name: [before, after] for name, before, after in change.fields()},
            }
            for change in changes
        ],
        "left_out": rows(left_out),
        "warnings": rows(warnings),
    }
