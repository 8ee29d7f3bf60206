"""A running call as boards show it, and as nodes tell each other. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One running call.

    Parameters:
        since: when it was answered, seconds since the epoch.
        side, text, final: what was said last, and whether that stands.
        destination, leg: whom it is being handed to, as people call it, and how far that is.
        danger: it was handed to 110 for danger.
        confidential: the caller wants it (保密): neither number nor words are shown.
    """

    call_id: str
    caller: str = ""
    did: str = ""
    since: float = 0.0
    side: str = ""
    text: str = ""
    final: bool = True
    turn: int = -1
    ear: str = ""
    destination: str = ""
    leg: str = ""
    reason: str = ""
    region: str = ""
    danger: bool = False
    ticket: bool = False
    confidential: bool = False
