"""The labelled lines that triage is trained and gated on (``data/*.tsv``), read and checked.

One line an example, tab-separated: route, also_accept, category, lines, tags, text; the
lists are comma-separated. What the labels mean: ``TRIAGE_RUBRIC.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flows.triage.assessment import LINES, ROUTES
from flows.triage.errors import ExampleError

DATA = Path(__file__).parent / "data"
TRAINING = tuple(DATA / f"train_{part}.tsv" for part in "abcdefghijklmnopqrstuvwx")
RECOGNISED = DATA / "recognised_train.tsv"
"""Training lines spoken, telephoned and recognised."""
GATE = DATA / "gate.tsv"
GATE_FIRST = DATA / "gate_first.tsv"
"""The blind split before it, by another writer: measured on, it sets nothing."""
GATE_REPLIES = DATA / "gate_replies.tsv"
"""Short turns, by another writer: measured on, they set nothing."""

TAGS = frozenset(
    {
        *("past", "hypothetical", "metaphor", "negated", "third_party", "fragment"),
        *("dialect", "whisper", "child", "elderly", "drunk", "english", "enquiry"),
        *("drill", "calm", "late", "nuisance"),
        *("reply", "opening", "closing", "prefix", "short", "turn", "long"),
        *("two_matters", "retraction", "coded", "veiled", "hesitant", "frightening", "name"),
        *("misheard", "unpunctuated", "weather"),
    }
)
_COLUMNS = ("route", "also_accept", "category", "lines", "tags", "text")


@dataclass(frozen=True, slots=True)
class Example:
    """A caller's words and what they mean; `accept` holds every fair route, `route` too."""

    text: str
    route: str
    accept: frozenset[str]
    category: int | None
    lines: frozenset[str]
    tags: frozenset[str]


def read_examples(*paths: Path) -> tuple[Example, ...]:
    """All examples of the files, in order.

    Raises:
        ExampleError: a line is not as it must be; names the file and the line.
    """
    return tuple(example for path in paths for example in _read(path))


def _read(path: Path) -> Iterator[Example]:
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ExampleError(f"The examples {path} cannot be read: {error.strerror}.") from error
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                yield parse_example(line)
            except ExampleError as error:
                raise ExampleError(f"{path.name}, line {number}: {error}") from None


def parse_example(line: str) -> Example:
    """One line of a file.

    Raises:
        ExampleError: says which column is wrong.
    """
    cells = line.split("\t")
    if len(cells) != len(_COLUMNS):
        raise ExampleError(
            f"{len(cells)} columns instead of {len(_COLUMNS)} ({', '.join(_COLUMNS)})."
        )
    route, also, category, lines, tags, text = (cell.strip() for cell in cells)
    accept = _members("also_accept", f"{route},{also}", ROUTES)
    if route not in ROUTES:
        raise ExampleError(f"route {route!r} is none of {', '.join(ROUTES)}.")
    if category and category not in "1234567":
        raise ExampleError(f"category {category!r} is not 1 to 7.")
    if not text:
        raise ExampleError("the text is empty.")
    return Example(
        text,
        route,
        accept,
        int(category) if category else None,
        _members("lines", lines, LINES),
        _members("tags", tags, TAGS),
    )


def _members(column: str, cell: str, allowed: Iterable[str]) -> frozenset[str]:
    found = frozenset(part.strip() for part in cell.split(",") if part.strip())
    unknown = found - frozenset(allowed)
    if unknown:
        raise ExampleError(f"{column}: {', '.join(sorted(unknown))} is not known.")
    return found
