"""`voicebot triage`: what a caller's words mean for the route."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer
from typer.core import TyperGroup

from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from flows.triage.batch import BadRow, Row
    from voicebot.embedder import SentenceEmbedder


class Ear(StrEnum):
    """What a line is heard with; a written line's sound is imitated."""

    BOTH = "both"
    LISTENER = "listener"
    TRANSCRIBER = "transcriber"


AT_ONCE = 64
"""Rows whose sentences are embedded together."""


class TextGroup(TyperGroup):
    """A group whose first argument may as well be a caller's words: they go to `text`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["text", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=TextGroup, no_args_is_help=True)


@app.callback()
def group() -> None:
    """What a caller's words mean for the route: 110 at once, 110, 12345 or neither.

    \b
    Examples:
      voicebot triage "我家厨房着火了"
      voicebot triage "气死我了" --json
      voicebot triage --input lines.jsonl --output routes.jsonl --field text
    """


@app.command(hidden=True)
def text(
    words: Annotated[str, typer.Argument(help="What the caller says.")] = "",
    source: Annotated[
        Path | None, typer.Option("--input", help="JSON Lines: id and text, or id and turns.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--output", help="JSON Lines.")] = None,
    field: Annotated[str, typer.Option(help="Which field of the input holds the words.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Assess a sentence, or a file of conversations.

    \b
    Examples:
      voicebot triage "我家厨房着火了"
      voicebot triage --input lines.jsonl --output routes.jsonl

    decided_after_turn and each evidence's turn count the caller's turns from 1.
    """
    if bool(words) == (source is not None) or (source is None) != (target is None):
        raise InputError("Give either the caller's words, or --input and --output.")
    if source is not None and target is not None:
        _assess_file(source, target, field)
    else:
        _assess_words(words, as_json)


@app.command()
def evaluate(
    file: Annotated[
        Path | None, typer.Argument(help="Labelled lines, .jsonl or .tsv; dev.jsonl by default.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The same as FILE.")] = None,
    heard: Annotated[
        Path | None, typer.Option(help="The same lines as recognised (asr_text, syllables, …).")
    ] = None,
    ear: Annotated[Ear, typer.Option(help="Which ear there is.")] = Ear.BOTH,
    plain: Annotated[bool, typer.Option("--no-embeddings", help="Without the embedder.")] = False,
    base_rate: Annotated[
        float, typer.Option(help="Emergencies in 10,000 calls, for the predictive value.")
    ] = 3.0,
    lines: Annotated[
        bool, typer.Option("--lines/--no-lines", help="List every miss and false alarm.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure recall, false alarms and more on labelled lines, with confidence intervals.

    \b
    Examples:
      voicebot triage evaluate --data lines.jsonl
      voicebot triage evaluate lines.jsonl --heard lines_asr.jsonl --ear listener
      voicebot triage evaluate flows/triage/data/gate.tsv --no-lines --json

    A blind set is evaluated with --no-lines: whoever has read its misses tunes to them.
    """
    from flows.triage import TriageModel
    from flows.triage.cases import by_ear, read_cases
    from flows.triage.evaluation import evaluate as measure

    if file is not None and data is not None:
        raise InputError("Give the labelled lines once: FILE or --data.")
    if not 0 < base_rate <= 10_000:
        raise InputError(f"--base-rate {base_rate} is not between 0 and 10,000 calls of 10,000.")
    settings = open_settings()
    path = file or data or settings.paths.shared / "data" / "triage" / "dev.jsonl"
    cases = by_ear(read_cases(path, heard), ear.value)
    embed = None if plain else _embedder().embed
    report = measure(TriageModel.load(), cases, embed, base_rate=base_rate)
    if as_json:
        print_json(report.as_dict(lines=lines))
    else:
        typer.echo(report.table(lines=lines))


@app.command()
def explain(words: Annotated[str, typer.Argument(help="What the caller says.")]) -> None:
    """Show what was heard, matched, weighed and decided for a sentence.

    \b
    Examples:
      voicebot triage explain "我家厨房着火了"
    """
    from flows.triage import TriageModel, Turn
    from flows.triage.explanation import explain as explained

    model, turn = TriageModel.load(), Turn("caller", words)
    texts = model.texts((turn,))
    embeddings = dict(zip(texts, _embedder().embed(texts), strict=True)) if texts else {}
    typer.echo("\n".join(explained(model, turn, embeddings)))


@app.command()
def train() -> None:
    """Train the classifier again from the labelled lines in the repository (minutes).

    \b
    Examples:
      voicebot triage train
    """
    from flows.triage.training import train as fit

    def say(what: str) -> None:
        typer.echo(what, err=True)

    report = fit(_embedder().embed_corpus, progress=say)
    typer.echo(
        f"{report.examples} lines and {report.made} made from them; weights in {report.weights} "
        f"({report.weights_bytes:,} bytes)."
    )
    print_json(report.gate)


def _assess_words(words: str, as_json: bool) -> None:
    from flows.triage import TriageModel, Turn
    from flows.triage.batch import Row, assess_rows

    rows = [Row("", (Turn("caller", words),))]
    (result,) = assess_rows(TriageModel.load(), rows, _embedder().embed)
    del result["id"], result["decided_after_turn"]
    if as_json:
        print_json(result)
    else:
        _show(result)


def _assess_file(source: Path, target: Path, field: str) -> None:
    from flows.triage import TriageModel
    from flows.triage.batch import BadRow, assess_rows, read_rows

    rows = read_rows(_lines(source), field)
    model, embedder = TriageModel.load(), _embedder()
    done = left_out = 0
    try:
        with _replacing(target) as out:
            for batch in _batches(rows):
                good = [row for row in batch if not isinstance(row, BadRow)]
                for row in batch:
                    if isinstance(row, BadRow):
                        typer.echo(f"{source}, {row.error}", err=True)
                for result in assess_rows(model, good, embedder.embed):
                    out.write(json.dumps(result, ensure_ascii=False) + "\n")
                done += len(good)
                left_out += len(batch) - len(good)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from None
    typer.echo(f"{done} lines assessed, {left_out} left out.", err=True)
    raise typer.Exit(1 if left_out else 0)


@contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    """A file that takes the place of `target` when all is written, and not before."""
    if not target.parent.is_dir() or target.is_dir():
        raise InputError(f"{target} cannot be written: no such folder, or a folder itself.")
    if target.exists() and not target.is_file():
        with target.open("w", encoding="utf-8") as stream:  # /dev/stdout, a pipe
            yield stream
        return
    target = target.resolve()
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", delete=False
    ) as out:
        try:
            yield cast(TextIO, out)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise
    made = Path(out.name)
    made.chmod(target.stat().st_mode if target.exists() else 0o666 & ~_umask())
    made.replace(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _batches(rows: Iterator[Row | BadRow]) -> Iterator[Sequence[Row | BadRow]]:
    while batch := list(islice(rows, AT_ONCE)):
        yield batch


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8 text.") from None


def _embedder() -> SentenceEmbedder:
    from voicebot.knowledge import open_embedder

    return open_embedder(open_settings())


def _show(result: Mapping[str, Any]) -> None:
    actions = {"handoff": "转接110", "ask": "追问有没有危险", "continue": "继续"}
    typer.echo(f"{result['route']}  {actions.get(result['action'], result['action'])}")
    for route, value in sorted(result["probabilities"].items(), key=lambda each: -each[1]):
        typer.echo(f"{value:7.1%}  {route}")
    for name in ("category", "lines", "flags", "region", "request"):
        if value := result[name]:
            shown = ", ".join(value) if isinstance(value, list | tuple) else value
            typer.echo(f"{name:<9}{shown}")
    for each in result["evidence"]:
        typer.echo(f"{each['weight']:+7.2f}  {each['kind']}: {each['detail']}")
