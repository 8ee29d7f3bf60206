"""`voicebot retention`: what is deleted when its time is over."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

import typer

from voicebot.clock import BEIJING
from voicebot.commands.knowledge_common import bring_up_to_date, database_sentences
from voicebot.commands.session import open_settings, print_json

app = typer.Typer(no_args_is_help=True, help="Deleting personal data when its time is over.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.callback()
def group() -> None:
    """Retention: [retention] in the settings says for how long; the service does it each day."""


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show for how long each kind of data is kept, and from which day on it is there.

    \b
    Examples:
      voicebot retention show
      voicebot retention show --json
    """
    from voicebot.retention.running import DAY_S, KINDS

    rules, now = open_settings().retention, time.time()
    days: dict[str, int] = {kind: getattr(rules, kind) for kind in KINDS}
    since = {
        kind: datetime.fromtimestamp(now - DAY_S * count, BEIJING).date().isoformat()
        for kind, count in days.items()
        if count
    }
    if as_json:
        print_json({kind: {"days": days[kind], "since": since.get(kind)} for kind in KINDS})
        return
    for kind, count in days.items():
        kept = f"{count} days, since {since[kind]}" if count else "for ever"
        typer.echo(f"{kind:<12} {kept}")
    if since:
        typer.echo(f"Done each day from {rules.at:%H:%M} on by the running service.")
    else:
        typer.echo("Nothing is ever deleted; set days in [retention] of voicebot.toml.")


@app.command()
def run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted; delete nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete now what is past its time, with its counts in the audit.

    What an open ticket, hand-off, incident or missed call needs stays, and so does what is in an
    exchange with 110 that is not reconciled yet: these count as held.

    \b
    Examples:
      voicebot retention run --dry-run
      voicebot retention run --json
    """
    from voicebot.retention.daily import run_retention
    from voicebot.security import local_act

    settings = open_settings()
    bring_up_to_date(settings)
    by = local_act("retention.run", "")
    who = {"principal": by.principal, "role": by.role, "client": by.client}
    with database_sentences("The retention broke off", "What was deleted is in the audit."):
        outcome = run_retention(settings, who, time.time(), dry=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **outcome.as_dict()})
        return
    for kind, counts in outcome.as_dict().items():
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        typer.echo(f"{kind:<12} {told}")
    if dry_run:
        typer.echo("Nothing was deleted; without --dry-run it would be.")
