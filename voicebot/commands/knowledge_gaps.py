"""`voicebot kb gaps`: what callers asked in vain, and the list of known gaps (知识缺口)."""

from __future__ import annotations

import getpass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.clock import BEIJING, now, today
from voicebot.commands.knowledge_acts import read_knowledge
from voicebot.commands.knowledge_common import (
    bring_up_to_date,
    change_knowledge,
    database_sentences,
    known_entries,
    progress_bar,
)
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from kb.clusters import Cluster
    from voicebot.asked import Asked
    from voicebot.config import Settings
    from voicebot.gap_list import GapLine

app = typer.Typer(help="What callers asked in vain, and the list of known gaps.")

DAYS = 30
_BATCH = 64
_OUTCOMES = {
    "abstained": "未答",
    "rejected": "答错",
    "asked_again": "重问",
    "clarified": "追问",
}


@app.callback(invoke_without_command=True)
def gaps(
    context: typer.Context,
    since: Annotated[str, typer.Option(help=f"First day, 2026-11-01; {DAYS} days ago.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many meanings to show.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what callers asked in vain: unanswered, answered wrongly, asked again, or unclear.

    From the call records; questions that mean the same are one line, the most frequent first.
    Personal numbers in the examples are masked.

    \b
    Examples:
      voicebot kb gaps
      voicebot kb gaps --since 2026-11-01 --json
      voicebot kb gaps add "路灯坏了谁来修"
      voicebot kb gaps close "路灯坏了谁来修"
    """
    if context.invoked_subcommand is not None:
        return
    settings = open_settings()
    for line in bad_questions(settings, _first_moment(since), now().timestamp())[:limit]:
        if as_json:
            print_json(line.as_dict())
            continue
        outcomes = "、".join(f"{_OUTCOMES[k]} {n}" for k, n in line.outcomes.items())
        regions = "、".join(f"{name} {n}" for name, n in line.regions.items())
        typer.echo(f"{line.count:>5}  {line.question}  （{outcomes}；{regions}）")
        for example in line.examples[1:]:
            typer.echo(f"       {example}")
        if line.entries:
            typer.echo(f"       最接近的条目：{'、'.join(list(line.entries)[:3])}")


@app.command("list")
def list_known(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False,
) -> None:
    """List the questions known to have no entry.

    \b
    Examples:
      voicebot kb gaps list
    """
    from kb import store

    known = read_knowledge(store.gaps)
    if as_json:
        print_json(known)
    else:
        for question in known:
            typer.echo(question)


@app.command()
def add(
    questions: Annotated[list[str], typer.Argument(help="Questions without an entry.")],
) -> None:
    """Put questions on the list of gaps: who asks them is told that there is no answer yet.

    \b
    Examples:
      voicebot kb gaps add "路灯坏了谁来修" "井盖丢了找谁"
    """
    from kb import store
    from voicebot.security import local_act

    for question in questions:
        if not any(character.isalnum() for character in question) or len(question) > 200:
            raise InputError(f"{question[:40]!r} is no question of at most 200 characters.")
    new = 0

    def change(session: Session) -> None:
        nonlocal new
        new = store.import_gaps(session, [q.strip() for q in questions], getpass.getuser())
        session.add(local_act("kb.gaps.add", f"{new} questions"))

    with database_sentences():
        change_knowledge(open_settings(), change)
    typer.echo(f"{new} questions added, {len(questions) - new} were there.")


@app.command()
def close(question: Annotated[str, typer.Argument(help="As `gaps list` shows it.")]) -> None:
    """Take a question off the list of gaps, because an entry now answers it.

    \b
    Examples:
      voicebot kb gaps close "路灯坏了谁来修"
    """
    from kb import store
    from voicebot.security import local_act

    found = False

    def change(session: Session) -> None:
        nonlocal found
        found = store.close_gap(session, question)
        if found:
            session.add(local_act("kb.gaps.close", "1 question"))

    with database_sentences():
        change_knowledge(open_settings(), change)
    if not found:
        raise InputError(f"{question!r} is not on the list; `voicebot kb gaps list` shows it.")
    typer.echo("Closed.")


def bad_questions(settings: Settings, since: float, until: float) -> list[GapLine]:
    """The questions of [since, until), seconds since the epoch, that were served badly."""
    from voicebot.asked import BAD
    from voicebot.gap_list import gap_lines

    asked = [each for each in asked_between(settings, since, until) if each.outcome in BAD]
    return gap_lines(asked, cluster_questions(settings, asked))


def asked_between(settings: Settings, since: float, until: float) -> list[Asked]:
    """All questions of the calls that began in [since, until)."""
    from sqlalchemy.orm import Session

    from voicebot.asked import read_asked
    from voicebot.records.database import open_engine

    with database_sentences():
        bring_up_to_date(settings)
    engine = open_engine(settings.database_url)
    try:
        with database_sentences(), Session(engine) as session:
            return list(read_asked(session, since, until))
    finally:
        engine.dispose()


def cluster_questions(settings: Settings, asked: Sequence[Asked]) -> list[Cluster]:
    """The questions that mean the same, by the embedder that calls have too."""
    if not asked:
        return []
    import numpy as np

    from kb.clusters import cluster
    from voicebot.knowledge import open_embedder

    embedder = open_embedder(settings)
    usual = [entry.question for entry in known_entries(settings, published=True)]
    with progress_bar("comparing the questions") as progress:

        def embed(texts: Sequence[str]) -> Any:
            # Never `embed_corpus`: it keeps on disk what it embeds, and callers' words are theirs.
            rows = []
            for start in range(0, len(texts), _BATCH):
                rows.append(embedder.embed(texts[start : start + _BATCH]))
                progress(min(start + _BATCH, len(texts)), len(texts))
            return np.concatenate(rows)

        centre = embedder.embed_corpus(usual).mean(axis=0) if usual else None
        return cluster([each.query for each in asked], embed, centre)


def _first_moment(since: str) -> float:
    if not since:
        day = today() - timedelta(days=DAYS)
    else:
        try:
            day = datetime.strptime(since, "%Y-%m-%d").date()
        except ValueError:
            raise InputError(f"--since {since}: give a day such as 2026-11-01.") from None
    return datetime.combine(day, time.min, BEIJING).timestamp()
