"""`voicebot duty`: who is on duty, and what they were told (值班)."""

from __future__ import annotations

import getpass
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.clock import BEIJING, now
from voicebot.commands.duty_files import export_file, import_file
from voicebot.commands.duty_records import line_named, region_named, with_directory
from voicebot.commands.knowledge_acts import minute_of
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from voicebot.duty.rota import Shift
    from voicebot.duty.tables import DutyChangeRow, DutyNoticeRow

app = typer.Typer(no_args_is_help=True, help="Duty directory, rotas and notices.")
app.command("import")(import_file)
app.command("export")(export_file)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.callback()
def group() -> None:
    """The duty directory by line, place and hour; rotas; notices with receipts."""


@app.command("now")
def show_now(
    line: Annotated[str, typer.Option(help="119, 120, power, 供电 …")],
    region: Annotated[str, typer.Option(help="460106, 龙华区 …; the province, if not said.")] = "",
    at: Annotated[str, typer.Option(help="Another minute: '2026-10-01 03:00'.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say who answers a line for a place now, and who is told after him; exit code 1 for a gap.

    \b
    Examples:
      voicebot duty now --line 119 --region 460106
      voicebot duty now --line 供电 --region 龙华区 --at "2026-10-01 03:00"
    """
    from voicebot.duty.names import LINES, write_region
    from voicebot.duty.reporting import Answering, answering_now
    from voicebot.web.duty import answering_values

    known, place = line_named(line), region_named(region)
    moment = minute_of(at) or now()

    def read(session: Session) -> Answering:
        return answering_now(session, known, place, moment)

    found = with_directory(open_settings(), read, "duty.now", f"{known} {place}")
    if as_json:
        print_json(answering_values(found))
    else:
        typer.echo(f"{LINES[known]}  {write_region(place)}  {moment:%Y-%m-%d %H:%M}")
        for number in found.numbers:
            typer.echo(f"  号码  {number.number}  {number.name}")
        for person in found.people:
            typer.echo(f"  {_rank(person.rank)}  {person.person}  {_reach(person)}")
        if not found.people:
            typer.echo("  无人值班" if found.has_rota else "  没有值班表")
        if found.until is not None:
            typer.echo(f"  至 {found.until:%Y-%m-%d %H:%M}")
    raise typer.Exit(1 if found.has_rota and not found.people else 0)


@app.command("list")
def list_directory(
    rota: Annotated[bool, typer.Option("--rota", help="The shifts, not the numbers.")] = False,
    line: Annotated[str, typer.Option(help="Only this line's.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the numbers of the directory, or the shifts of the rotas.

    \b
    Examples:
      voicebot duty list
      voicebot duty list --rota --line 供电 --json
    """
    from voicebot.duty import directory
    from voicebot.duty.number_file import number_cells
    from voicebot.duty.shift_file import shift_cells

    wanted = line_named(line) if line else None

    def read(session: Session) -> list[tuple[str, ...]]:
        if rota:
            return shift_cells(directory.shifts(session, wanted))
        return number_cells(directory.numbers(session, wanted))

    head, *rows = with_directory(open_settings(), read, "duty.list", f"{rota=} {wanted or ''}")
    for row in rows:
        if as_json:
            print_json(dict(zip(head, row, strict=True)))
        else:
            typer.echo("  ".join(cell for cell in row if cell))


@app.command()
def check(
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days ahead.")] = 14,
    as_json: AsJson = False,
) -> None:
    """Find gaps and faults of the rotas and the directory; exit code 1 if there are any.

    \b
    Examples:
      voicebot duty check
      voicebot duty check --days 60 --json
    """
    from voicebot.duty.names import LINES, write_region
    from voicebot.duty.reporting import Finding, findings

    def read(session: Session) -> list[Finding]:
        return findings(session, now().replace(second=0, microsecond=0), days)

    found = with_directory(open_settings(), read, "duty.check", f"{days} days")
    for each in found:
        if as_json:
            print_json(
                {
                    "code": each.code,
                    "line": each.line,
                    "region": each.region,
                    "text": each.text,
                }
            )
        else:
            place = write_region(each.region)
            typer.echo(f"{each.code}  {LINES.get(each.line, '')} {place}: {each.text}")
    if not found and not as_json:
        typer.echo(f"Nothing to look at in the next {days} days.")
    raise typer.Exit(1 if found else 0)


@app.command()
def history(
    key: Annotated[str, typer.Argument(help="A number, or the beginning of a shift's key.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show who changed what in the directory and the rotas, and why; the newest last.

    \b
    Examples:
      voicebot duty history
      voicebot duty history 119-460106
    """
    from sqlalchemy import select

    from voicebot.duty.changing import Change
    from voicebot.duty.tables import DutyChangeRow

    def read(session: Session) -> list[DutyChangeRow]:
        query = select(DutyChangeRow).order_by(DutyChangeRow.id)
        found = session.scalars(query.where(DutyChangeRow.key.startswith(key, autoescape=True)))
        rows = list(found)
        session.expunge_all()
        return rows

    for row in with_directory(open_settings(), read, "duty.history", key):
        change = Change(row.what, row.key, row.before, row.after)  # type: ignore[arg-type]
        if as_json:
            print_json(
                {
                    "at": _time(row.at),
                    "who": row.who,
                    "login": row.login,
                    "why": row.why,
                    "key": row.key,
                    "before": row.before,
                    "after": row.after,
                }
            )
            continue
        typer.echo(f"{_time(row.at)}  {row.who}  {change.kind}  {row.key}  {row.why}")
        if change.kind == "changed":
            for name, before, after in change.fields():
                typer.echo(f"    {name}: {before} → {after}")


@app.command()
def notices(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were acknowledged.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List notices that nobody has acknowledged, the newest last.

    \b
    Examples:
      voicebot duty notices
      voicebot duty notices --all --json
    """
    from sqlalchemy import select

    from voicebot.duty.names import LINES, write_region
    from voicebot.duty.notices.queue import OPEN
    from voicebot.duty.tables import DutyNoticeRow

    def read(session: Session) -> list[DutyNoticeRow]:
        query = select(DutyNoticeRow).order_by(DutyNoticeRow.created_at)
        if not everything:
            query = query.where(DutyNoticeRow.state.in_(OPEN))
        rows = list(session.scalars(query))
        session.expunge_all()
        return rows

    for row in with_directory(open_settings(), read, "duty.notices", f"{everything=}"):
        if as_json:
            print_json(
                {
                    "id": row.id,
                    "line": row.line,
                    "region": row.region,
                    "subject": row.subject,
                    "state": row.state,
                    "told": row.told,
                    "created_at": _time(row.created_at),
                    "acknowledged_at": _time(row.acknowledged_at) if row.acknowledged_at else None,
                    "acknowledged_by": row.acknowledged_by,
                }
            )
        else:
            typer.echo(
                f"{row.id}  {_time(row.created_at)}  {LINES.get(row.line, row.line)}  "
                f"{write_region(row.region)}  {row.subject}  {row.state}  "
                f"{row.acknowledged_by or f'{row.told} told'}"
            )


@app.command()
def acknowledge(
    notice: Annotated[str, typer.Argument(help="As `voicebot duty notices` shows.")],
    who: Annotated[str, typer.Option("--as", help="Who has it: somebody who rang in, say.")] = "",
) -> None:
    """Put on record that somebody has a notice: nobody else is told of it any more.

    \b
    Examples:
      voicebot duty acknowledge 3fa9c1d20b7e4a55 --as 王一
    """
    from voicebot.duty.notices import receipts

    by = who.strip() or getpass.getuser()

    def change(session: Session) -> dict[str, object] | None:
        return receipts.acknowledge(session, notice, 0, by, time.time())

    done = with_directory(open_settings(), change, "duty.acknowledge", f"{notice} {by}")
    if done is None:
        raise InputError(f"There is no notice {notice!r}; `voicebot duty notices` shows them.")
    typer.echo(f"{done['subject']}: {done['acknowledged_by']} has it.")


@app.command("webhook-key")
def show_webhook_key() -> None:
    """Show the key with which a receiver checks the signatures of webhooks (standardwebhooks.com).

    \b
    Examples:
      voicebot duty webhook-key
    """
    from voicebot.duty.notices.secret import notice_secret, webhook_key

    settings = open_settings()
    key = webhook_key(notice_secret(settings))
    with_directory(settings, lambda _: None, "duty.webhook_key", "")
    typer.echo(key)


def _rank(rank: int) -> str:
    from voicebot.duty.rota import SUPERIOR

    return "带班" if rank == SUPERIOR else f"第{rank}"


def _reach(person: Shift) -> str:
    return "  ".join(each for each in (person.phone, person.email, person.webhook) if each)


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, BEIJING):%Y-%m-%d %H:%M:%S}"
