"""Triage on recognised speech: labelled lines spoken, telephoned and heard by both ears.

    python -m benchmarks.triage_speech LINES.tsv … --out heard.jsonl --lines 600
    python -m benchmarks.triage_speech LINES.tsv … --out heard.jsonl --tsv recognised_train.tsv
    python -m benchmarks.triage_speech --out heard.jsonl            figures of what is there
    voicebot triage evaluate heard.jsonl --heard heard.jsonl        more figures of the same

Lines go through the telephone simulation in A-law, then through the engines and the fusion of the
service (`benchmarks.spoken_lines`). Figures are counts and shares; no line is printed. The last
line on standard output is one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from asr.errors import AsrError
from asr.phonetics import parse_tokens, to_syllables
from benchmarks.scoring import normalise, syllable_error_rate
from benchmarks.spoken_lines import EARS, of_ears, recognise, rows, sayable
from flows.triage import TriageModel, Turn
from flows.triage.cases import Case, read_cases
from flows.triage.errors import ExampleError, InputError
from flows.triage.evaluation import Embed
from flows.triage.report import report
from voicebot.commands.session import prepare_threads
from voicebot.config import load_settings
from voicebot.errors import VoicebotError
from voicebot.knowledge import open_embedder

LOST = 0.5
"""Syllable error above which a line is not trained on: what its label rests on may be gone."""


def chosen(paths: Sequence[Path], lines: int | None, seed: int) -> dict[str, Case]:
    """So many lines of all files, by id; a line keeps its id and its chance to be drawn wherever
    it stands. Those with Latin words, which the voice cannot say, are left out."""
    every = [case for path in paths for case in read_cases(path)]
    said = [case for case in every if sayable(case.turn.text)]
    drawn = sorted(said, key=lambda case: _digest(f"{seed} {case.turn.text}"))[:lines]
    return {_digest(case.turn.text): case for case in drawn}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def labels(id: str, case: Case) -> dict[str, Any]:
    """A line of `flows.triage.cases`."""
    return {
        "id": id,
        "text": case.turn.text,
        "route": case.route,
        "accept": sorted(case.accept),
        "category": case.category,
        "lines": sorted(case.lines),
        "tags": sorted(case.tags),
    }


def heard_by(ears: str, row: Mapping[str, Any]) -> Turn:
    """The turn that triage is given where these ears are there."""
    return Turn("caller", *of_ears(ears, row))


def figures(path: Path, embed: Embed) -> dict[str, dict[str, Any]]:
    """Triage on what was recognised, by the ears that were there, and on what was written."""
    kept, cases = rows(path), read_cases(path)
    model = TriageModel.load()
    sides = {"as written": list(cases)} | {
        ears: [
            replace(case, turn=heard_by(ears, row)) for case, row in zip(cases, kept, strict=True)
        ]
        for ears in EARS
    }
    turns = [(case.turn,) for side in sides.values() for case in side]
    texts = list(dict.fromkeys(text for turn in turns for text in model.texts(turn)))
    embeddings = dict(zip(texts, embed(texts), strict=True))
    found = {}
    for name, side in sides.items():
        assessed, milliseconds = [], []
        for case in side:
            begun = time.perf_counter()
            assessed.append(model.assess((case.turn,), embeddings))
            milliseconds.append(1000 * (time.perf_counter() - begun))
        found[name] = report(side, assessed, milliseconds).as_dict()
    return found


def recognition(path: Path) -> dict[str, Any]:
    """How well the lines were recognised, and what it cost."""
    kept = rows(path)
    texts = [row["text"] for row in kept]
    return {
        "lines": len(kept),
        "syllable_error_transcriber": round(
            syllable_error_rate(texts, [row["asr_text"] for row in kept]), 4
        ),
        "syllable_error_listener": round(
            syllable_error_rate(texts, [parse_tokens(tuple(row["syllables"])) for row in kept]), 4
        ),
        "audio_s": round(float(np.mean([row["audio_s"] for row in kept])), 2),
        "work_s": round(float(np.mean([row["work_s"] for row in kept])), 3),
    }


def training_lines(kept: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """In the form of ``flows/triage/data/train_*.tsv``, the text as recognised.

    Left out are lines that were recognised as they were written, which teach nothing new, and
    those of which too little was recognised to bear their label.
    """
    for row in kept:
        said, heard = row["text"], row["asr_text"]
        if normalise(heard) in ("", normalise(said)) or not to_syllables(normalise(said)):
            continue
        if syllable_error_rate([said], [heard]) > LOST:
            continue
        also = [route for route in row["accept"] if route != row["route"]]
        yield "\t".join(
            (
                row["route"],
                ",".join(also),
                str(row["category"] or ""),
                ",".join(row["lines"]),
                ",".join(row["tags"]),
                heard,
            )
        )


def show(found: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """For a person; 95 % intervals after Wilson."""
    table = Table(title="triage on recognised speech")
    table.add_column("")
    for heading in ("recall of 110_now", "false alarms", "route", "category", "asked wrongly"):
        table.add_column(heading, justify="right")
    for name, side in found.items():
        table.add_row(
            name,
            _with_interval(side, "recall"),
            _with_interval(side, "false_alarms"),
            f"{side['accuracy']:.1%}",
            f"{side['category']:.1%}",
            f"{side['asked_wrongly']:.1%}",
        )
    console.print(table)
    for name, side in found.items():
        missed = Counter({tag: bad for tag, (bad, _) in side["missed_by_tag"].items() if bad})
        alarmed = Counter({tag: bad for tag, (bad, _) in side["alarmed_by_tag"].items() if bad})
        console.print(f"{name}: missed by tag {dict(missed)}, alarmed by tag {dict(alarmed)}")


def _with_interval(side: Mapping[str, Any], name: str) -> str:
    low, high = side[f"{name}_interval"]
    return f"{side[name]:.1%} ({low:.1%} to {high:.1%})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.triage_speech",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", type=Path, nargs="*", help="labelled lines, .tsv or .jsonl")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines; what is there is kept")
    parser.add_argument("--lines", type=int, help="so many of the sources' lines; all by default")
    parser.add_argument("--seed", type=int, default=110, help="of the draw (110)")
    parser.add_argument("--tsv", type=Path, help="make training lines, and no figures")
    parser.add_argument("--json", action="store_true", help="the JSON object alone")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, quiet=options.json)
    prepare_threads()
    try:
        if options.sources:
            drawn = chosen(options.sources, options.lines, options.seed)
            wanted = {id: labels(id, case) for id, case in drawn.items()}
            recognise(wanted, options.out, console)
        kept = rows(options.out)
        if not kept:
            raise InputError(f"There is nothing in {options.out}; name labelled lines to speak.")
        if options.tsv:
            lines = list(training_lines(kept))
            options.tsv.write_text("".join(line + "\n" for line in lines), "utf-8")
            print(json.dumps({"recognition": recognition(options.out), "training": len(lines)}))
            return 0
        found = figures(options.out, open_embedder(load_settings()).embed)
    except (AsrError, ExampleError, InputError, VoicebotError) as error:
        print(error, file=sys.stderr)
        return 1
    show(found, console)
    print(json.dumps({"recognition": recognition(options.out), **found}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
