"""`voicebot kb evaluate`: how well the search does, as figures and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from voicebot.clock import now
from voicebot.commands.knowledge_common import demonstration_searcher, open_searcher
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from kb.coverage import Comparison


_PICTURE_NEEDS = "--picture goes with --heard clean and an index of ordinary size."


def evaluate(
    file: Annotated[
        Path | None, typer.Argument(help="JSON Lines: id, query, expect, region?, tags?")
    ] = None,
    heard: Annotated[str, typer.Option(help="clean, noisy or sound.")] = "clean",
    plain: Annotated[
        bool,
        typer.Option("--plain", help="The demonstration entries without further ways to ask."),
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="PNG of wrong answers by share of questions answered.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure the search on labelled questions, with confidence intervals.

    Also against the plain alternative, a threshold on the cosine of sentence embeddings, where
    as many questions are answered.

    \b
    Examples:
      voicebot kb evaluate questions.jsonl
      voicebot kb evaluate questions.jsonl --heard noisy
      voicebot kb evaluate questions.jsonl --plain --picture coverage.png --json
    """
    from kb.corpus import read_labelled
    from kb.coverage import Comparison, by_cosine
    from kb.evaluation import evaluate as measure
    from kb.index import Index
    from voicebot.knowledge import open_embedder

    if heard not in ("clean", "noisy", "sound"):
        raise InputError(f"--heard {heard}: use clean, noisy or sound.")
    if picture is not None and heard != "clean":
        raise InputError(_PICTURE_NEEDS)
    settings = open_settings()
    source = file or settings.paths.shared / "data" / "kb" / "dev_queries.jsonl"
    if file is None and not source.is_file():
        raise InputError(
            "Name a FILE of labelled questions, one JSON object a line: id, query, expect (an id, "
            "a list of ids, or null where no entry answers), and region and tags where there are "
            'any: {"id": "1", "query": "社保卡丢了", "expect": "sb-101"}'
        )
    questions = read_labelled(source)
    searcher = demonstration_searcher(settings, plain=True) if plain else open_searcher(settings)
    if picture is not None and not isinstance(searcher.index, Index):
        raise InputError(_PICTURE_NEEDS)
    report = measure(
        searcher, questions, on=now(), heard=cast(Literal["clean", "noisy", "sound"], heard)
    )
    comparison: Comparison | None = None
    if heard == "clean" and isinstance(searcher.index, Index):
        cosines = by_cosine(searcher.index, open_embedder(settings), questions, on=now())
        if cosines:
            comparison = Comparison.of(report.given, cosines, report.coverage)
    if picture is not None:
        if comparison is None:
            raise InputError("There is no question to draw a picture of.")
        from voicebot.coverage_picture import draw

        draw(comparison, picture)
    if as_json:
        print_json(
            report.as_dict() | ({"against_cosine": comparison.as_dict()} if comparison else {})
        )
        return
    typer.echo(report.table())
    if comparison is not None:
        typer.echo(comparison.sentence())
