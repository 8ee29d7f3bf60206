"""`voicebot kb`: for the people who keep the answers (知识库管理员)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voicebot.clock import now
from voicebot.commands import (
    knowledge_audio,
    knowledge_check,
    knowledge_editing,
    knowledge_evaluation,
    knowledge_export,
    knowledge_files,
    knowledge_gaps,
    knowledge_history,
    knowledge_index,
    knowledge_publishing,
    knowledge_report,
    knowledge_review,
    knowledge_slots,
    knowledge_training,
)
from voicebot.commands.knowledge_common import (
    bring_up_to_date,
    database_sentences,
    entry_values,
    open_searcher,
)
from voicebot.commands.session import InputError, open_settings, print_json

app = typer.Typer(no_args_is_help=True, help="The knowledge base of approved answers.")


@app.callback()
def group() -> None:
    """The knowledge base of approved answers (知识库)."""


app.command("import")(knowledge_files.import_file)
app.command("export")(knowledge_export.export_file)
app.command()(knowledge_check.check)
app.add_typer(knowledge_gaps.app, name="gaps")
app.add_typer(knowledge_slots.app, name="slots")
app.command()(knowledge_report.report)
app.command()(knowledge_editing.add)
app.command()(knowledge_editing.edit)
app.command()(knowledge_editing.submit)
app.command()(knowledge_review.review)
app.command()(knowledge_publishing.publish)
app.command()(knowledge_editing.withdraw)
app.command()(knowledge_editing.rollback)
app.command()(knowledge_history.history)
app.command()(knowledge_history.diff)
app.command()(knowledge_history.stats)
app.command()(knowledge_audio.listen)
app.command()(knowledge_audio.check_audio)
app.command()(knowledge_audio.prune_audio)
app.command()(knowledge_index.reindex)
app.command()(knowledge_evaluation.evaluate)
app.command()(knowledge_training.train)


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

    settings = open_settings()
    bring_up_to_date(settings)
    engine = open_engine(settings.database_url)
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
    line: Annotated[str, typer.Option(help="The dialled number (DID).")] = "",
    audience: Annotated[str, typer.Option(help="Whom the caller belongs to (面向对象).")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Find the approved entry that answers a question, or know that there is none.

    \b
    Examples:
      voicebot kb search "社保卡丢了怎么补办"
      voicebot kb search "公交几点收车" --region 460200 --json
      voicebot kb search "失业金怎么领" --line 12333
      voicebot kb search --input questions.jsonl --output found.jsonl
    """
    from kb.batch import as_dict, search_file
    from kb.reading import answer_for
    from kb.regions import mentioned

    if bool(query) == (source is not None) or (source is None) != (target is None):
        raise InputError("Give either a question, or --input and --output.")
    searcher = open_searcher(open_settings())
    if source is not None and target is not None:
        done, bad = search_file(
            searcher,
            source,
            target,
            on=now(),
            region=region or None,
            line=line or None,
            audience=audience or None,
        )
        for fault in bad:
            typer.echo(f"{source}, {fault}", err=True)
        typer.echo(f"{done} questions searched, {len(bad)} lines left out.", err=True)
        raise typer.Exit(1 if bad else 0)
    result = searcher.search(
        query, region=region or None, line=line or None, audience=audience or None, on=now()
    )
    if as_json:
        print_json(as_dict(None, result))
        return
    entries = {each.id: each for each in searcher.index.entries}
    typer.echo({"answer": "答复", "clarify": "追问", "none": "不知道"}[result.decision])
    for candidate in result.candidates:
        typer.echo(f"{candidate.score:6.1%}  {candidate.id}  {entries[candidate.id].question}")
    if result.entry is not None:
        place = mentioned(query) or region or None
        typer.echo(f"\n{answer_for(entries[result.entry], now(), place)}")
