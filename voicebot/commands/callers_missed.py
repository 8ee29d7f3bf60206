"""`voicebot callers`: missed calls (漏接电话) and evaluations (满意度)."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from voicebot.commands.callers_common import Everything, audited, moment
from voicebot.commands.knowledge_acts import AsJson, Who, by
from voicebot.commands.session import print_json

app = typer.Typer()


@app.command("missed")
def list_missed(everything: Everything = False, as_json: AsJson = False) -> None:
    """List missed calls that are open: danger first, the oldest before the newest.

    \b
    Examples:
      voicebot callers missed
      voicebot callers missed --json
    """
    from voicebot.callers import missed
    from voicebot.callers.missed_rules import WHY

    at = time.time()
    found = audited(
        "callers.missed.read", "", lambda s: missed.listed(s, at, everything=everything)
    )
    if not found and not as_json:
        typer.echo("No missed call is open.")
    for each in found:
        if as_json:
            print_json(each)
            continue
        why = ("险情 " if each["danger"] else "") + WHY[each["why"]]
        typer.echo(
            f"{each['call_id']}  {moment(each['at'])}  {each['number']}  {why}  "
            f"{each['state']}  已拨{each['tries']}次  {each['note']}".rstrip()
        )


@app.command()
def done(
    call: Annotated[str, typer.Argument(help="Id of the missed call.")],
    note: Annotated[str, typer.Option(help="What came of it.")] = "",
    who: Who = "",
) -> None:
    """Settle a missed call, and the others of its number: they were called, or need not be.

    \b
    Examples:
      voicebot callers done C1 --note 已回电，登记工单
    """
    from voicebot.callers import missed

    act, at = by(who, ""), time.time()
    settled = audited(
        "callers.missed.done",
        call,
        lambda s: missed.done(s, call, who=act.who, note=note, at=at),
    )
    typer.echo(f"{len(settled)} missed calls of this number settled.")


@app.command("evaluations")
def list_evaluations(as_json: AsJson = False) -> None:
    """List the newest evaluations (满意度).

    \b
    Examples:
      voicebot callers evaluations --json
    """
    from voicebot.callers import evaluations

    for each in audited("callers.evaluations.read", "", lambda s: evaluations.listed(s)):
        if as_json:
            print_json(each)
        else:
            said = evaluations.SCORES[each["score"]]
            about = each["ticket"] or each["call_id"]
            typer.echo(f"{moment(each['given_at'])}  {said}  {about}")
