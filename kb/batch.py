"""Searching for a file of questions: one JSON object a line in, one a line out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from kb.errors import FileNotReadable
from kb.search import Searcher, SearchResult


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a file."""

    id: str | int
    query: str
    region: str | None
    alternatives: tuple[str, ...]
    syllables: tuple[str, ...]


def search_file(
    searcher: Searcher, source: Path, target: Path, *, on: date
) -> tuple[int, list[BadLine]]:
    """Answer each line of `source` into `target`; how many, and the lines left out.

    Reads {"id", "query", "region"?, "alternatives"?, "syllables"?}; writes {"id", "decision",
    "entry", "candidates": [{"id", "score"}…]} in the same order.

    Raises:
        FileNotReadable: `source` cannot be read or `target` cannot be written.
    """
    try:
        lines = source.read_bytes().split(b"\n")
    except OSError as error:
        raise FileNotReadable(f"{source} cannot be read: {error.strerror}.") from error
    bad: list[BadLine] = []
    done = 0
    try:
        with target.open("w", encoding="utf-8") as out:
            for asked in _questions(lines, bad):
                result = searcher.search(
                    asked.query,
                    alternatives=asked.alternatives,
                    syllables=asked.syllables,
                    region=asked.region,
                    on=on,
                )
                out.write(json.dumps(as_dict(asked.id, result), ensure_ascii=False) + "\n")
                done += 1
    except OSError as error:
        raise FileNotReadable(f"{target} cannot be written: {error.strerror}.") from error
    return done, bad


def as_dict(name: str | int | None, result: SearchResult) -> dict[str, Any]:
    """A result as the line that `search_file` writes."""
    return {
        "id": name,
        "decision": result.decision,
        "entry": result.entry,
        "candidates": [{"id": c.id, "score": c.score} for c in result.candidates],
    }


def _questions(lines: Iterable[bytes], bad: list[BadLine]) -> Iterable[Asked]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield parse_line(line)
        except ValueError as error:
            bad.append(BadLine(number, str(error)))


def parse_line(line: bytes) -> Asked:
    """One line of a file of questions.

    Raises:
        ValueError: with a sentence that says what is wrong with it.
    """
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise ValueError("no JSON in UTF-8") from None
    if not isinstance(row, dict):
        raise ValueError("no JSON object")
    name, query, region = row.get("id"), row.get("query"), row.get("region")
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise ValueError("id is missing, or neither text nor a number")
    if not isinstance(query, str):
        raise ValueError("query is missing or no text")
    if region is not None and not isinstance(region, str):
        raise ValueError("region is no text")
    return Asked(name, query, region or None, _texts(row, "alternatives"), _texts(row, "syllables"))


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    values = row.get(name) or ()
    if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
        raise ValueError(f"{name} is no list of texts")
    return tuple(values)
