"""A line's surge state as the board shows it at a glance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class LineView:
    """One line; waits in seconds, None where they are not known.

    Parameters:
        state: what the badge says: ``unknown``: there are no figures of seats, or they are old.
        because: why the newest call went where it went; "" where none was offered yet.
        endless: nobody is at the seats: a wait would have no end.
    """

    line: str
    name: str
    state: Literal["normal", "surge", "unknown"]
    since: float
    because: str
    staffed: int
    free: int
    remote_staffed: int
    remote_free: int
    waiting: int
    oldest_wait_s: float
    wait_s: float | None
    outlook_s: float | None
    endless: bool
    arrivals_per_min: float
    bot_calls: int
    bot_room: int
    situation: str
    enter_wait_s: float


def line_view(line: Mapping[str, Any]) -> LineView:
    """Of a line of GET /v1/surge, with its ``name``."""
    figures, newest, policy = line["figures"], line["newest"] or {}, line["policy"]
    seats = figures["seats"] or {"groups": ()}
    groups = seats["groups"]
    known = line["figures_known"] or (line["asked_at_each_call"] and figures["seats"] is not None)
    staffed = sum(each["staffed"] for each in groups)
    return LineView(
        line["line"],
        line["name"],
        "surge" if line["mode"] == "surge" else "normal" if known else "unknown",
        line["since"],
        newest.get("because", ""),
        sum(each["staffed"] for each in groups if each["local"]),
        sum(each["free"] for each in groups if each["local"]),
        sum(each["staffed"] for each in groups if not each["local"]),
        sum(each["free"] for each in groups if not each["local"]),
        seats.get("waiting", 0),
        seats.get("oldest_wait_s", 0.0),
        newest.get("wait_s"),
        newest.get("outlook_s"),
        known and staffed == 0,
        seats.get("arrivals_per_min", 0.0),
        figures["bot_calls"],
        figures["bot_room"],
        line["situation"],
        policy["enter_wait_s"],
    )
