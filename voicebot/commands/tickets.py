"""`voicebot tickets`: work orders (工单), their history, reminders, disputes."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.commands import tickets_disputes, tickets_export
from voicebot.commands.session import InputError, print_json
from voicebot.commands.tickets_records import change_tickets, minute, read_tickets

if TYPE_CHECKING:
    from enum import StrEnum

    from sqlalchemy.orm import Session

app = typer.Typer(no_args_is_help=True, help="Work orders: life, reminders, disputes.")
app.add_typer(tickets_disputes.app)
app.add_typer(tickets_export.app)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Ticket = Annotated[str, typer.Argument(help="Its number, as `tickets list` shows it.")]


@app.callback()
def group() -> None:
    """Work orders (工单): what becomes of them, by when, and who was reminded."""


@app.command("list")
def list_tickets(
    status: Annotated[str, typer.Option(help="created, dispatched, returned, disputed …")] = "",
    department: Annotated[str, typer.Option(help="As it was dispatched to.")] = "",
    region: Annotated[str, typer.Option(help="GB/T 2260 code: 460106.")] = "",
    number: Annotated[str, typer.Option(help="Telephone number of the caller.")] = "",
    text: Annotated[str, typer.Option(help="In matter, place or answer.")] = "",
    overdue: Annotated[bool, typer.Option(help="What is late, the longest overdue first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List tickets, the newest first.

    \b
    Examples:
      voicebot tickets list
      voicebot tickets list --status created
      voicebot tickets list --overdue --department 市水务局 --json
    """
    from voicebot.tickets import reading
    from voicebot.tickets.states import Status

    query = reading.Query(
        status=_known("--status", status, Status),
        department=department,
        region=region,
        number=number,
        text=text,
        overdue_at=time.time() if overdue else None,
    )
    found = read_tickets(lambda session: _first(session, query, limit), "tickets.list")
    for ticket in found:
        if as_json:
            print_json(ticket)
            continue
        name = Status(ticket["status"]).chinese
        due = f"  限 {minute(ticket['awaited_by'] - 1)}" if ticket["awaited_by"] else ""
        typer.echo(f"{ticket['id']}  {name}  {ticket['department'] or '未派单'}{due}")
        typer.echo(f"    {ticket['matter'][:60]}（{ticket['place'] or '地点未知'}）")


@app.command()
def show(ticket: Ticket, as_json: AsJson = False) -> None:
    """Show a ticket with its history, its reminders, and what may be the same matter.

    \b
    Examples:
      voicebot tickets show 3f9c21aa-t1
      voicebot tickets show 3f9c21aa-t1 --json
    """
    from dataclasses import asdict

    from voicebot.tickets.duplicates import duplicates
    from voicebot.tickets.reading import detail

    found, like = read_tickets(
        lambda session: (detail(session, ticket), duplicates(session, ticket)),
        "ticket.read",
        ticket,
    )
    if as_json:
        print_json({**found, "duplicates": [asdict(each) for each in like]})
        return
    _print(found)
    for each in like:
        typer.echo(f"可能重复：{each.ticket}（{'、'.join(each.reasons)}）")


@app.command()
def act(
    kind: Annotated[str, typer.Argument(help="dispatch, accept, answer, return, escalate …")],
    ticket: Ticket,
    why: Annotated[str, typer.Option(help="The reason; most acts need one.")] = "",
    department: Annotated[str, typer.Option(help="dispatch: to whom.")] = "",
    answer: Annotated[str, typer.Option(help="answer: what the caller is told.")] = "",
    days: Annotated[int, typer.Option(help="extend: working days.")] = 0,
    main: Annotated[str, typer.Option(help="link: the ticket of the same matter.")] = "",
    matter_kind: Annotated[
        str, typer.Option("--kind", help="dispatch: consultation, help, complaint …")
    ] = "",
    category: Annotated[
        int | None, typer.Option(min=1, max=7, help="escalate: annex 2 of the plan.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Only if it is still at this version.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Do one act on a ticket; it stands in its history with your name.

    \b
    Examples:
      voicebot tickets act dispatch 3f9c21aa-t1 --department 市水务局 --kind complaint
      voicebot tickets act return 3f9c21aa-t1 --why 不属本局职责
      voicebot tickets act escalate 3f9c21aa-t1 --why 双方持械对峙 --category 2
    """
    from voicebot.tickets import acts
    from voicebot.tickets.deadlines import Kind
    from voicebot.tickets.history import Actor
    from voicebot.tickets.life import Request
    from voicebot.tickets.reading import detail
    from voicebot.tickets.states import Act

    turned = _known("--kind", matter_kind, Kind)
    request = Request(
        Act(_known("act", kind, Act)),
        time.time(),
        why=why,
        department=department,
        kind=Kind(turned) if turned else None,
        answer=answer,
        days=days,
        main=main,
    )

    def work(session: Session) -> dict[str, Any]:
        by = Actor(getpass.getuser(), "local")
        acts.perform(session, ticket, request, by, version=version, category=category)
        return detail(session, ticket)

    found = change_tickets(work, f"ticket.{request.act.value}", ticket)
    print_json(found) if as_json else _print(found)


@app.command()
def remind(as_json: AsJson = False) -> None:
    """Write the reminders (督办) that are due now; the service does so once a minute.

    \b
    Examples:
      voicebot tickets remind
    """
    from voicebot.tickets.reminding import AT_ONCE
    from voicebot.tickets.reminding import remind as write

    now, count, written = time.time(), 0, AT_ONCE
    while written == AT_ONCE:
        written = change_tickets(lambda session: write(session, now), "tickets.remind")
        count += written
    if as_json:
        print_json({"reminders": count})
    else:
        typer.echo(f"{count} reminders written.")


def _first(session: Session, query: Any, limit: int) -> list[dict[str, Any]]:
    from voicebot.tickets.reading import search

    found: list[dict[str, Any]] = []
    after = None
    while len(found) < limit:
        page = search(session, query, after=after, limit=limit - len(found))
        found.extend(page.tickets)
        after = page.next
        if after is None:
            break
    return found


def _known(option: str, text: str, names: type[StrEnum]) -> str:
    if text and text not in [each.value for each in names]:
        raise InputError(f"{option} {text}: there are {', '.join(each.value for each in names)}.")
    return text


def _print(ticket: dict[str, Any]) -> None:
    from voicebot.tickets.states import Act, Status

    typer.echo(f"{ticket['id']}  {Status(ticket['status']).chinese}  第{ticket['version']}版")
    for name, value in (
        ("诉求", ticket["matter"]),
        ("地点", ticket["place"]),
        ("承办单位", ticket["department"]),
        ("建议单位", ticket["proposed_department"]),
        ("办理时限", minute(ticket["due_at"] and ticket["due_at"] - 1)),
        ("答复", ticket["answer"]),
        ("警单", ticket["police_order"]),
        ("主工单", ticket["main"]),
        ("并入的工单", "、".join(each["id"] for each in ticket["merged"])),
    ):
        if value:
            typer.echo(f"  {name}：{value}")
    for step in ticket["history"]:
        why = f"：{step['why']}" if step["why"] else ""
        typer.echo(f"  {minute(step['at'])}  {Act(step['act']).chinese}  {step['who']}{why}")
    for reminder in ticket["reminders"]:
        typer.echo(f"  {minute(reminder['at'])}  {reminder['text']}")
    typer.echo(f"  可办：{'、'.join(ticket['allowed'])}")
