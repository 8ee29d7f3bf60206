"""`voicebot exchange stand-in`: a stand-in for 110's platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voicebot.commands.session import InputError, open_settings


def stand_in(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8447,
    store: Annotated[
        Path | None, typer.Option(help="Its SQLite file; in the state folder by default.")
    ] = None,
    token: Annotated[
        str, typer.Option(envvar="VOICEBOT_STAND_IN_TOKEN", help="That it asks for.")
    ] = "",
    hotline: Annotated[str, typer.Option(help="Address of 12345's service; '' for none.")] = "",
    hotline_token: Annotated[
        str,
        typer.Option(envvar="VOICEBOT_HOTLINE_TOKEN", help="One of role 110: `voicebot token`."),
    ] = "",
    faults: Annotated[
        str, typer.Option(help='Chances, such as {"lose_answer": 0.1, "seed": 7}.')
    ] = "{}",
) -> None:
    """Stand in for 110's platform, on this machine alone: for tests, trials and the demo.

    Keys, clock skew and, by default, the token are those of [exchange]; a matter is passed on
    with POST /admin/push, and faults are changed with PUT /admin/faults.

    \b
    Examples:
      voicebot exchange stand-in
      voicebot exchange stand-in --faults '{"lie": 0.05, "duplicate": 0.2, "seed": 1}'
      voicebot exchange stand-in --hotline http://127.0.0.1:8445
    """
    from pydantic import ValidationError

    from voicebot.exchange.keys import read_keys
    from voicebot.exchange.signing import Verifier
    from voicebot.exchange.stand_in.app import run_stand_in
    from voicebot.exchange.stand_in.faults import Faults
    from voicebot.exchange.stand_in.pushing import Hotline
    from voicebot.security import local_token

    settings = open_settings()
    exchange = settings.exchange
    token = token or exchange.token.get_secret_value()
    if not token:
        raise InputError("The stand-in needs a token to ask for: --token, or exchange.token.")
    hotline_token = hotline_token or local_token(settings, "110") or ""
    if hotline and not hotline_token:
        raise InputError(
            "To send to 12345 it needs a token of role 110: `voicebot token create 110`, "
            "and --hotline-token."
        )
    try:
        chances = Faults.model_validate_json(faults)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"--faults: {where}: {first['msg']}.") from None
    keys = read_keys(exchange.keys)
    ours = {name: key for name, key in keys.items() if key.owner == "12345"}
    theirs = {name: key for name, key in keys.items() if key.owner == "110"}
    run_stand_in(
        store or settings.paths.state / "stand-in" / "110.db",
        port=port,
        token=token,
        faults=chances,
        hotline=Hotline(hotline, hotline_token, theirs) if hotline else None,
        verifier=Verifier(ours, skew_s=exchange.clock_skew_s) if ours else None,
        on_listening=lambda address: typer.echo(f"The stand-in listens on {address}.", err=True),
    )
