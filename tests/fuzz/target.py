"""What is fuzzed: a parser, and what it is fed with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy


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


def tells(error: Exception, what: str = "") -> None:
    """An error that a parser promises says what is wrong, and names `what`."""
    text = str(error)
    if not text or what not in text:
        raise AssertionError(f"{error!r} does not tell {what or 'anything'}") from error
    text.encode()
