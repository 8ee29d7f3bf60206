"""`voicebot config`."""

from __future__ import annotations

from typing import Annotated

import typer

from voicebot.commands.session import open_settings, print_json

app = typer.Typer(no_args_is_help=True, help="The settings and where they come from.")


@app.callback()
def group() -> None:
    """The settings and where they come from."""


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Show every setting, its value and where the value came from; secrets are hidden.

    \b
    Examples:
      voicebot config show
      VOICEBOT_SERVER__PORT=9000 voicebot config show
      voicebot config show --json
    """
    from voicebot.config import explain

    rows = explain(open_settings())
    if as_json:
        print_json({key: {"value": value, "source": source} for key, value, source in rows})
        return
    width = max(len(key) for key, _, _ in rows)
    for key, value, source in rows:
        typer.echo(f"{key:<{width}}  {value or '-'}  ({source})")
