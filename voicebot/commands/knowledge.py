"""`voicebot kb`: for the people who keep the answers (知识库管理员)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from voicebot.clock import now
from voicebot.commands import (
    knowledge_audio,
    knowledge_check,
    knowledge_files,
    knowledge_gaps,
    knowledge_index,
)
from voicebot.commands.knowledge_common import (
    database_sentences,
    entry_values,
    open_searcher,
    progress_bar,
)
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from kb.corpus import Labelled
    from voicebot.config import Settings

DEMO_AUTHOR, DEMO_REVIEWER = "演示编写员", "演示审核员"
"""Two persons, for even the demonstration's entries are spoken only when a second has read them."""

app = typer.Typer(no_args_is_help=True, help="The knowledge base of approved answers.")


@app.callback()
def group() -> None:
    """The knowledge base of approved answers (知识库)."""


app.command("import")(knowledge_files.import_file)
app.command("export")(knowledge_files.export_file)
app.command()(knowledge_check.check)
app.add_typer(knowledge_gaps.app, name="gaps")
app.command()(knowledge_audio.listen)
app.command()(knowledge_audio.check_audio)
app.command()(knowledge_audio.prune_audio)
app.command()(knowledge_index.reindex)


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
    reviewed_by: Annotated[
        str, typer.Option(help="Who has read the file's approved entries: somebody else.")
    ] = "",
) -> None:
    """Import, then make everything that calls need: search index and audio of all answers.

    Entries of a file are in review until somebody else has read them; name who has, and the
    approved ones are published. What an administrator has entered is never replaced by `--demo`.

    \b
    Examples:
      voicebot kb publish --demo
      voicebot kb publish faq.csv --reviewed-by 李主任
      voicebot kb publish
    """
    from flows.prompts import load_prompts
    from voicebot.call.audio_library import open_library
    from voicebot.knowledge import open_embedder
    from voicebot.knowledge import publish as make

    settings = open_settings()
    change: Callable[[Session], object] | None = None
    faults, who = 0, ""
    if demo and file is None and _empty(settings):
        from kb.corpus import DATA

        file = DATA / "faq.csv"
        phrasings = phrasings or DATA / "phrasings.csv"
        gaps = gaps or DATA / "gaps.csv"
        who, reviewed_by = DEMO_AUTHOR, DEMO_REVIEWER
    if file is not None:
        change, faults = knowledge_files.read_files(
            file, phrasings, gaps, who=who, reviewed_by=reviewed_by, publish=True
        )
    elif phrasings is not None or gaps is not None:
        raise InputError("--phrasings and --gaps go with a file of entries.")
    prompts = [prompt.text for prompt in load_prompts().values() if not prompt.blanks]
    library = open_library(settings, at_once=os.cpu_count() or 1)
    with database_sentences(), progress_bar("rendering audio") as progress:
        knowledge = make(
            settings,
            open_embedder(settings),
            library,
            prompts,
            change=change,
            progress=progress,
        )
    faults += knowledge_audio.tell_findings(library, knowledge.entries.values())
    typer.echo(f"Published: {len(knowledge.entries)} entries, revision {knowledge.revision}.")
    raise typer.Exit(1 if faults else 0)


@app.command()
def show(
    entry: Annotated[str, typer.Argument(help="An entry's id, for its history.")] = "",
    as_read: Annotated[
        bool, typer.Option("--spoken", help="Also as the voice reads it out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List what may be spoken now, or the history of one entry.

    \b
    Examples:
      voicebot kb show
      voicebot kb show rx-001
      voicebot kb show rx-001 --spoken
      voicebot kb show --json
    """
    from sqlalchemy.orm import Session

    from kb import store
    from voicebot.records.database import open_engine

    engine = open_engine(open_settings().database_url)
    with database_sentences(), Session(engine) as session:
        if not entry:
            for each in store.published(session, now()):
                if as_json:
                    print_json(entry_values(each, as_read=as_read))
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
                    **entry_values(version.entry, as_read=as_read),
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
        if as_read:
            typer.echo(f"    读作 {entry_values(version.entry, as_read=True)['spoken']}")


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
    searcher = open_searcher(open_settings())
    if source is not None and target is not None:
        done, bad = search_file(searcher, source, target, on=now())
        for line in bad:
            typer.echo(f"{source}, {line}", err=True)
        typer.echo(f"{done} questions searched, {len(bad)} lines left out.", err=True)
        raise typer.Exit(1 if bad else 0)
    result = searcher.search(query, region=region or None, on=now())
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
        open_searcher(settings),
        questions,
        on=now(),
        heard=cast(Literal["clean", "noisy", "sound"], heard),
    )
    if as_json:
        print_json(report.as_dict())
    else:
        typer.echo(report.table())


def _empty(settings: Settings) -> bool:
    """Whether nothing was ever entered in the knowledge base."""
    from sqlalchemy.orm import Session

    from kb import store
    from voicebot.records.database import migrate, open_engine

    with database_sentences():
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        try:
            with Session(engine) as session:
                return store.revision(session) == 0
        finally:
            engine.dispose()
