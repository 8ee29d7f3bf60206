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
    SPARE = 3
    """A partial of words that no caller waits for: where there is spare room, or not at all."""
