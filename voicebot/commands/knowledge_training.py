"""`voicebot kb train`: the weights of the search, from the files in the package."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.clock import today
from voicebot.commands.knowledge_common import progress_bar, write_whole
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from kb.ranker import Ranker


def train(
    folder: Annotated[
        Path | None, typer.Option("--output", help="Folder for the weights; the package's own.")
    ] = None,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day whose entries count; today."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Fit the search's weights and thresholds on the tuning questions; about fifteen minutes.

    First the maps of the embeddings on paraphrases (adapters.npz), then the ranker, twice: for the
    demonstration entries with all their ways to ask (ranker.json), and with their own variants
    alone (ranker_plain.json). The same files give the same weights. Printed are shares out of
    ten-fold cross-validation.

    \b
    Examples:
      voicebot kb train
      voicebot kb train --output /tmp/weights --on 2026-11-26
    """
    from kb import adapter
    from kb.adapter_training import read_groups, train_adapters
    from kb.noise import Homophones
    from kb.ranker import FILE, PLAIN_FILE
    from kb.training import train as fit
    from kb.training_data import demonstration
    from voicebot.knowledge import open_embedder

    target = folder or FILE.parent
    if not target.is_dir():
        raise InputError(f"{target} is no folder; make it first.")
    day = on.date() if on is not None else today()
    embedder = open_embedder(open_settings())
    every = demonstration(day)
    found: dict[str, Ranker] = {}
    with progress_bar("training") as progress:
        progress(0, 3)
        noise = Homophones(text for entry in every.entries for text in entry.wordings)
        adapters = train_adapters(read_groups(), embedder, embedder.embed_corpus, spoil=noise.spoil)
        adapter.save(target / adapter.FILE.name, embedder.identity, adapters)
        _, adapters = adapter.load(target / adapter.FILE.name)  # in half precision, as used
        for number, (path, data) in enumerate(((FILE, every), (PLAIN_FILE, every.plain())), 1):
            progress(number, 3)
            ranker = fit(
                data.entries,
                data.tuning,
                embedder,
                gaps=data.unanswered,
                embed=embedder.embed_corpus,
                quickest=embedder.quickest,
                adapters=adapters,
                on=day,
            )
            write_whole(target / path.name, f"{ranker.dump()}\n".encode())
            found[path.stem] = ranker
    figures = {name: ranker.provenance["cross_validation"] for name, ranker in found.items()}
    if as_json:
        print_json(figures)
        return
    for name, models in figures.items():
        typer.echo(f"{name}.json")
        for model, heard in models.items():
            shares = "  ".join(f"{k} {v:.1%}" for k, v in heard["clean"].items())
            typer.echo(f"  {model:8}{shares}")
