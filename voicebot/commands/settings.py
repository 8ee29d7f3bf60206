"""`voicebot config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voicebot.commands.session import open_settings, print_json

app = typer.Typer(no_args_is_help=True, help="The settings and where they come from.")


@app.callback()
def group() -> None:
    """The settings and where they come from."""


@app.command()
def reload(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; change nothing.")
    ] = False,
    url: Annotated[str, typer.Option(help="Of the service; this machine's by default.")] = "",
    token: Annotated[str, typer.Option(help="An admin's; this machine's by default.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Have the running service read its settings again, without losing a call.

    What can change at once counts from the next call on; what needs a restart is named and stays
    as it is. A file that cannot be used changes nothing (docs/deployment.md).

    \b
    Examples:
      voicebot config reload --dry-run
      voicebot config reload
      voicebot config reload --url https://bot.example --token vb_… --json
    """
    from voicebot.commands.asking import ask

    body = {"dry_run": dry_run}
    found = ask(open_settings(), url, token, "/v1/config/reload", body).json()
    if as_json:
        print_json(found)
        return
    would = "would count" if dry_run else "count"
    for title, keys in (
        (f"These {would} from the next call on:", found["changed"]),
        ("These need a restart, and stay as they are:", found["restart"]),
    ):
        if keys:
            typer.echo(title)
            for key in keys:
                typer.echo(f"  {key}")
    if not (found["changed"] or found["restart"]):
        typer.echo("The running service has these settings already.")


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="Instead of the one that the service reads.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say whether the service would start with these settings; else what is wrong, and where.

    \b
    Examples:
      voicebot config check
      voicebot config check new.toml && mv new.toml voicebot.toml
    """
    from voicebot.config import explain, load_settings

    given = sorted({key for key, _, source in explain(load_settings(file)) if source != "default"})
    if as_json:
        print_json({"ok": True, "given": given})
    else:
        typer.echo(f"These settings can be used; {len(given)} are given, the others are default.")


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
