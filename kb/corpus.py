"""The files of questions: tuning and evaluation queries (JSON Lines), known gaps (CSV)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.csv_file import decode
from kb.errors import FileNotReadable

DATA = Path(__file__).parent / "data"
_GAP_HEADINGS = (
    "question",
    "questions",
    "问题",
    "标准问题",
    "知识缺口",
    "缺口",
    "缺口问题",
    "gap",
    "gaps",
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question and the ids of the entries that answer it (none: it must not be answered)."""

    id: str
    query: str
    expect: frozenset[str]
    region: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recognised:
    """What recognisers made of a question: as the search is given it."""

    text: str
    alternatives: tuple[str, ...] = ()
    syllables: tuple[str, ...] = ()


def read_labelled(path: Path) -> list[Labelled]:
    """Questions with the entries expected: {"id", "query", "expect": [...], "region", "tags"}.

    Raises:
        FileNotReadable: missing, or a line that is no such object; the line is named.
    """
    out = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
            expect = row["expect"] or []
            out.append(
                Labelled(
                    str(row["id"]),
                    str(row["query"]),
                    frozenset([expect] if isinstance(expect, str) else map(str, expect)),
                    row.get("region") or None,
                    tuple(map(str, row.get("tags") or ())),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise FileNotReadable(
                f"{path}, line {number}: no labelled question ({error!r})."
            ) from error
    return out


def read_gaps(path: Path = DATA / "gaps.csv") -> tuple[str, ...]:
    """Questions known to have no entry, one a line, without repeats; UTF-8 or GBK.

    A heading is left out where there is one.
    """
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise FileNotReadable(f"{path} cannot be read: {error.strerror}.") from error
    if text is None:
        raise FileNotReadable(f"{path} is neither UTF-8 nor GBK text.")
    lines = [line.strip().strip('"').strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if lines and lines[0].lower() in _GAP_HEADINGS:
        del lines[0]
    return tuple(dict.fromkeys(lines))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileNotReadable(f"{path} cannot be read: {error}.") from error
