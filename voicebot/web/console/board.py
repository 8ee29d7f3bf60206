"""Who is calling now, as the live feed tells it: a row for each running call. Pure.

A row is the whole state of its call, so that the newest one is all that a screen needs. The number
is masked for everybody: the board hangs on walls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from voicebot.caller_privacy import HIDDEN
from voicebot.web.console.formats import masked_number, party
from voicebot.web.running_row import Row

MOST = 2_000
"""Rows; the oldest go first: what their end did to tell must not fill the memory."""
POLICE = "110"
OPEN = ("requested", "ringing", "answered", "confirmed")
"""States of a leg (`flows.events.LegState`) in which somebody is being reached."""

Message = Mapping[str, Any]


class Board:
    """Takes the messages of `voicebot.call.live.LiveFeed`."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[Row]:
        """The newest call first."""
        return list(reversed(self._rows.values()))

    def row(self, call_id: str) -> Row | None:
        return self._rows.get(call_id)

    def is_confidential(self, call_id: str) -> bool:
        """The call is running, and its caller wants it."""
        row = self._rows.get(call_id)
        return row is not None and row.confidential

    def take(self, message: Message, now: float) -> None:
        """`now`: seconds since the epoch."""
        call_id = message["call_id"]
        if message["kind"] == "police_word":  # which comes when the call is over as well
            return
        if message["kind"] == "call" and message.get("state") == "ended":
            if self._rows.pop(call_id, None) is not None:
                self._changed[call_id] = None
            return
        row = self._rows.get(call_id)
        if row is None:
            row = Row(call_id, since=now - float(message.get("at", 0.0)))
        changed = _with(row, message)
        if changed == row and call_id in self._rows:
            return
        self._rows[call_id] = changed
        self._changed[call_id] = None
        while len(self._rows) > MOST:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self._changed[oldest] = None

    def put_right(self, gone: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """These calls are over, and these stand so (`dataclasses.asdict` of a `Row`)."""
        for call_id in gone:
            if self._rows.pop(call_id, None) is not None:
                self._changed[call_id] = None
        for row in rows:
            self._rows[row["call_id"]] = Row(**row)
            self._changed[row["call_id"]] = None

    def changes(self) -> dict[str, Any] | None:
        """What has changed since it was last asked: ``{"rows", "gone", "calls"}``; None: nothing.

        `calls`: how many are running.
        """
        if not self._changed:
            return None
        changed, self._changed = self._changed, {}
        return {
            "rows": [asdict(self._rows[call]) for call in changed if call in self._rows],
            "gone": [call for call in changed if call not in self._rows],
            "calls": len(self._rows),
        }


def _with(row: Row, message: Message) -> Row:
    if message.get("confidential") and not row.confidential:
        row = replace(row, confidential=True, caller=HIDDEN, text="")
    match message["kind"]:
        case "call":
            caller = HIDDEN if row.confidential else masked_number(message.get("caller", ""))
            return replace(row, caller=caller, did=message.get("did", ""))
        case "hypothesis":
            return _heard(row, message)
        case "say":
            return _said(row, "bot", message["text"])
        case "far_side":
            return _said(row, message["side"], message["text"])
        case "handoff":
            return replace(
                row,
                destination=party(next(iter(message["routes"]), "")),
                leg="requested",
                reason=message["reason"],
                region=message.get("region") or row.region,
                danger=row.danger or message["reason"] == "danger",
            )
        case "transfer" if not message.get("line"):
            return replace(row, destination=party(message["destination"]), leg=message["state"])
        case "ticket":
            return replace(row, ticket=True)
        case _:
            return row


def _heard(row: Row, message: Message) -> Row:
    """The transcriber's characters stand where only the listener's syllables are newer."""
    same = row.side == "caller" and row.turn == message["turn"]
    if same and row.ear == "transcriber" and message["ear"] != "transcriber":
        return row
    if not message["text"]:
        return row
    return replace(
        row,
        side="caller",
        text="" if row.confidential else message["text"],
        final=bool(message["final"]),
        turn=message["turn"],
        ear=message["ear"],
    )


def _said(row: Row, side: str, text: str) -> Row:
    if not text:
        return row
    return replace(row, side=side, text="" if row.confidential else text, final=True)
