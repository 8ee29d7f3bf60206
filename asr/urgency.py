"""How soon a decode is needed."""

from __future__ import annotations

from enum import IntEnum


class Urgency(IntEnum):
    """The smaller goes first."""

    FINAL = 0
    """The turn is over, or may be: somebody waits for an answer. Never dropped."""
    SENTINEL = 1
    """A partial asked for because what was heard may be danger."""
    PARTIAL = 2
