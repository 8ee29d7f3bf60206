"""The search through speech: questions spoken, telephoned and heard by both ears.

    python -m benchmarks.kb_speech --questions 200 --out var/kb-speech.jsonl
    python -m benchmarks.kb_speech questions.jsonl --out heard.jsonl
    python -m benchmarks.kb_speech --out heard.jsonl --plain

Labelled questions (`voicebot kb evaluate`; by default those that the search was tuned on) go
through the telephone simulation, then through the engines and the fusion of the service
(`benchmarks.spoken_lines`), and to the search with what the service would give it: text,
alternatives, syllables. The same questions as written stand beside it. What was recognised is
kept in the file, so that a run that was cut off goes on where it was. Figures are counts and
shares; no question is printed. The last line on standard output is one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from asr.errors import AsrError
from benchmarks.scoring import syllable_error_rate
from benchmarks.spoken_lines import EARS, of_ears, recognise, rows, sayable
from flows.triage.errors import InputError
from kb.corpus import Labelled, Recognised, read_labelled
from kb.errors import KbError
from kb.evaluation import Report, evaluate
from kb.search import Searcher
from voicebot.clock import now
from voicebot.commands.knowledge_common import demonstration_searcher
from voicebot.commands.session import prepare_threads
from voicebot.config import load_settings
from voicebot.errors import VoicebotError

TUNING = Path("kb/data/gate_queries.jsonl")
FIGURES = ("top_1", "top_3", "answered_right", "answered_wrong", "false_answers")


def drawn(questions: Sequence[Labelled], count: int | None, seed: int) -> list[Labelled]:
    """So many of them; those with Latin words, which the voice cannot say, are left out."""

    def chance(asked: Labelled) -> str:
        return hashlib.sha256(f"{seed} {asked.id} {asked.query}".encode()).hexdigest()

    return sorted((each for each in questions if sayable(each.query)), key=chance)[:count]


def heard_by(ears: str, row: Mapping[str, Any]) -> Recognised:
    """What the search is given where these ears are there."""
    return Recognised(*of_ears(ears, row))


def figures(
    searcher: Searcher, questions: Sequence[Labelled], kept: Sequence[Mapping[str, Any]]
) -> dict[str, Report]:
    """The same questions as written and as each of the ears heard them."""
    spoken = {row["id"] for row in kept}
    asked = [each for each in questions if each.id in spoken]
    found = {"as written": evaluate(searcher, asked, on=now())}
    for ears in EARS:
        words = {row["id"]: heard_by(ears, row) for row in kept}
        found[ears] = evaluate(searcher, asked, on=now(), heard="spoken", recognised=words)
    return found


def show(found: Mapping[str, Report], console: Console) -> None:
    table = Table(title="the search through speech")
    table.add_column("")
    for name in FIGURES:
        table.add_column(name.replace("_", " "), justify="right")
    for side, report in found.items():
        shares = [report.shares.get(name) for name in FIGURES]
        table.add_row(side, *("" if each is None else str(each) for each in shares))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kb_speech",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, nargs="?", default=TUNING, help="labelled questions")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines; what is there is kept")
    parser.add_argument("--questions", type=int, help="so many of them; all by default")
    parser.add_argument("--seed", type=int, default=12345, help="of the draw (12345)")
    parser.add_argument("--plain", action="store_true", help="entries without further ways to ask")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    prepare_threads()
    try:
        questions = drawn(read_labelled(options.source), options.questions, options.seed)
        wanted = {each.id: {"id": each.id, "text": each.query} for each in questions}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        recognise(wanted, options.out, console)
        kept = [row for row in rows(options.out) if row["id"] in wanted]
        found = figures(
            demonstration_searcher(load_settings(), plain=options.plain), questions, kept
        )
    except (AsrError, InputError, KbError, VoicebotError) as error:
        print(error, file=sys.stderr)
        return 1
    show(found, console)
    error_rate = syllable_error_rate(
        [row["text"] for row in kept], [row["asr_text"] for row in kept]
    )
    line: dict[str, Any] = {side: report.as_dict() for side, report in found.items()}
    line |= {"questions": len(kept), "syllable_error": round(error_rate, 4)}
    print(json.dumps(line, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
