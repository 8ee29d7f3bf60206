"""When in a turn each character was said, from what the listener had heard by when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

Anchor = tuple[float, float]
"""Characters said, and the time by which they were, seconds since the call was answered."""


def begins(length: int, start: float, end: float, anchors: Iterable[Anchor] = ()) -> list[float]:
    """The time at which each character of a turn begins; between anchors speech is even.

    Anchors that go back in either direction, or lie outside of the turn, are left out.
    """
    end = max(start, end)
    points: list[Anchor] = [(0.0, start)]
    for said, at in anchors:
        if points[-1][0] < said < length and points[-1][1] < at < end:
            points.append((said, at))
    points.append((float(length), end))
    found: list[float] = []
    for (before, since), (said, at) in pairwise(points):
        while len(found) < said:
            share = (len(found) - before) / (said - before)
            found.append(round(since + max(0.0, share) * (at - since), 2))
    return found


def anchors_by_turn(events: Iterable[Mapping[str, Any]]) -> dict[int, list[Anchor]]:
    """What the listener had heard by when, as a share of the turn; by the turn's number.

    Parameters:
        events: rows of the event log.
    """
    heard: dict[int, list[Anchor]] = {}
    for row in events:
        values = row["payload"]
        if row["kind"] == "Heard" and values["syllables"]:
            heard.setdefault(values["turn"], []).append(
                (float(len(values["syllables"])), float(values["end"]))
            )
    return {turn: _shares(anchors) for turn, anchors in heard.items()}


def turn_numbers(events: Iterable[Mapping[str, Any]]) -> dict[float, int]:
    """The number of the caller's turn that begins at a time: the transcript has times alone."""
    return {
        float(row["payload"]["start"]): row["payload"]["turn"]
        for row in events
        if row["kind"] == "Heard"
    }


def _shares(anchors: list[Anchor]) -> list[Anchor]:
    """Syllables as shares of all: characters are not quite as many."""
    most = max(said for said, _ in anchors)
    return [(said / most, at) for said, at in anchors]
