"""`voicebot exchange`: what goes to 110 and comes from it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.clock import today
from voicebot.commands.exchange_deciding import decide
from voicebot.commands.exchange_reconciliation import differences, reconcile
from voicebot.commands.exchange_records import changing, day_of, read
from voicebot.commands.exchange_stand_in import stand_in
from voicebot.commands.knowledge_common import bring_up_to_date, progress_bar
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from voicebot.config import Settings

app = typer.Typer(no_args_is_help=True, help="Messages between 12345 and 110.")
app.command("stand-in")(stand_in)
app.command("reconcile")(reconcile)
app.command("differences")(differences)
app.command("decide")(decide)

AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@app.callback()
def group() -> None:
    """Messages between 12345 and 110."""


@app.command()
def status(as_json: AsJson = False) -> None:
    """How many messages went out and came in, and what waits for how long.

    \b
    Examples:
      voicebot exchange status
      voicebot exchange status --json
    """
    from voicebot.exchange import due, reading

    settings = open_settings()
    now = time.time()
    counts = read(settings, reading.counts)
    out = read(settings, due.overdue, now)
    unapplied, oldest = read(settings, due.unapplied, now)
    waited = None if out.oldest_at is None else round(now - out.oldest_at)
    if as_json:
        print_json(
            {
                "url": settings.exchange.url,
                "counts": counts,
                "not_confirmed": out.count,
                "police_orders_not_confirmed": out.police_orders,
                "oldest_s": waited,
                "last_error": out.error,
                "not_applied": unapplied,
                "oldest_not_applied": oldest,
            }
        )
        return
    typer.echo(f"110's platform: {settings.exchange.url or 'not set up ([exchange] url)'}")
    for direction, name in (("out", "sent"), ("in", "received")):
        states = ", ".join(f"{count} {state}" for state, count in counts[direction].items())
        typer.echo(f"{name:<9} {states or 'nothing'}")
    if out.count:
        typer.echo(
            f"{out.count} not confirmed ({out.police_orders} police orders), the oldest for "
            f"{waited} s: {out.error or 'not tried yet'}"
        )
    if unapplied:
        typer.echo(f"{unapplied} not applied; the oldest: {', '.join(oldest)}")


@app.command()
def retry(
    messages: Annotated[
        list[str] | None, typer.Argument(help="Ids; without any, all that waits.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send again at once, and apply what came in and could not be applied.

    What 110 has confirmed goes out once more when it is named: 110 applies it once. Of an
    unknown id nothing is changed, and the exit status is 1.

    \b
    Examples:
      voicebot exchange retry
      voicebot exchange retry 12345:police_order:W20261126-7:1
    """
    import voicebot.tickets.exchange  # noqa: F401 - what is done with what came in
    from voicebot.exchange import due
    from voicebot.exchange.inbox import apply_ready
    from voicebot.security import local_act

    settings, now = open_settings(), time.time()

    def send_again(session: Session) -> int:
        count = due.send_again(session, messages or None, at=now)
        session.add(local_act("exchange.retry", f"{count} sent again"))
        return count

    with changing(settings) as transact:
        again, applied, after = transact(send_again), 0, 0
        # Each subject by itself, as the service does it (`inbox.apply_ready`).
        while found := transact(due.appliable, after):
            for _, subject in found:
                applied += transact(apply_ready, subject, at=now)
            after = found[-1][0]
    if as_json:
        print_json({"sent_again": again, "applied": applied})
    else:
        typer.echo(f"{again} to be sent again, {applied} applied.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Number of a ticket or order, or a message's id.")],
    as_json: AsJson = False,
) -> None:
    """All messages about a matter, with what became of each (可查、可看、可追溯).

    They hold personal data, so that this is put on record first.

    \b
    Examples:
      voicebot exchange show W20261126-7
      voicebot exchange show 110:ticket:F20261126-000001:1 --json
    """
    from voicebot.exchange import reading
    from voicebot.security import audit_local

    settings = open_settings()
    found = read(settings, reading.history, name)
    if found is None:
        raise InputError(f"There is no message about {name!r}, and none of this id.")
    audit_local(settings.database_url, "exchange.show", name)
    if as_json:
        print_json(found)
        return
    for direction, title in (("sent", "→ 110"), ("received", "← 110")):
        for each in found[direction]:
            envelope = each["envelope"]
            note = each.get("last_error") or each.get("reason") or ""
            typer.echo(
                f"{title}  {envelope['sent_at']}  {each['id']}  {each['state']}"
                f"{f' ({note})' if note else ''}"
            )
            typer.echo(f"       {json.dumps(envelope['body'], ensure_ascii=False)}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File of JSON lines to write.")],
    first: Annotated[str, typer.Option("--from", help="First day; today by default.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day, included; the first one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the messages that were sent on some days to a file, one a line (可批量应用).

    Each line is a line of the ledger with its `envelope`, as the schemas have it. The file
    holds personal data and is its owner's alone.

    \b
    Examples:
      voicebot exchange export today.jsonl
      voicebot exchange export november.jsonl --from 2026-11-01 --to 2026-11-30
    """
    import os

    from voicebot.security import audit_local

    settings = open_settings()
    begin = day_of(first) if first else today()
    end = day_of(last) if last else begin
    if end < begin:
        raise InputError(f"--to {end} is before --from {begin}.")
    bring_up_to_date(settings)
    audit_local(settings.database_url, "exchange.export", f"{begin} {end}")
    part = file.with_name(f".{file.name}.part")
    count = 0
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as lines, progress_bar("messages") as tell:
            for line in _lines(settings, begin, end):
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
                tell(count, 0)
        part.replace(file)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
    if as_json:
        print_json({"file": str(file), "messages": count})
    else:
        typer.echo(f"{count} messages in {file}.")


@app.command()
def schema(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")] = Path("docs/exchange"),
    as_json: AsJson = False,
) -> None:
    """Write the JSON Schema of each kind of message.

    \b
    Examples:
      voicebot exchange schema
      voicebot exchange schema /tmp/schemas
    """
    from voicebot.exchange.schema.json_schema import write_schemas

    files = [str(file) for file in write_schemas(folder)]
    if as_json:
        print_json(files)
    else:
        typer.echo("\n".join(files))


def _lines(settings: Settings, begin: date, end: date) -> Iterator[dict[str, Any]]:
    from voicebot.exchange import reading

    day = begin
    while day <= end:
        after: int | None = 0
        while after is not None:
            page = read(settings, reading.ledger, day, after, 1000)
            names = [each["id"] for each in page["entries"]]
            envelopes = read(settings, reading.messages, names)
            for line in page["entries"]:
                yield {**line, "envelope": envelopes.get(line["id"])}
            after = page["next"]
        day += timedelta(days=1)
