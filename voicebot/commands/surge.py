"""`voicebot surge`: who takes the calls, and why (docs/surge.md)."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.clock import BEIJING
from voicebot.commands.callers_common import audited, moment
from voicebot.commands.knowledge_acts import AsJson, Who, by
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer(no_args_is_help=True, help="Surge control: who takes the calls, and why.")

Line = Annotated[str, typer.Option(help="The dialled number; all lines where it is left out.")]


@app.callback()
def group() -> None:
    """Surge control: seats, remote seats, the bot, a call-back."""


@app.command()
def status(
    as_json: AsJson = False,
    url: Annotated[str, typer.Option(help="Of the service; this machine's by default.")] = "",
    token: Annotated[str, typer.Option(help="This machine's by default.")] = "",
) -> None:
    """Show each line's mode, figures, orders and newest decision, as the running service has them.

    \b
    Examples:
      voicebot surge status
      voicebot surge status --json
      voicebot surge status --url https://bot.example --token vb_…
    """
    from voicebot.commands.surge_status import ask, lines_of

    found = ask(open_settings(), url, token)
    if as_json:
        print_json(found)
        return
    for line in lines_of(found):
        typer.echo(line)


@app.command()
def override(
    order: Annotated[
        str,
        typer.Argument(
            help="bot, seats or normal: who answers; typhoon, holiday or ordinary: what kind of "
            "day it is; end: no order any more."
        ),
    ],
    why: Annotated[str, typer.Option(help="The reason; it is kept with the order.")] = "",
    line: Line = "",
    hours: Annotated[
        float, typer.Option("--for", min=0.01, help="Hours until it ends by itself.")
    ] = 2.0,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Order by hand who answers; running services follow within two seconds.

    Danger, calls of the police and limited numbers go their way whatever is ordered.

    \b
    Examples:
      voicebot surge override bot --for 3 --why 台风登陆
      voicebot surge override typhoon --for 48 --why 气象台红色预警
      voicebot surge override seats --line 12333 --why 机器人答错社保
      voicebot surge override end
    """
    from flows.surge import Force
    from voicebot.surge import orders

    wanted = None if order == "end" else _order(order)
    if line:
        _need_line(line)
    if wanted is not None and wanted.value not in set(Force) and not open_settings().surge.forecast:
        typer.echo("surge.forecast is off: the kind of day changes nothing yet.", err=True)
    act, at = by(who, ""), time.time()

    def change(session: Session) -> list[dict[str, Any]]:
        if wanted is None:
            orders.end(session, line=line, who=act.who, at=at)
        else:
            orders.give(
                session, wanted, line=line, who=act.who, why=why, at=at, until=at + 3600 * hours
            )
        session.flush()
        return [orders.values(each) for each in orders.in_force(session, at)]

    found = audited("surge.override", f"{order} {line}".strip(), change)
    if as_json:
        print_json({"orders": found})
        return
    for each in found:
        typer.echo(
            f"{each['line'] or '全部线路'}  {each['order']}  至 {moment(each['until_at'])}  "
            f"{each['given_by']}  {each['why']}"
        )
    if not found:
        typer.echo("No order is in force.")


@app.command()
def explain(
    call: Annotated[str, typer.Argument(help="Id of the call.")], as_json: AsJson = False
) -> None:
    """Say why a call went where it went.

    \b
    Examples:
      voicebot surge explain 1795735831.0
      voicebot surge explain 1795735831.0 --json
    """
    from voicebot.surge.decisions import decision_of

    found = audited("surge.explain", call, lambda s: decision_of(s, call))
    if found is None:
        raise InputError(
            f"Surge control has decided nothing about a call {call}: there were no figures of "
            "seats then, or it is not known here (`voicebot surge status`)."
        )
    if as_json:
        print_json(found)
        return
    typer.echo(f"{moment(found['at'])}  {found['line']}  {found['because']}")


@app.command()
def forecast(
    line: Annotated[str, typer.Option(help="The dialled number; the first by default.")] = "",
    day: Annotated[str, typer.Option(help="2026-09-01; today by default.")] = "",
    typhoon: Annotated[bool, typer.Option("--typhoon", help="As on the day of a typhoon.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how many calls each hour of a day lets expect, from the calls of past weeks.

    \b
    Examples:
      voicebot surge forecast
      voicebot surge forecast --day 2026-10-01 --json
      voicebot surge forecast --line 12333 --typhoon
    """
    from flows.forecast import HOURS, Situation
    from voicebot.surge import forecasting

    settings = open_settings()
    did = line or (settings.lines[0].did if settings.lines else "")
    _need_line(did)
    start = _midnight(day)
    surge = settings.surge
    learnt = audited(
        "surge.forecast",
        did,
        lambda s: forecasting.profiles(
            s, datetime.now(BEIJING), surge.forecast_weeks, surge.factors
        ),
    )
    situation = Situation.TYPHOON if typhoon else forecasting.situation_on(start)
    hours = [
        round(
            60
            * forecasting.expected(learnt.get(did), start.replace(hour=hour, minute=30), situation),
            1,
        )
        for hour in range(HOURS)
    ]
    if as_json:
        print_json(
            {
                "line": did,
                "day": start.date().isoformat(),
                "situation": situation.value,
                "learnt": did in learnt,
                "calls_per_hour": hours,
            }
        )
        return
    if did not in learnt:
        typer.echo(f"No call on {did} is on record before today: nothing is expected.")
    for hour, calls in enumerate(hours):
        typer.echo(f"{hour:02d}:00  {calls:7.1f}")


@app.command()
def announcement(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="New WAV file, 8 kHz.")],
    force: Annotated[bool, typer.Option("--force", help="Write over OUT.")] = False,
) -> None:
    """Write the words that a caller hears who will be called back, as a sound file for Asterisk.

    \b
    Examples:
      voicebot surge announcement /var/lib/asterisk/sounds/voicebot/call-back.wav
    """
    from flows.prompts import load_prompts
    from voicebot.call.audio_files import write_wav
    from voicebot.call.audio_library import open_library

    if target.exists() and not force:
        raise InputError(f"{target} is there already: --force writes over it.")
    text = load_prompts()["surge_call_back"].text
    write_wav(target, open_library(open_settings()).get(text, 8000, keep=False))
    target.chmod(0o644)  # read by Asterisk's own user
    typer.echo(f"{target}: {text}")


def _order(word: str) -> Any:
    from voicebot.surge.orders import Order

    try:
        return Order(word)
    except ValueError:
        known = ", ".join(order.value for order in Order)
        raise InputError(f"There is no order {word!r}; there are {known} and end.") from None


def _need_line(did: str) -> None:
    lines = [line.did for line in open_settings().lines]
    if did not in lines:
        raise InputError(f"{did or 'No line'} is no line here; [[lines]] has {', '.join(lines)}.")


def _midnight(day: str) -> datetime:
    if not day:
        return datetime.now(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=BEIJING)
    except ValueError:
        raise InputError(f"--day {day}: write it like 2026-09-01.") from None
