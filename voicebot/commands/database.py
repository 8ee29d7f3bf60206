"""`voicebot db`."""

from __future__ import annotations

import typer

from voicebot.commands.session import open_settings

app = typer.Typer(no_args_is_help=True, help="The database.")


@app.callback()
def group() -> None:
    """The database."""


@app.command()
def migrate() -> None:
    """Make the database, or bring it up to date, and make the first tokens.

    \b
    Examples:
      voicebot db migrate
      VOICEBOT_DATABASE__URL=postgresql+psycopg://… voicebot db migrate

    PostgreSQL needs its driver: pip install 'voicebot[postgres]'
    """
    from voicebot.commands.tokens import show_once
    from voicebot.security import prepare

    settings = open_settings()
    made = prepare(settings)
    typer.echo("The database is up to date.")
    show_once(made)
