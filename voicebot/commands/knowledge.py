"""`voicebot kb`: for the people who keep the answers (知识库管理员)."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from voicebot.clock import today
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from kb.corpus import Labelled
    from kb.search import Searcher
    from kb.table_file import RowError
    from voicebot.config import Settings

app = typer.Typer(no_args_is_help=True, help="The knowledge base of approved answers.")

SHOWN = 20
"""Faults of a file that are printed; the rest is counted."""


@app.callback()
def group() -> None:
    """The knowledge base of approved answers (知识库)."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV of entries, UTF-8 or GBK.")],
    phrasings: Annotated[
        Path | None, typer.Option(help="CSV with more ways to ask: id, phrasing.")
    ] = None,
    gaps: Annotated[
        Path | None, typer.Option(help="Questions known to have no entry, one a line.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Only read the files and say what is wrong.")] = False,
) -> None:
    """Take entries from a CSV file; faulty rows are named and left out, good ones kept.

    Running services take up the change within seconds. `voicebot kb publish` renders
    the audio beforehand.

    \b
    Examples:
      voicebot kb import faq.csv
      voicebot kb import faq.csv --check
      voicebot kb import faq.csv --phrasings phrasings.csv
    """
    settings = open_settings()
    change, faults = _read_files(file, phrasings, gaps)
    if check:
        raise typer.Exit(1 if faults else 0)
    with _database_sentences():
        _store(settings, change)
    raise typer.Exit(1 if faults else 0)


@app.command()
def publish(
    file: Annotated[
        Path | None, typer.Argument(help="CSV of entries; without it, the entries on record.")
    ] = None,
    phrasings: Annotated[
        Path | None, typer.Option(help="CSV with more ways to ask: id, phrasing.")
    ] = None,
    gaps: Annotated[
        Path | None, typer.Option(help="Questions known to have no entry, one a line.")
    ] = None,
    demo: Annotated[
        bool, typer.Option(help="The demonstration entries, if there are no others yet.")
    ] = False,
) -> None:
    """Import, then make everything that calls need: search index and audio of all answers.

    What an administrator has entered is never replaced by `--demo`.

    \b
    Examples:
      voicebot kb publish --demo
      voicebot kb publish faq.csv --phrasings phrasings.csv
      voicebot kb publish
    """
    from flows.prompts import load_prompts
    from voicebot.call.audio_library import open_library
    from voicebot.knowledge import open_embedder
    from voicebot.knowledge import publish as make

    settings = open_settings()
    change: Callable[[Session], object] | None = None
    faults = 0
    if demo and file is None and _empty(settings):
        from kb.corpus import DATA

        file = DATA / "faq.csv"
        phrasings = phrasings or DATA / "phrasings.csv"
        gaps = gaps or DATA / "gaps.csv"
    if file is not None:
        change, faults = _read_files(file, phrasings, gaps)
    elif phrasings is not None or gaps is not None:
        raise InputError("--phrasings and --gaps go with a file of entries.")
    prompts = [prompt.text for prompt in load_prompts().values() if not prompt.blanks]
    with _database_sentences(), _progress("rendering audio") as progress:
        knowledge = make(
            settings,
            open_embedder(settings),
            open_library(settings, at_once=os.cpu_count() or 1),
            prompts,
            change=change,
            progress=progress,
        )
    typer.echo(f"Published: {len(knowledge.entries)} entries, revision {knowledge.revision}.")
    raise typer.Exit(1 if faults else 0)


@app.command()
def show(
    entry: Annotated[str, typer.Argument(help="An entry's id, for its history.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List what may be spoken today, or the history of one entry.

    \b
    Examples:
      voicebot kb show
      voicebot kb show rx-001
      voicebot kb show --json
    """
    from sqlalchemy.orm import Session

    from kb import store
    from voicebot.records.database import open_engine

    engine = open_engine(open_settings().database_url)
    with _database_sentences(), Session(engine) as session:
        if not entry:
            for each in store.published(session, today()):
                if as_json:
                    print_json(_entry_values(each))
                else:
                    typer.echo(f"{each.id:<10} v{each.version}  {each.question}")
            return
        history = store.history(session, entry)
    if not history:
        raise InputError(f"There is no entry {entry!r}.")
    for version in history:
        if as_json:
            print_json(
                {
                    **_entry_values(version.entry),
                    "at": version.at.isoformat(),
                    "who": version.who,
                    "why": version.why,
                }
            )
            continue
        typer.echo(
            f"v{version.entry.version}  {version.at:%Y-%m-%d %H:%M}  {version.who}  "
            f"{version.entry.status.value}  {version.why}"
        )
        typer.echo(f"    {version.entry.question}")
        typer.echo(f"    {version.entry.answer}")


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="A caller's question.")] = "",
    source: Annotated[
        Path | None, typer.Option("--input", help="JSON Lines: id, query, region?")
    ] = None,
    target: Annotated[Path | None, typer.Option("--output", help="JSON Lines.")] = None,
    region: Annotated[str, typer.Option(help="GB/T 2260 code of the caller's place.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Find the approved entry that answers a question, or know that there is none.

    \b
    Examples:
      voicebot kb search "社保卡丢了怎么补办"
      voicebot kb search "公交几点收车" --region 460200 --json
      voicebot kb search --input questions.jsonl --output found.jsonl
    """
    from kb.batch import as_dict, search_file

    if bool(query) == (source is not None) or (source is None) != (target is None):
        raise InputError("Give either a question, or --input and --output.")
    searcher = _searcher(open_settings())
    if source is not None and target is not None:
        done, bad = search_file(searcher, source, target, on=today())
        for line in bad:
            typer.echo(f"{source}, {line}", err=True)
        typer.echo(f"{done} questions searched, {len(bad)} lines left out.", err=True)
        raise typer.Exit(1 if bad else 0)
    result = searcher.search(query, region=region or None, on=today())
    if as_json:
        print_json(as_dict(None, result))
        return
    entries = {each.id: each for each in searcher.index.entries}
    typer.echo({"answer": "答复", "clarify": "追问", "none": "不知道"}[result.decision])
    for candidate in result.candidates:
        typer.echo(f"{candidate.score:6.1%}  {candidate.id}  {entries[candidate.id].question}")
    if result.entry is not None:
        typer.echo(f"\n{entries[result.entry].answer}")


@app.command()
def evaluate(
    file: Annotated[
        Path | None, typer.Argument(help="JSON Lines: id, query, expect, region?, tags?")
    ] = None,
    heard: Annotated[str, typer.Option(help="clean, noisy or sound.")] = "clean",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure the search on labelled questions, with confidence intervals.

    \b
    Examples:
      voicebot kb evaluate
      voicebot kb evaluate questions.jsonl --heard noisy
      voicebot kb evaluate --json
    """
    from kb.corpus import read_labelled
    from kb.evaluation import evaluate as measure

    if heard not in ("clean", "noisy", "sound"):
        raise InputError(f"--heard {heard}: use clean, noisy or sound.")
    settings = open_settings()
    questions: list[Labelled] = read_labelled(
        file or settings.paths.shared / "data" / "kb" / "dev_queries.jsonl"
    )
    report = measure(
        _searcher(settings),
        questions,
        on=today(),
        heard=cast(Literal["clean", "noisy", "sound"], heard),
    )
    if as_json:
        print_json(report.as_dict())
    else:
        typer.echo(report.table())


def _searcher(settings: Settings) -> Searcher:
    from voicebot.knowledge import KnowledgeBase, open_embedder

    base = KnowledgeBase(settings)
    try:
        with _database_sentences():
            knowledge = base.open(open_embedder(settings))
    finally:
        base.close()
    if not knowledge.entries or knowledge.searcher is None:
        raise InputError(
            "The knowledge base holds no entry that is valid today; "
            "`voicebot kb publish --demo` fills it with the demonstration entries."
        )
    return knowledge.searcher


def _empty(settings: Settings) -> bool:
    """Whether nothing was ever entered in the knowledge base."""
    from sqlalchemy.orm import Session

    from kb import store
    from voicebot.records.database import migrate, open_engine

    with _database_sentences():
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        try:
            with Session(engine) as session:
                return store.revision(session) == 0
        finally:
            engine.dispose()


def _read_files(
    file: Path, phrasings: Path | None, gaps: Path | None
) -> tuple[Callable[[Session], object], int]:
    """What the files change in the knowledge base, and how many rows were faulty."""
    from kb import store
    from kb.corpus import read_gaps
    from kb.importer import read_entries, read_phrasings
    from voicebot.security import local_act

    who = getpass.getuser()
    imported = read_entries(_bytes(file))
    faults = _tell(file, imported.errors, imported.warnings)
    if not imported.entries:
        raise InputError(f"{file} holds no usable entry; nothing was changed.")
    extra = read_phrasings(_bytes(phrasings)) if phrasings is not None else None
    if extra is not None and phrasings is not None:
        faults += _tell(phrasings, extra.errors, extra.warnings)
    unanswered = read_gaps(gaps) if gaps is not None else ()

    def change(session: Session) -> None:
        stored = store.import_entries(session, imported.entries, who, why=f"import {file.name}")
        more = store.import_phrasings(session, extra.phrasings, who) if extra else 0
        store.import_gaps(session, unanswered, who)
        session.add(local_act("kb.import", f"{file.name}: {len(imported.entries)} entries"))
        typer.echo(
            f"{len(stored.added)} entries added, {len(stored.changed)} changed, "
            f"{len(stored.unchanged)} as before, {more} phrasings added, "
            f"{faults} rows left out."
        )

    return change, faults


def _store(settings: Settings, change: Callable[[Session], object]) -> None:
    from sqlalchemy.orm import Session

    from voicebot.records.database import migrate, open_engine
    from voicebot.security import WRITE_PATIENCE_S

    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S)
    try:
        with Session(engine) as session, session.begin():
            change(session)
    finally:
        engine.dispose()


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None


def _tell(file: Path, errors: Sequence[RowError], warnings: Sequence[RowError]) -> int:
    for kind, rows in (("left out", errors), ("look at", warnings)):
        for row in rows[:SHOWN]:
            typer.echo(f"{kind}: {file}, {row}", err=True)
        if len(rows) > SHOWN:
            typer.echo(f"{kind}: {len(rows) - SHOWN} more", err=True)
    return len(errors)


@contextmanager
def _database_sentences() -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    from voicebot.records.database import reason
    from voicebot.records.errors import RecordsUnavailable

    try:
        yield
    except SQLAlchemyError as error:
        raise RecordsUnavailable(
            f"The knowledge base cannot be read or written: {reason(error)}. "
            "On a new machine, run `voicebot kb publish --demo` first."
        ) from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield tell


def _entry_values(entry: Any) -> dict[str, Any]:
    return {
        "id": entry.id,
        "version": entry.version,
        "status": entry.status.value,
        "region": entry.region,
        "category": entry.category,
        "department": entry.department,
        "question": entry.question,
        "answer": entry.answer,
        "valid_from": entry.valid_from.isoformat(),
        "valid_to": entry.valid_to.isoformat(),
    }
