"""`voicebot kb publish`: what is approved becomes what is spoken."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.clock import now
from voicebot.commands import knowledge_audio, knowledge_files
from voicebot.commands.knowledge_acts import (
    At,
    Who,
    Why,
    act_on,
    by,
    local,
    minute_of,
    read_knowledge,
)
from voicebot.commands.knowledge_common import (
    database_exists,
    database_sentences,
    progress_bar,
)
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kb.entry import Entry
    from kb.ledger import Act
    from voicebot.config import Settings

DEMO_AUTHOR, DEMO_REVIEWER = "演示编写员", "演示审核员"
"""Two persons, for even the demonstration's entries are spoken only when a second has read them."""
TABLES = (".csv", ".xlsx", ".jsonl")


def publish(
    what: Annotated[
        list[str] | None, typer.Argument(help="Ids of approved entries, or one file of entries.")
    ] = None,
    at: At = "",
    who: Who = "",
    why: Why = "",
    reviewed_by: Annotated[
        str, typer.Option(help="Who has read the file's approved entries: somebody else.")
    ] = "",
    phrasings: Annotated[
        Path | None, typer.Option(help="Beside a file: more ways to ask, with id, phrasing.")
    ] = None,
    gaps: Annotated[
        Path | None, typer.Option(help="Beside a file: questions known to have no entry.")
    ] = None,
    demo: Annotated[
        bool, typer.Option(help="The demonstration entries, if there are no others yet.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Let approved entries be spoken, now or from a minute on; make index and audio of all answers.

    Running services take up the change within seconds. Entries of a file are in review until
    somebody else has read them; name who has, and the approved ones are published. What an
    administrator has entered is never replaced by `--demo`. Without anything, only index and
    audio are made.

    \b
    Examples:
      voicebot kb publish sb-101 sb-102
      voicebot kb publish sb-101 --at '2026-12-01 08:00' --why 十二月的新口径
      voicebot kb publish faq.csv --reviewed-by 李主任
      voicebot kb publish --demo
      voicebot kb publish
    """
    settings = open_settings()
    file, names = _file_or_names(what or [])
    beside = phrasings is not None or gaps is not None
    if names and (demo or beside or reviewed_by):
        raise InputError("--demo, --reviewed-by, --phrasings and --gaps go with a file, not ids.")
    if not names and (at or why):
        raise InputError("--at and --why go with the ids of approved entries.")
    if demo and file is None and not names and _empty(settings):
        from kb.corpus import DATA

        file = DATA / "faq.csv"
        phrasings, gaps = phrasings or DATA / "phrasings.csv", gaps or DATA / "gaps.csv"
        who, reviewed_by = DEMO_AUTHOR, DEMO_REVIEWER
    elif file is None and beside:
        raise InputError("--phrasings and --gaps go with a file of entries.")
    faults = 0
    if names:
        minute = minute_of(at)
        _prepare(settings, _approved(names))
        _let_be_spoken(names, by(who, why or "published"), minute, as_json)
    elif file is not None:
        files = knowledge_files.read_files(file, phrasings, gaps, {})
        if reviewed_by:
            more = [text for texts in files.phrasings.values() for text in texts]
            _prepare(settings, _to_publish(settings, files.entries.entries), more)
        done = knowledge_files.store_files(
            settings, files, who=who, reviewed_by=reviewed_by, publish=True
        )
        knowledge_files.tell_done(files, done, as_json)
        faults = files.faults
    raise typer.Exit(1 if _make(settings, as_json=as_json) + faults else 0)


def _approved(names: Sequence[str]) -> list[Entry]:
    from kb import ledger
    from kb.entry import Status
    from kb.slot_store import with_slots

    approved = read_knowledge(
        lambda session: with_slots(session, ledger.standing(session, Status.APPROVED))
    )
    return [entry for entry in approved if entry.id in names]


def _to_publish(settings: Settings, rows: Sequence[Entry]) -> list[Entry]:
    """The rows of a file that are published once somebody has read them."""
    from kb.entry import Status
    from kb.slot_store import with_slots
    from voicebot.records.database import migrate

    ready = [row for row in rows if row.status in (Status.APPROVED, Status.PUBLISHED)]
    migrate(settings.database_url)
    return read_knowledge(lambda session: with_slots(session, ready))


def _prepare(settings: Settings, entries: Sequence[Entry], more: Sequence[str] = ()) -> None:
    """Vectors and audio of what is to be published: running services then take it up at once."""
    from kb.index import texts_of as embedded
    from voicebot.call.audio_library import open_library
    from voicebot.knowledge import open_embedder
    from voicebot.knowledge_speech import rendered_of

    if not entries:
        return  # the decision says why
    open_embedder(settings).embed_corpus([*embedded(entries), *more], progress=True)
    library = open_library(settings, at_once=os.cpu_count() or 1)
    with progress_bar("rendering audio") as progress:
        library.prepare(rendered_of(entries, now()), progress)


def _let_be_spoken(names: Sequence[str], act: Act, minute: datetime | None, as_json: bool) -> None:
    from kb import lifecycle
    from kb.rules import effective_from

    changes = [partial(lifecycle.publish, name=n, act=act, effective_at=minute) for n in names]
    for entry in act_on("kb.publish", changes, as_json):
        effective = effective_from(entry, act.at, minute)
        if effective > act.at and not as_json:
            typer.echo(f"{entry.id} is spoken from {local(effective)} on.")


def _make(settings: Settings, *, as_json: bool) -> int:
    """Index and audio of what is published; how many faults the audio has."""
    from flows.prompts import load_prompts
    from voicebot.call.audio_library import open_library
    from voicebot.call.composing import prompt_texts
    from voicebot.knowledge import open_embedder
    from voicebot.knowledge import publish as make

    prompts = prompt_texts(load_prompts().values())
    library = open_library(settings, at_once=os.cpu_count() or 1)
    with database_sentences(), progress_bar("rendering audio") as progress:
        knowledge = make(settings, open_embedder(settings), library, prompts, progress=progress)
    faults = knowledge_audio.tell_findings(library, knowledge.entries.values())
    if as_json:
        print_json({"entries": len(knowledge.entries), "revision": knowledge.revision})
    else:
        typer.echo(f"Published: {len(knowledge.entries)} entries, revision {knowledge.revision}.")
    return faults


def _file_or_names(what: Sequence[str]) -> tuple[Path | None, list[str]]:
    """A file that is named alone, or ids."""
    files = [text for text in what if Path(text).suffix.lower() in TABLES or Path(text).is_file()]
    if files and len(what) > 1:
        raise InputError(f"{files[0]} is a file: name it alone, or only ids of entries.")
    return (Path(files[0]), []) if files else (None, list(what))


def _empty(settings: Settings) -> bool:
    """Whether no entry was ever put in the knowledge base."""
    from kb import ledger

    return not database_exists(settings) or read_knowledge(ledger.is_empty)
