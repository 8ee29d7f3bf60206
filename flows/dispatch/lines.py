"""The labelled matters that dispatch is trained and measured on (``data/*.tsv``).

One line a matter, tab-separated: department (key of ``departments.csv``), the caller's words.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from flows.dispatch.duties import Catalogue, read_catalogue
from flows.dispatch.errors import DispatchError

DATA = Path(__file__).parent / "data"
TRAINING = DATA / "train.tsv"
HELD_OUT = DATA / "held_out.tsv"
"""Written apart from the training lines, in other words; nothing is trained or chosen on it."""


class Line(NamedTuple):
    department: str
    text: str


def read_lines(path: Path, catalogue: Catalogue | None = None) -> tuple[Line, ...]:
    """All lines of a file, in order.

    Raises:
        DispatchError: the file cannot be read, or a line is wrong; names it.
    """
    known = (catalogue or read_catalogue()).departments
    try:
        content = path.read_text("utf-8-sig")
    except OSError as error:
        raise DispatchError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DispatchError(f"{path} is not UTF-8 text.") from error
    lines = []
    for number, row in enumerate(content.splitlines(), 1):
        if not row.strip():
            continue
        department, _, text = (part.strip() for part in row.partition("\t"))
        if not text:
            raise DispatchError(
                f"{path.name}, line {number}: write a department, a tab and the caller's words."
            )
        if department not in known:
            raise DispatchError(
                f"{path.name}, line {number}: {department!r} is no department of departments.csv."
            )
        lines.append(Line(department, text))
    return tuple(lines)
