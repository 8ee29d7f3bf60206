"""`voicebot token`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

import typer

from voicebot.commands.session import open_settings, print_json

app = typer.Typer(no_args_is_help=True, help="Access tokens.")


@app.callback()
def group() -> None:
    """Access tokens: made here, shown once, kept only as hashes."""


def show_once(made: Mapping[str, str], *, err: bool = False) -> None:
    """The only time that tokens are seen."""
    for role, token in made.items():
        typer.echo(f"{role} token (shown once): {token}", err=err)


@app.command()
def create(
    role: Annotated[
        str,
        typer.Argument(
            help="admin, supervisor, agent, editor, reviewer, media, desk, 110, channel, acd, "
            "metrics, auditor."
        ),
    ],
    name: Annotated[str, typer.Option(help="Who it is for; a channel's needs one.")] = "",
    save: Annotated[
        bool, typer.Option(help="Keep it for this machine's commands (mode 0600).")
    ] = False,
) -> None:
    """Make a token and show it once.

    \b
    Examples:
      voicebot token create agent --name "seat 7"
      voicebot token create media --name pbx
      voicebot token create channel --name 海易办
      voicebot token create metrics --name prometheus
      voicebot token create media --save
    """
    from voicebot.security import keep_token, token_store

    settings = open_settings()
    tokens = token_store(settings)
    token = tokens.create(role, name)
    typer.echo(token)
    if save:
        typer.echo(f"Kept in {keep_token(settings, role, token)}.", err=True)


@app.command("list")
def list_tokens(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the tokens, without the tokens themselves.

    \b
    Examples:
      voicebot token list
      voicebot token list --json
    """
    from voicebot.security import token_store

    rows = token_store(open_settings()).listed()
    if not rows and not as_json:
        typer.echo("There are no tokens yet; `voicebot token create` makes one.")
    for row in rows:
        if as_json:
            print_json(row)
            continue
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["created_at"]))
        state = "revoked" if row["revoked_at"] else "valid"
        typer.echo(f"{row['id']}  {row['role']:<10}  {made}  {state:<7}  {row['name']}")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="As `voicebot token list` shows.")],
) -> None:
    """Make a token worthless, from the next second on.

    \b
    Examples:
      voicebot token revoke 3fa9c1d2
    """
    from voicebot.security import token_store

    token_store(open_settings()).revoke(token_id)
    typer.echo("Revoked.")
