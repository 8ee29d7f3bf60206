"""What is fuzzed: a parser, and what it is fed with."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

FOLDER = Path(os.environ.get("VOICEBOT_FUZZ_FOLDER") or tempfile.mkdtemp(prefix="fuzz-"))
"""The case at work is kept here: what ends the process as well can be read afterwards."""


@dataclass(frozen=True)
class Target:
    """A parser.

    Parameters:
        name: as the report has it.
        cases: what it is fed with.
        run: feeds it; whatever leaves this is a crash, so it takes the errors that the parser
            promises, and checks what it promises of its results.
    """

    name: str
    cases: SearchStrategy[Any]
    run: Callable[[Any], None]


def case_file(name: str, data: bytes) -> Path:
    """A case for a parser that reads files."""
    path = FOLDER / name
    path.write_bytes(data)
    return path


def tells(error: Exception, what: str = "") -> None:
    """An error that a parser promises says what is wrong, and names `what`."""
    text = str(error)
    if not text or what not in text:
        raise AssertionError(f"{error!r} does not tell {what or 'anything'}") from error
    text.encode()
