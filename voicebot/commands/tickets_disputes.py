"""`voicebot tickets disputes` and `rules`: for 会商, and what was decided there (R10)."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer

from voicebot.commands.knowledge_common import write_whole
from voicebot.commands.session import print_json
from voicebot.commands.tickets_records import DAYS, change_tickets, minute, period, read_tickets

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def disputes(
    since: Annotated[str, typer.Option(help=f"First day; {DAYS} days ago.")] = "",
    until: Annotated[str, typer.Option(help="Last day, included; today.")] = "",
    to: Annotated[Path | None, typer.Option(help="Write a workbook (XLSX) with evidence.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the matters that were returned or disputed, the most refused first.

    \b
    Examples:
      voicebot tickets disputes
      voicebot tickets disputes --since 2026-11-01 --to 会商.xlsx
    """
    from voicebot.tickets.disputes import disputes as gather
    from voicebot.tickets.disputes_workbook import workbook

    first, end = period(since, until)
    if to is not None:
        data = read_tickets(
            lambda session: workbook(session, gather(session, first, end)), "disputes.export"
        )
        write_whole(to, data)
        typer.echo(f"{to} written.")
        return
    found = read_tickets(
        lambda session: [each.as_values() for each in gather(session, first, end)], "disputes.list"
    )
    for each in found:
        if as_json:
            print_json(each)
            continue
        refused = [f"{name} {count}" for name, count in each["refused_by"].items()]
        if each["undecided"]:
            refused.append(f"110与12345难分 {each['undecided']}")
        times = each["returns"] + each["undecided"]
        typer.echo(f"{times:>4}  {each['matter'][:40]}  （{'、'.join(refused)}）")
        typer.echo(f"      工单 {'、'.join(each['tickets'][:5])}")


@app.command()
def rules(as_json: AsJson = False) -> None:
    """List the decisions that dispatch follows.

    \b
    Examples:
      voicebot tickets rules
    """
    from voicebot.tickets.rules import in_force

    for rule in read_tickets(in_force, "dispatch_rules.list"):
        if as_json:
            print_json(rule)
            continue
        words, where = "＋".join(rule["words"]), rule["region"] or "全省"
        typer.echo(f"{rule['id']:>4}  {words}（{where}）→ {rule['department']}")
        typer.echo(f"      {rule['source']}，{minute(rule['decided_at'])}，{rule['decided_by']}")


@app.command()
def decide(
    department: Annotated[str, typer.Argument(help="Whose such matters are.")],
    words: Annotated[list[str], typer.Argument(help="All of them are in the matter.")],
    source: Annotated[str, typer.Option(help="The minutes (会商纪要) that it stands in.")],
    region: Annotated[str, typer.Option(help="GB/T 2260 code; everywhere by default.")] = "",
) -> None:
    """Put a decision of 会商 on record; dispatch follows it from now on.

    \b
    Examples:
      voicebot tickets decide 市城管局 小区 噪音 --source "会商纪要〔2026〕3号" --region 460100
    """
    from voicebot.tickets.rules import decide as put_on_record

    rule = change_tickets(
        lambda session: (
            put_on_record(
                session,
                words=words,
                department=department,
                region=region,
                source=source,
                by=getpass.getuser(),
                at=time.time(),
            ).id
        ),
        "dispatch_rule.decide",
        department,
    )
    typer.echo(f"Rule {rule} is followed from now on.")


@app.command()
def undecide(rule: Annotated[int, typer.Argument(help="As `tickets rules` shows it.")]) -> None:
    """Take a decision back: dispatch follows it no more; it stays on record.

    \b
    Examples:
      voicebot tickets undecide 3
    """
    from voicebot.tickets.rules import withdraw

    by, at = getpass.getuser(), time.time()
    change_tickets(
        lambda session: withdraw(session, rule, by=by, at=at) and None,
        "dispatch_rule.withdraw",
        str(rule),
    )
    typer.echo(f"Rule {rule} is followed no more.")
