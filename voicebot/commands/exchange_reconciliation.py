"""`voicebot exchange reconcile` and `differences`: both ledgers compared, and what was found."""

from __future__ import annotations

import csv
import getpass
import io
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.clock import today
from voicebot.commands.knowledge_common import (
    bring_up_to_date,
    database_sentences,
    progress_bar,
    write_whole,
)
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from voicebot.config import Settings
    from voicebot.exchange.reconciliation.tables import DifferenceRow

AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]

_FAILED = "The ledger cannot be read or written just now"
_COLUMNS = {
    "day": "日期", "finding": "差异", "subject": "编号", "id": "消息", "sender": "发送方",
    "kind": "类型", "repair": "处理方式", "state": "状态",
}  # fmt: skip


def reconcile(
    day: Annotated[str, typer.Option(help="The last day, 2026-11-25; yesterday.")] = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="How many, up to that one.")] = 1,
    repair: Annotated[bool, typer.Option(help="Mend by rule; without it only look.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare our ledger of the exchange with 110's, message by message (对账).

    Every difference is put on a list, which is kept. With --repair those that a rule can mend
    are mended; the next reconciliation proves it. Exit code 1: differences are left.

    \b
    Examples:
      voicebot exchange reconcile
      voicebot exchange reconcile --day 2026-11-25 --days 7 --repair
      voicebot exchange reconcile --json
    """
    from voicebot.exchange.platform import Platform
    from voicebot.exchange.reconciliation.days import Days
    from voicebot.exchange.reconciliation.other_side import PlatformLedger
    from voicebot.exchange.reconciliation.running import Reconciliation
    from voicebot.records.database import migrate, open_engine
    from voicebot.security import WRITE_PATIENCE_S

    settings = open_settings()
    wanted = Days.until(_day(day) if day else today() - timedelta(days=1), days)
    if not settings.exchange.url:
        raise InputError("110's platform is not set up: give [exchange] url in the settings.")
    migrate(settings.database_url)
    reader = open_engine(settings.database_url)
    writer = open_engine(settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S)
    try:
        with (
            database_sentences(_FAILED, ""),
            progress_bar("110's ledger") as tell,
            PlatformLedger(Platform(settings.exchange)) as other,
        ):
            run = Reconciliation(
                reader,
                writer,
                other,
                principal=getpass.getuser(),
                progress=lambda count: tell(count, 0),
            )
            outcome = run.run(wanted, repair=repair)
    finally:
        reader.dispose()
        writer.dispose()
    if as_json:
        print_json(outcome.as_dict())
    else:
        found = ", ".join(f"{count} {name}" for name, count in outcome.found.items())
        typer.echo(f"{wanted}: {outcome.ours} messages here, {outcome.theirs} at 110's")
        typer.echo(f"found: {found or 'no difference'}")
        typer.echo(
            f"{outcome.mending} being mended, {outcome.settled} of before settled, "
            f"{outcome.unsettled} left ({outcome.seconds} s)"
        )
    if outcome.unsettled:
        raise typer.Exit(1)


def differences(
    subject: Annotated[str, typer.Option(help="Of this ticket or order alone.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Settled ones as well.")] = False,
    output: Annotated[Path | None, typer.Option(help="CSV file for a spreadsheet.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what reconciliations have found and is not settled.

    \b
    Examples:
      voicebot exchange differences
      voicebot exchange differences --subject P20261125-17 --all
      voicebot exchange differences --all --output differences.csv
    """
    from voicebot.exchange.reconciliation import queue

    settings = open_settings()
    bring_up_to_date(settings)
    states = () if everything else queue.OPEN
    found = _read(settings, states, subject)
    if output is not None:
        write_whole(output, _csv(found))
        typer.echo(f"Written: {output}")
        return
    for line in found:
        if as_json:
            print_json(line)
        else:
            typer.echo("  ".join(str(line[name]) for name in _COLUMNS))


def _read(settings: Settings, states: tuple[str, ...], subject: str) -> list[dict[str, Any]]:
    from sqlalchemy.orm import Session

    from voicebot.commands.knowledge_common import database_exists
    from voicebot.exchange.reconciliation import queue
    from voicebot.records.database import open_engine

    if not database_exists(settings):
        return []
    engine = open_engine(settings.database_url)
    try:
        with database_sentences(_FAILED, ""), Session(engine) as session:
            return [_values(row) for row in queue.search(session, states=states, subject=subject)]
    finally:
        engine.dispose()


def _values(row: DifferenceRow) -> dict[str, Any]:
    names = (*_COLUMNS, "ours", "theirs", "found_at", "settled_at", "decided_by", "note")
    return {name: getattr(row, name) for name in names}


def _csv(lines: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_COLUMNS.values())
    table.writerows([line[name] for name in _COLUMNS] for line in lines)
    return text.getvalue().encode("utf-8-sig")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no day; give one such as 2026-11-25.") from None
