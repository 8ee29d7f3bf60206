"""`voicebot webhooks`: who is told what happens, and what waits."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.clock import BEIJING
from voicebot.commands.exchange_records import changing, read
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from voicebot.config import Settings
    from voicebot.config_webhooks import Webhook

app = typer.Typer(no_args_is_help=True, help="Events for other systems (docs/webhooks.md).")

Name = Annotated[str, typer.Argument(help="A receiver's name, of [[webhooks]].")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@app.callback()
def group() -> None:
    """Events for other systems (docs/webhooks.md)."""


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Who is told, of what, and what waits for each.

    \b
    Examples:
      voicebot webhooks list
      voicebot webhooks list --json
    """
    from voicebot.exchange.keys import KeyUnusable, read_secret
    from voicebot.webhooks import queue

    settings, now = open_settings(), time.time()
    lines: list[dict[str, Any]] = []
    for webhook in settings.webhooks:
        found, fault = read(settings, queue.waits, webhook.name), ""
        try:
            read_secret(webhook.secret_file)
        except KeyUnusable as error:
            fault = str(error)
        lines.append(
            {
                "name": webhook.name,
                "url": webhook.url,
                "events": list(webhook.events),
                "waiting": found.count,
                "oldest_s": None if found.oldest_at is None else round(now - found.oldest_at),
                "delivered_at": found.delivered_at,
                "last_error": fault or found.error,
            }
        )
    if as_json:
        print_json(lines)
        return
    for each in lines:
        typer.echo(f"{each['name']}  {each['url']}  {', '.join(each['events']) or 'all events'}")
        waits = f"{each['waiting']} waiting"
        if each["oldest_s"] is not None:
            waits += f", the oldest for {each['oldest_s']} s"
        last = each["delivered_at"]
        typer.echo(f"  {waits}; last delivered {_moment(last) if last else 'never'}")
        if each["last_error"]:
            typer.echo(f"  {each['last_error']}")
    if not lines:
        typer.echo("Nobody is told: add [[webhooks]] to the settings (docs/webhooks.md).")


@app.command()
def test(name: Name, as_json: AsJson = False) -> None:  # noqa: PT028 - a command, no test
    """Send a signed event `webhook.test` now, and say what the receiver answers.

    \b
    Examples:
      voicebot webhooks test dispatch
    """
    settings = open_settings()
    error = asyncio.run(_post(_named(settings, name)))
    if as_json:
        print_json({"name": name, "delivered": not error, "error": error})
    else:
        typer.echo(f"{name} has it." if not error else f"{name} did not take it: {error}")
    raise typer.Exit(1 if error else 0)


@app.command()
def retry(
    name: Name,
    events: Annotated[
        list[str] | None, typer.Argument(help="Ids of events; without any, all that waits.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have the running service send again at once.

    What was delivered goes out once more when it is named. Of an unknown id nothing is changed, and
    the exit status is 1.

    \b
    Examples:
      voicebot webhooks retry dispatch
      voicebot webhooks retry dispatch 97293e996bf78e4787786ab031c2994c
    """
    from voicebot.security import local_act
    from voicebot.webhooks import queue

    settings, now = open_settings(), time.time()
    _named(settings, name)

    def send_again(session: Session) -> int:
        count = queue.send_again(session, name, events or None, at=now)
        session.add(local_act("webhooks.retry", f"{name}: {count} sent again"))
        return count

    with changing(settings) as transact:
        again = transact(send_again)
    if as_json:
        print_json({"sent_again": again})
    else:
        typer.echo(f"{again} to be sent again.")


@app.command()
def show(
    name: Name,
    what: Annotated[
        str, typer.Argument(help="Number of a call, ticket …, or an event's id; all without.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Events at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Events for a receiver, the newest first, with what became of each.

    \b
    Examples:
      voicebot webhooks show dispatch
      voicebot webhooks show dispatch T-20261126-0007 --json
    """
    from voicebot.webhooks import queue

    settings = open_settings()
    _named(settings, name)
    found = read(settings, queue.history, name, what, limit)
    if as_json:
        print_json(found)
        return
    for each in found:
        note = f" ({each['last_error']})" if each["last_error"] else ""
        typer.echo(
            f"{_moment(each['at'])}  {each['event']}  {each['subject']}  {each['state']}, "
            f"{each['attempts']} attempts{note}"
        )
        typer.echo(f"  {each['id']}  {json.dumps(each['data'], ensure_ascii=False)}")
    if not found:
        typer.echo(f"No event for {name}{f' about {what}' if what else ''} is on record.")


def _named(settings: Settings, name: str) -> Webhook:
    for each in settings.webhooks:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in settings.webhooks) or "none"
    raise InputError(f"There is no webhook {name!r} in the settings; there are: {known}.")


async def _post(webhook: Webhook) -> str:
    from voicebot.webhooks.posting import Receiver

    event = {
        "id": secrets.token_hex(16),
        "event": "webhook.test",
        "subject": webhook.name,
        "sequence": 0,
        "at": time.time(),
        "data": {},
    }
    async with Receiver(webhook) as receiver:
        return await receiver.post(event)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M:%S")
