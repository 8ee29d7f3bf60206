"""`voicebot handoff`: the signed link to the 110 view of a hand-off."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.knowledge_common import database_sentences
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from voicebot.config import Settings

app = typer.Typer(no_args_is_help=True, help="Hand-offs: the link by which 110 reads one.")


@app.callback()
def group() -> None:
    """Hand-offs of live calls to 110."""


@app.command()
def link(
    handoff: Annotated[str, typer.Argument(help="As the dossier and the console have it.")],
    hours: Annotated[
        float, typer.Option(min=0.1, max=720.0, help="How long the link holds.")
    ] = 24.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Make a link to a hand-off: whoever holds it reads dossier, words and recording.

    It needs no log-in, holds for so long and for this hand-off alone; what is done with it is in
    the audit. Beyond this machine set notices.public_url. The same link goes out with each dossier.

    \b
    Examples:
      voicebot handoff link CA0123456789abcdef-h1
      voicebot handoff link CA0123456789abcdef-h1 --hours 2 --json
    """
    from voicebot.agents.links import open_links
    from voicebot.security import audit_local

    settings = open_settings()
    if not _known(settings, handoff):
        raise InputError(f"There is no hand-off {handoff!r}; a call's record names its own.")
    now = time.time()
    url = open_links(settings).url(handoff, now=now, valid_s=3600.0 * hours)
    audit_local(settings.database_url, "handoff.link", handoff)
    if as_json:
        print_json({"handoff": handoff, "url": url, "until": int(now + 3600.0 * hours)})
    else:
        typer.echo(url)


def _known(settings: Settings, handoff: str) -> bool:
    from sqlalchemy.orm import Session

    from voicebot.records.database import migrate, open_engine
    from voicebot.records.tables import HandoffRow

    with database_sentences("The records cannot be read", "Run `voicebot db migrate`."):
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        try:
            with Session(engine) as session:
                return session.get(HandoffRow, handoff) is not None
        finally:
            engine.dispose()
