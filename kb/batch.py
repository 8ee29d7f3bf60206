"""Searching for a file of questions: one JSON object a line in, one a line out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TextIO

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
    """One question of a file; `id` is JSON, so that a number comes back as it was written."""

    id: str
    query: str
    region: str | None
    alternatives: tuple[str, ...]
    syllables: tuple[str, ...]


def search_file(
    searcher: Searcher,
    source: Path,
    target: Path,
    *,
    on: date,
    region: str | None = None,
    line: str | None = None,
    audience: str | None = None,
) -> tuple[int, list[BadLine]]:
    """Answer each line of `source` into `target`; how many, and the lines left out.

    Reads {"id", "query", "region"?, "alternatives"?, "syllables"?}; writes {"id", "decision",
    "entry", "candidates": [{"id", "score"}…]} in the same order. `target` is replaced when all
    is done, so it may be `source` itself.

    Args:
        region: the callers' place where a line names none; `line` and `audience` hold for all.

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
        with _replacing(target) as out:
            for number, asked in _questions(lines, bad):
                try:
                    result = searcher.search(
                        asked.query,
                        alternatives=asked.alternatives,
                        syllables=asked.syllables,
                        region=asked.region or region,
                        line=line,
                        audience=audience,
                        on=on,
                    )
                except Exception as error:  # one question must not cost the others
                    bad.append(BadLine(number, f"could not be searched ({type(error).__name__})"))
                    continue
                out.write(_line(asked.id, result))
                done += 1
    except OSError as error:
        raise FileNotReadable(f"{target} cannot be written: {error.strerror}.") from error
    return done, bad


@contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    """A file that takes the place of `target` when the block ends well; a pipe is written as is."""
    if target.exists() and not target.is_file():
        with target.open("w", encoding="utf-8") as out:
            yield out
        return
    final = target.resolve()
    beside = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8") as out:
            yield out
        if final.exists():
            shutil.copymode(final, beside)
        beside.replace(final)
    finally:
        beside.unlink(missing_ok=True)


def _line(name: str, result: SearchResult) -> str:
    values = as_dict(None, result)
    del values["id"]
    return f'{{"id": {name}, {json.dumps(values, ensure_ascii=False)[1:]}\n'


def as_dict(name: str | None, result: SearchResult) -> dict[str, Any]:
    """A result as the line that `search_file` writes."""
    return {
        "id": name,
        "decision": result.decision,
        "entry": result.entry,
        "candidates": [{"id": c.id, "score": c.score} for c in result.candidates],
    }


def _questions(lines: Iterable[bytes], bad: list[BadLine]) -> Iterator[tuple[int, Asked]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            asked = parse_line(line)
        except ValueError as error:
            bad.append(BadLine(number, str(error)))
            continue
        yield number, asked


class _Number(str):
    """A number as the file has it."""


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def parse_line(line: bytes) -> Asked:
    """One line of a file of questions.

    Raises:
        ValueError: with a sentence that says what is wrong with it.
    """
    try:
        row = json.loads(
            line.decode("utf-8-sig"),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_no_number,
        )
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise ValueError("no JSON in UTF-8") from None
    if not isinstance(row, dict):
        raise ValueError("no JSON object")
    name, query, region = row.get("id"), row.get("query"), row.get("region")
    if not isinstance(name, str):
        raise ValueError("id is missing, or neither text nor a number")
    if not isinstance(name, _Number):
        name = json.dumps(_text(name, "id"), ensure_ascii=False)
    if query is None:
        raise ValueError("query is missing or no text")
    return Asked(
        name,
        _text(query, "query"),
        _text(region, "region") or None if region is not None else None,
        _texts(row, "alternatives"),
        _texts(row, "syllables"),
    )


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or isinstance(value, _Number):
        raise ValueError(f"{name} is missing or no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a character (a lone surrogate)") from None
    return value


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    values = row.get(name) or []
    if not isinstance(values, list):
        raise ValueError(f"{name} is no list of texts")
    return tuple(_text(value, name) for value in values)
