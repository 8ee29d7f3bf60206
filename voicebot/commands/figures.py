"""`voicebot figures`: how the hotline does, and what callers call about."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from voicebot.clock import now, today
from voicebot.commands.knowledge_common import bring_up_to_date, database_sentences, write_whole
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import Session

    from voicebot.config import Settings
    from voicebot.figures.report import Period, Report

app = typer.Typer(
    no_args_is_help=True, help="Connection, waiting, hand-offs, tickets, satisfaction; hot topics."
)
T = TypeVar("T")

_FAILED = "The figures cannot be read"
_ADVICE = "On a new machine, run `voicebot db migrate` first."


class By(StrEnum):
    """How the figures are divided."""

    LINE = "line"
    REGION = "region"
    DEPARTMENT = "department"
    HOUR = "hour"
    DAY = "day"


First = Annotated[str, typer.Option("--from", help="First day, 2026-11-01; yesterday.")]
Last = Annotated[str, typer.Option("--to", help="Last day, included; the first one.")]
Divided = Annotated[By, typer.Option(help="What the figures are divided by.")]
Folder = Annotated[Path, typer.Option(help="Folder for the files.")]


@app.command()
def show(
    first: First = "",
    last: Last = "",
    by: Divided = By.LINE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show the figures of some days, as a table; goals that are missed are marked.

    \b
    Examples:
      voicebot figures show
      voicebot figures show --from 2026-11-01 --to 2026-11-30 --by region
      voicebot figures show --by hour --json
    """
    from rich.console import Console

    from voicebot.figures.report import BY_NAMES
    from voicebot.figures.terminal import table

    found = _report(first, last, by)
    if as_json:
        print_json(found.as_dict())
        return
    console = Console(width=None if Console().is_terminal else 200)
    console.print(table(found))
    if found.lowest is not None:
        share = found.lowest.connection.value or 0.0
        console.print(f"连续24小时接通率最低 {share:.1%}")
    if not found.rows:
        console.print(f"这段时间没有按{BY_NAMES[found.by]}的记录。")


@app.command()
def export(
    first: First = "",
    last: Last = "",
    by: Divided = By.LINE,
    output: Folder = Path(),
) -> None:
    """Write the figures as CSV, as XLSX and as an HTML page with charts.

    \b
    Examples:
      voicebot figures export --from 2026-11-01 --to 2026-11-30 --by day
      voicebot figures export --by department --output reports
    """
    found = _report(first, last, by)
    _write(output, f"figures-{found.period.first}-{found.period.last}-{found.by}", _files(found))


@app.command()
def publish(
    first: First = "",
    last: Last = "",
    by: Divided = By.LINE,
    output: Folder = Path(),
) -> None:
    """Write what the public is told (R17): a few figures, none made of a handful of people.

    \b
    Examples:
      voicebot figures publish --from 2026-11-01 --to 2026-11-30 --by region --output public
    """
    from voicebot.figures.report import published

    found = published(_report(first, last, by))
    _write(output, f"published-{found.period.first}-{found.period.last}-{found.by}", _files(found))


@app.command()
def topics(
    first: First = "",
    last: Last = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many topics.")] = 30,
    output: Annotated[
        Path | None, typer.Option(help="Folder for an XLSX and an HTML page with charts instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what callers called about (热点), rising topics first; the service finds them.

    Wordings are callers' own, with personal numbers masked; the look is put on record.

    \b
    Examples:
      voicebot figures topics
      voicebot figures topics --from 2026-11-01 --to 2026-11-30 --limit 10
      voicebot figures topics --from 2026-11-01 --to 2026-11-30 --output reports
      voicebot figures topics --json
    """
    from voicebot.figures.topic_list import topic_lines
    from voicebot.figures.topic_page import alarm_text
    from voicebot.security import audit_local

    settings = open_settings()
    period = _period(first, last)
    lines = read(settings, lambda session: topic_lines(session, period, limit))
    audit_local(settings.database_url, "topics.read", str(period))
    if output is not None:
        from voicebot.figures.topic_page import page
        from voicebot.figures.topic_workbook import workbook

        name = f"topics-{period.first}-{period.last}"
        _write(output, name, {"xlsx": workbook(period, lines), "html": page(period, lines)})
        return
    for line in lines:
        if as_json:
            print_json(line.as_dict())
            continue
        places = "、".join(f"{name} {count}" for name, count in line.regions.items())
        typer.echo(f"{line.count:>5}  {line.label}  （此前 {line.before}；{places}）")
        for example in line.examples[1:]:
            typer.echo(f"       {example}")
        for alarm in line.alarms:
            typer.echo(f"     ! {alarm_text(alarm)}")
    if not lines and not as_json:
        typer.echo("这段时间没有多人反映的话题。")


@app.command()
def define(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,
) -> None:
    """Print what each figure means: numerator, denominator, goal and source.

    \b
    Examples:
      voicebot figures define
      voicebot figures define --json
    """
    from dataclasses import asdict

    from voicebot.figures.definitions import definitions
    from voicebot.figures.indicators import INDICATORS

    if as_json:
        print_json([asdict(each) for each in INDICATORS])
        return
    for name, meaning, numerator, denominator, goal, source in definitions():
        typer.echo(f"{name}：{meaning}")
        typer.echo(f"    {numerator} ÷ {denominator}；目标 {goal}；{source}")


def _report(first: str, last: str, by: By) -> Report:
    from voicebot.figures.report import report

    settings = open_settings()
    period = _period(first, last)
    lines = {line.did: line.name for line in settings.lines}
    return read(
        settings,
        lambda session: report(session, period, by.value, now().timestamp(), lines),
    )


def _period(first: str, last: str) -> Period:
    from voicebot.figures.report import Period

    begins = _day("--from", first) if first else today() - timedelta(days=1)
    return Period(begins, _day("--to", last) if last else begins)


def read(settings: Settings, query: Callable[[Session], T]) -> T:
    """`query(session)` on the settings' database, brought up to date before."""
    from sqlalchemy.orm import Session

    from voicebot.records.database import open_engine

    bring_up_to_date(settings)
    engine = open_engine(settings.database_url)
    try:
        with database_sentences(_FAILED, _ADVICE), Session(engine) as session:
            return query(session)
    finally:
        engine.dispose()


def _day(option: str, text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise InputError(f"{option} {text}: give a day such as 2026-11-01.") from None


def _files(found: Report) -> dict[str, bytes | str]:
    from voicebot.figures.page import page
    from voicebot.figures.report import as_csv
    from voicebot.figures.workbook import workbook

    return {
        "csv": as_csv(found).encode("utf-8-sig"),
        "xlsx": workbook(found),
        "html": page(found),
    }


def _write(folder: Path, name: str, files: Mapping[str, bytes | str]) -> None:
    """Files of that name, by their endings."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; create it first.")
    for ending, data in files.items():
        file = folder / f"{name}.{ending}"
        write_whole(file, data.encode() if isinstance(data, str) else data)
        typer.echo(f"Written: {file}")
