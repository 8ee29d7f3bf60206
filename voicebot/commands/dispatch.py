"""`voicebot dispatch`: which department a matter is proposed for (自助派单)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.knowledge_common import progress_bar
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flows.dispatch.evaluation import Report
    from flows.dispatch.lines import Line
    from voicebot.embedder import SentenceEmbedder, Vectors

app = typer.Typer(no_args_is_help=True, help="Which department a matter is proposed for.")

_BATCH = 64


@app.command()
def train(
    target: Annotated[
        Path | None, typer.Option("--output", help="File for the weights; the package's own.")
    ] = None,
) -> None:
    """Train the classifier again from the lines and duties in the repository (minutes).

    The same files give the same weights. The lines held out are measured on alone.

    \b
    Examples:
      voicebot dispatch train
      voicebot dispatch train --output /tmp/dispatch.npz
    """
    from flows.dispatch.lines import HELD_OUT
    from flows.dispatch.model import WEIGHTS
    from flows.dispatch.training import train as fit

    path = target or WEIGHTS
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder; make it first.")
    embed = _Embedding()
    with progress_bar("training") as progress:
        model = fit(embed, _knowledge(), target=path, progress=progress)
    report = _measured(HELD_OUT, path, embed)
    typer.echo(f"{path} ({path.stat().st_size:,} bytes), threshold {model.threshold:.2f}.")
    print_json(report.as_dict(missed=False))


@app.command()
def evaluate(
    file: Annotated[
        Path | None, typer.Argument(help="Lines of department and words (TSV); those held out.")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines/--no-lines", help="List each miss.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure the proposals on labelled lines, beside the majority and the nearest neighbour.

    \b
    Examples:
      voicebot dispatch evaluate
      voicebot dispatch evaluate ours.tsv --lines
    """
    from flows.dispatch.lines import HELD_OUT
    from flows.dispatch.model import WEIGHTS

    report = _measured(file or HELD_OUT, WEIGHTS, _Embedding())
    if as_json:
        print_json(report.as_dict(missed=lines))
        return
    typer.echo(f"{report.lines} lines")
    for name, share in (
        ("right at first", report.top_1),
        ("among the first three", report.top_3),
        ("majority", report.majority),
        ("nearest neighbour", report.nearest),
        (f"proposed without a person (from {report.threshold:.2f})", report.proposed),
        ("right of those", report.right_of_proposed),
    ):
        typer.echo(f"{share:7.1%}  {name}")
    if lines:
        for right, proposed, text in report.missed:
            typer.echo(f"{right} ≠ {proposed}  {text}")


@app.command()
def explain(
    words: Annotated[str, typer.Argument(help="The matter, as a caller tells it.")],
    region: Annotated[str, typer.Option(help="GB/T 2260 code of the place.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show the department proposed for a matter, with confidence and reason.

    Rules that a 会商 has decided go first, as they stand in the database.

    \b
    Examples:
      voicebot dispatch explain "物业不修电梯，在海口龙华区国贸"
      voicebot dispatch explain "老板拖欠工资" --region 460200 --json
    """
    from dataclasses import asdict

    from flows import jurisdiction
    from flows.dispatch import DispatchModel
    from voicebot.commands.exchange_records import read
    from voicebot.commands.knowledge_common import database_exists
    from voicebot.dispatching import decided_rules, proposal
    from voicebot.knowledge import open_embedder

    settings = open_settings()
    place = jurisdiction.resolve(words)
    code = region or (place.code if place is not None else None)
    rules = read(settings, decided_rules) if database_exists(settings) else ()
    found = proposal(DispatchModel.load(), open_embedder(settings), words, code, rules)
    if as_json:
        print_json({**asdict(found), "region": code})
        return
    typer.echo(found.department or "人工派单")
    typer.echo(f"{found.confidence:.0%}  {found.reason}")
    for name, share in found.candidates:
        typer.echo(f"{share:7.1%}  {name}")


class _Embedding:
    """The quickest encoder; each text is embedded once."""

    def __init__(self) -> None:
        from voicebot.knowledge import open_embedder

        self._embedder: SentenceEmbedder = open_embedder(open_settings())
        self._known: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        from voicebot.dispatching import quick_vectors

        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(missing) > _BATCH:
            with progress_bar("embedding") as progress:
                self._embed(missing, progress)
        else:
            self._known |= dict(zip(missing, quick_vectors(self._embedder, missing), strict=True))
        return np.stack([self._known[text] for text in texts])

    def _embed(self, texts: Sequence[str], progress: Callable[[int, int], None]) -> None:
        from voicebot.dispatching import quick_vectors

        for start in range(0, len(texts), _BATCH):
            some = texts[start : start + _BATCH]
            self._known |= dict(zip(some, quick_vectors(self._embedder, some), strict=True))
            progress(start + len(some), len(texts))


def _knowledge() -> list[list[Line]]:
    """Of the demonstration entries all, in one order on every day."""
    from flows.dispatch.duties import read_catalogue
    from kb.training_data import demonstration
    from voicebot.clock import today
    from voicebot.dispatching import knowledge_lines

    data = demonstration(today())
    entries = sorted((*data.entries, *data.withheld), key=lambda entry: entry.id)
    return knowledge_lines(entries, read_catalogue())


def _measured(file: Path, weights: Path, embed: _Embedding) -> Report:
    from flows.dispatch import DispatchModel
    from flows.dispatch.evaluation import evaluate as measure
    from flows.dispatch.lines import read_lines

    return measure(DispatchModel.load(weights), read_lines(file), embed)
