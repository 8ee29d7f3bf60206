"""`voicebot callers`: numbers limited for nuisance (骚扰限制)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.callers_common import (
    Everything,
    Why,
    act_on_limit,
    audited,
    moment,
    tell_limit,
)
from voicebot.commands.knowledge_acts import AsJson, Who
from voicebot.commands.knowledge_common import progress_bar
from voicebot.commands.session import open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from voicebot.callers.tables import LimitRow

app = typer.Typer()

Limit = Annotated[int, typer.Argument(help="Number of the limit, as `limits` shows it.")]
Reason = Annotated[str, typer.Option(help="harassment, threat, abuse, drunk, disturbed or silent.")]


@app.command("limits")
def list_limits(
    number: Annotated[str, typer.Argument(help="All limits of this number, with steps.")] = "",
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List proposals and limits in force; open appeals come first.

    \b
    Examples:
      voicebot callers limits
      voicebot callers limits 13800138000
      voicebot callers limits --all --json
    """
    from voicebot.callers import limits

    at = time.time()
    if number:
        found = audited("callers.limits.read", number, lambda s: limits.history(s, number, at))
    else:
        found = audited(
            "callers.limits.read", "", lambda s: limits.listed(s, at, everything=everything)
        )
    if not found and not as_json:
        typer.echo("There is none.")
    for each in found:
        tell_limit(each, as_json)


@app.command()
def propose(as_json: AsJson = False) -> None:
    """Propose limits by rule from the nuisance calls on record; a person decides on each.

    \b
    Examples:
      voicebot callers propose
    """
    from voicebot.callers import limits, proposing

    at = time.time()
    with progress_bar("looking through nuisance calls"):
        found = audited(
            "callers.limits.propose",
            "",
            lambda s: [limits.values(row, at) for row in proposing.propose_all(s, at)],
        )
    if not found and not as_json:
        typer.echo("No number gives cause for a new proposal.")
    for each in found:
        tell_limit(each, as_json)


@app.command()
def limit(
    number: Annotated[str, typer.Argument(help="As callers' numbers are kept: 13800138000.")],
    why: Why,
    reason: Reason,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            "--call", help="A call as evidence, by id; again for each. Else the proposal's."
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Calendar days, 30 at most; else as in the settings.")
    ] = None,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Limit a number from now to the end of its last calendar day; running services follow at once.

    The number goes on reaching 110, answers and tickets; it gets no seat.

    \b
    Examples:
      voicebot callers limit 13800138000 --reason harassment --why 一周内辱骂话务员五次 --call C1
      voicebot callers limit 13800138000 --reason silent --why 无声电话 --days 7
    """
    from voicebot.callers import limits

    settings = open_settings()

    def change(session: Session, name: str, at: float) -> LimitRow:
        return limits.set_limit(
            session,
            number,
            reason=reason,
            evidence=evidence or [],
            who=name,
            why=why,
            at=at,
            days=days or settings.callers.limit_days,
        )

    act_on_limit("callers.limit.set", who, change, as_json)


@app.command()
def lift(limit: Limit, why: Why, who: Who = "", as_json: AsJson = False) -> None:
    """Take a limit back at once.

    \b
    Examples:
      voicebot callers lift 3 --why 号码已换人
    """
    from voicebot.callers import limits

    act_on_limit(
        "callers.limit.lift",
        who,
        lambda s, name, at: limits.lift(s, limit, who=name, why=why, at=at),
        as_json,
    )


@app.command()
def dismiss(limit: Limit, why: Why, who: Who = "", as_json: AsJson = False) -> None:
    """Decide against a proposal.

    \b
    Examples:
      voicebot callers dismiss 4 --why 老人听力不好
    """
    from voicebot.callers import proposing

    act_on_limit(
        "callers.limit.dismiss",
        who,
        lambda s, name, at: proposing.dismiss(s, limit, who=name, why=why, at=at),
        as_json,
    )


@app.command()
def review(
    limit: Limit,
    why: Why,
    lift: Annotated[bool, typer.Option("--lift/--keep", help="What you decide.")],
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Review a limit, on an appeal or without one; not by who has set it.

    \b
    Examples:
      voicebot callers review 3 --keep --why 录音核实无误 --as 李主任
      voicebot callers review 3 --lift --why 误判 --as 李主任
    """
    from voicebot.callers import limits

    act_on_limit(
        "callers.limit.review",
        who,
        lambda s, name, at: limits.review(s, limit, who=name, why=why, at=at, lift=lift),
        as_json,
    )


@app.command()
def appeal(
    number: Annotated[str, typer.Argument(help="The limited number.")],
    why: Why,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Put a caller's appeal (申诉) on record; callers can make it by telephone themselves.

    \b
    Examples:
      voicebot callers appeal 13800138000 --why 来电人说手机被别人拿去打的
    """
    from voicebot.callers import limits

    act_on_limit(
        "callers.limit.appeal",
        who,
        lambda s, name, at: limits.appeal_of(s, number, who=name, why=why, at=at),
        as_json,
    )


@app.command()
def report(limit: Limit, why: Why, who: Who = "", as_json: AsJson = False) -> None:
    """Report a number to 110 as a police order (情节严重的及时通报110).

    \b
    Examples:
      voicebot callers report 3 --why 扬言恐吓话务员
    """
    from voicebot.callers import reporting

    act_on_limit(
        "callers.limit.report",
        who,
        lambda s, name, at: reporting.report(s, limit, who=name, why=why, at=at),
        as_json,
    )


@app.command()
def mark(
    call: Annotated[str, typer.Argument(help="Id of the call.")],
    reason: Reason,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Say that a call was nuisance; enough of them make a proposal.

    \b
    Examples:
      voicebot callers mark C1 --reason abuse
    """
    from voicebot.callers import proposing

    act_on_limit(
        "callers.nuisance.mark",
        who,
        lambda s, name, at: proposing.mark(s, call, reason, who=name, at=at),
        as_json,
    )


@app.command()
def counts(as_json: AsJson = False) -> None:
    """Count nuisance calls of the last 30 days by number and reason.

    \b
    Examples:
      voicebot callers counts
    """
    from voicebot.callers import proposing
    from voicebot.callers.nuisance import REASONS

    at = time.time()
    for each in audited("callers.nuisance.read", "", lambda s: proposing.counts(s, at)):
        if as_json:
            print_json(each)
        else:
            last = moment(each["last_at"])
            typer.echo(
                f"{each['number']}  {REASONS[each['reason']]}  {each['calls']}次  最近 {last}"
            )
