"""Labelled lines as they are given to triage: written, or as a recogniser heard them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asr.phonetics import parse_tokens
from flows.triage.assessment import ROUTES, Turn
from flows.triage.errors import InputError
from flows.triage.examples import Example, read_examples
from flows.triage.sampling import listened


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled line as it is given to triage."""

    turn: Turn
    route: str
    accept: frozenset[str]
    category: int | None = None
    lines: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


def read_cases(path: Path, heard: Path | None = None) -> tuple[Case, ...]:
    """Labelled lines of a .jsonl or .tsv file.

    Args:
        heard: a file of the same ids with ``asr_text``, ``alternatives`` and ``syllables``: the
            lines are then taken as they were recognised, and those not in it are left out.

    Raises:
        InputError, ExampleError: a line is wrong; names it.
    """
    if path.suffix == ".tsv":
        return tuple(_from_example(example) for example in read_examples(path))
    recognised = {row["id"]: row for row in _rows(heard, ("id", "asr_text"))} if heard else None
    cases = []
    for row in _rows(path, ("id", "text", "route")):
        turn = Turn("caller", row["text"])
        if recognised is not None:
            if row["id"] not in recognised:
                continue
            turn = _recognised(recognised[row["id"]])
        cases.append(
            Case(
                turn,
                row["route"],
                frozenset(row.get("accept") or ()) | {row["route"]},
                row.get("category"),
                frozenset(row.get("lines") or ()),
                frozenset(row.get("tags") or ()),
            )
        )
    return tuple(cases)


def by_ear(cases: Sequence[Case], ear: str) -> tuple[Case, ...]:
    """The cases as one ear has them: ``listener`` (syllables alone), ``transcriber`` or ``both``.

    Where a line has no syllables, those the listener might have are imitated; it hears no
    English, and such lines are left out.
    """
    if ear == "both":
        return tuple(cases)
    if ear == "transcriber":
        return tuple(replace(case, turn=replace(case.turn, syllables=())) for case in cases)
    sounds = (case.turn.syllables or listened(case.turn.text, i) for i, case in enumerate(cases))
    return tuple(
        replace(case, turn=Turn("caller", "", (), heard))
        for case, heard in zip(cases, sounds, strict=True)
        if heard
    )


def _rows(path: Path, required: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The labelled lines {path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path.name}, line {number}: not valid JSON: {error}.") from error
        missing = [name for name in required if not isinstance(row, dict) or name not in row]
        if missing:
            raise InputError(f"{path.name}, line {number}: {', '.join(missing)} is missing.")
        if "route" in required and row["route"] not in ROUTES:
            raise InputError(f"{path.name}, line {number}: unknown route {row['route']!r}.")
        rows.append(row)
    return rows


def _recognised(row: Mapping[str, Any]) -> Turn:
    spoken = row.get("syllables") or ()
    alternatives = tuple(str(other) for other in row.get("alternatives") or ())
    return Turn("caller", str(row["asr_text"]), alternatives, syllables_of(spoken))


def syllables_of(spoken: str | Sequence[str]) -> tuple[str, ...]:
    """Syllables as a list or a string with spaces, whole or as the listener's tokens."""
    return parse_tokens(tuple(spoken.split() if isinstance(spoken, str) else spoken))


def _from_example(example: Example) -> Case:
    return Case(
        Turn("caller", example.text),
        example.route,
        example.accept,
        example.category,
        example.lines,
        example.tags,
    )
