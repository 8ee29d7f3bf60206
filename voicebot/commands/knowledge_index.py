"""`voicebot kb reindex`: the search index made anew, beside the one in use."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from voicebot.commands.knowledge_common import bring_up_to_date, database_sentences, progress_bar
from voicebot.commands.session import InputError, open_settings, print_json


def reindex(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Make the search index of all that is published anew, beside the one in use.

    Needed after another sentence model has been configured, and worth it when a large knowledge
    base has changed a great deal. The old index serves until the new one is complete; vectors
    are kept as they are made, so an interrupted run is taken up where it stopped. A running
    service takes the new index at the next publication or start.

    \b
    Examples:
      voicebot kb reindex
      voicebot kb reindex --json
    """
    from voicebot.knowledge import KnowledgeBase, open_embedder

    settings = open_settings()
    bring_up_to_date(settings)
    started = time.monotonic()
    with database_sentences():
        base = KnowledgeBase(settings)
        try:
            with progress_bar("indexing") as progress:
                knowledge = base.open(open_embedder(settings), progress=progress, anew=True)
        finally:
            base.close()
    if not knowledge.entries:
        raise InputError(
            "The knowledge base holds no entry that is valid today; "
            "`voicebot kb publish --demo` fills it with the demonstration entries."
        )
    figures = {
        "entries": len(knowledge.entries),
        "wordings": sum(len(entry.wordings) for entry in knowledge.entries.values()),
        "revision": knowledge.revision,
        "seconds": round(time.monotonic() - started, 1),
    }
    if as_json:
        print_json(figures)
    else:
        typer.echo(
            f"Indexed: {figures['entries']} entries, {figures['wordings']} wordings, "
            f"in {figures['seconds']} s."
        )
