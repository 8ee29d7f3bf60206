"""`voicebot exchange decide`: what reconciliation has left for people."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.exchange_records import changing
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from voicebot.config import Settings
    from voicebot.exchange.schema import Envelope


def decide(
    finding: Annotated[str, typer.Argument(help="As `differences` lists it: missing_here …")],
    message: Annotated[str, typer.Argument(help="Id of the message.")],
    note: Annotated[str, typer.Option(help="Why; it is kept with your name.")],
    close: Annotated[bool, typer.Option("--close", help="Leave it as it is.")] = False,
    send_again: Annotated[
        bool, typer.Option("--send-again", help="Send ours to 110 once more.")
    ] = False,
    ask_again: Annotated[
        bool, typer.Option("--ask-again", help="Fetch theirs from 110 once more.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Decide about a difference that no rule may mend.

    What is closed stays closed as long as both ledgers say the same as now. What is sent or
    asked for again is being mended, until the next reconciliation proves it.

    \b
    Examples:
      voicebot exchange decide differing_content 12345:ticket:W20261126-7:1 --close \\
          --note "110 keeps its wording; agreed by telephone with 李警官"
      voicebot exchange decide differing_state 12345:police_order:P20261125-17:1 --send-again \\
          --note "110 takes this category now"
      voicebot exchange decide missing_here 110:ticket:F20261126-000001:1 --ask-again \\
          --note "its department is in the directory now"
    """
    from voicebot.exchange.reconciliation import deciding
    from voicebot.exchange.reconciliation.comparing import Finding
    from voicebot.exchange.reconciliation.deciding import Decision

    try:
        found = Finding(finding)
    except ValueError:
        raise InputError(
            f"There is no finding {finding!r}; there are {', '.join(Finding)}."
        ) from None
    wanted = {
        Decision.CLOSE: close,
        Decision.SEND_AGAIN: send_again,
        Decision.ASK_AGAIN: ask_again,
    }
    given = [decision for decision, is_given in wanted.items() if is_given]
    if len(given) != 1:
        raise InputError("Give one of --close, --send-again and --ask-again.")
    (decision,) = given
    settings = open_settings()
    with changing(settings) as transact:
        envelope = None
        if decision is Decision.ASK_AGAIN:
            transact(deciding.find, found, message, decision)  # before 110 is asked
            envelope = _theirs(settings, message)
        state = transact(
            deciding.decide,
            found,
            message,
            decision,
            note=note,
            at=time.time(),
            envelope=envelope,
        )
    if as_json:
        print_json({"finding": finding, "id": message, "decision": decision, "state": state})
    else:
        typer.echo(f"{finding} of {message}: {state}")


def _theirs(settings: Settings, message: str) -> Envelope | None:
    from voicebot.exchange.platform import Platform

    if not settings.exchange.url:
        raise InputError("110's platform is not set up: give [exchange] url in the settings.")

    async def fetch() -> Envelope | None:
        async with Platform(settings.exchange) as platform:
            return await platform.message(message)

    return asyncio.run(fetch())
