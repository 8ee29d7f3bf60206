"""`voicebot kb report`: frequent and unanswered questions of a month, by department."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.knowledge_common import known_entries, write_whole
from voicebot.commands.knowledge_gaps import asked_between, bad_questions
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from voicebot.config import Settings
    from voicebot.monthly import Month, Monthly


def report(
    month: Annotated[str, typer.Option(help="2026-11.")],
    output: Annotated[Path, typer.Option(help="Folder for the two files.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, and no files.")] = False,
) -> None:
    """Sum up a month of callers' questions: an HTML page with charts, and the same as XLSX.

    Frequent questions with the month before, shares of answered, clarified and unanswered ones by
    day and by department, and what was not answered well with the department proposed. The
    page is one file without outside links; personal numbers in examples are masked.

    \b
    Examples:
      voicebot kb report --month 2026-11
      voicebot kb report --month 2026-11 --output reports
      voicebot kb report --month 2026-11 --json
    """
    from voicebot.monthly import Month

    try:
        wanted = Month.parse(month)
    except ValueError:
        raise InputError(f"--month {month}: give a month such as 2026-11.") from None
    found = monthly(open_settings(), wanted)
    if as_json:
        print_json(found.as_dict())
        return
    from voicebot.monthly_page import page
    from voicebot.monthly_workbook import workbook

    if not output.is_dir():
        raise InputError(f"{output} is no folder; create it first.")
    files = {
        output / f"kb-report-{wanted}.html": page(found).encode(),
        output / f"kb-report-{wanted}.xlsx": workbook(found),
    }
    for file, data in files.items():
        write_whole(file, data)
        typer.echo(f"Written: {file}")


def monthly(settings: Settings, month: Month) -> Monthly:
    """The figures of a month from the call records and the knowledge base as it is now."""
    from voicebot.monthly import summed_up

    entries = {entry.id: entry for entry in known_entries(settings, published=False)}
    return summed_up(
        month,
        asked_between(settings, *month.moments),
        asked_between(settings, *month.previous.moments),
        entries,
        [entry.id for entry in known_entries(settings, published=True)],
        bad_questions(settings, *month.moments),
    )
