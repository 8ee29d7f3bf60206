"""How soon a decode is needed, and telling the engine so across the pool's threads."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from typing import TypeVar

T = TypeVar("T")


class Urgency(IntEnum):
    """The smaller goes first."""

    FINAL = 0
    """The turn is over, or may be: somebody waits for an answer. Never dropped."""
    SENTINEL = 1
    """A partial asked for because what was heard may be danger."""
    PARTIAL = 2
    SPARE = 3
    """A partial of words that no caller waits for: where there is spare room, or not at all."""


_CURRENT: ContextVar[Urgency | None] = ContextVar("urgency", default=None)


def current(*, final: bool) -> Urgency:
    """Of the decode that runs in this thread; of one that no pool runs, by what it is."""
    urgency = _CURRENT.get()
    if urgency is None:
        return Urgency.FINAL if final else Urgency.PARTIAL
    return urgency


def run_as(urgency: Urgency, job: Callable[[], T]) -> T:
    """The job's result; within it `current` is `urgency`."""
    before = _CURRENT.set(urgency)
    try:
        return job()
    finally:
        _CURRENT.reset(before)
