"""Calls and hand-offs as desks look for them: in pages, the newest first.

A page takes one index and passes over a bounded number of its rows for the other filters, so that
it is quick among a million calls; `Page.next` goes on from there, also where nothing was found yet.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from voicebot.records.tables import CallRow, HandoffRow, TicketRow, TurnRow
from voicebot.tickets.confidential import confidential_calls, is_confidential

SHOWN = 50
SCANNED = 20_000
"""Rows that a page passes over at most, …"""
SCANNED_FOR_WORDS = 2_000
"""… and calls whose every turn is read for words."""

OPEN_STATES = ("requested", "ringing", "answered", "confirmed")
"""Of a hand-off whose caller may still be on the line (`flows.events.LegState`)."""

Key = tuple[float, str]


@dataclass(frozen=True, slots=True)
class CallQuery:
    """What is looked for; empty: anything. Times are seconds since the epoch."""

    number: str = ""
    did: str = ""
    outcome: str = ""
    """`flows.state.State.outcome`."""
    text: str = ""
    """In what anybody said."""
    transferred: bool = False
    """Only calls with a hand-off."""
    open_alone: bool = False
    """Nothing whose caller wants name and number kept (保密)."""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class HandoffQuery:
    """What is looked for; empty: anything. Times are seconds since the epoch."""

    state: str = ""
    reason: str = ""
    destination: str = ""
    """The beginning of a number of the directory: ``110``, ``110-4690``, ``seat``."""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: where the next page begins; None: there is no more."""

    rows: tuple[dict[str, Any], ...]
    next: Key | None


def search_calls(
    session: Session, query: CallQuery, *, after: Key | None = None, limit: int = SHOWN
) -> Page:
    """Calls after the key of the page before, each with what became of it.

    ``{"call_id", "caller", "did", "started_at", "ended_at", "outcome", "region", "recorded",
    "handoffs", "tickets", "confidential", "excerpt"}``; `handoffs` have id, reason, category,
    state and destination; `excerpt` is the first turn with the words that were looked for.
    """
    at = CallRow.started_at
    driving: list[ColumnElement[bool]] = [at.is_not(None), *_between(at, query.since, query.until)]
    for column, wanted in (
        (CallRow.caller, query.number),
        (CallRow.did, query.did),
        (CallRow.outcome, query.outcome),
    ):
        if wanted:
            driving.append(column == wanted)
    if after is not None:
        driving.append(_before(at, CallRow.id, after))
    others: list[ColumnElement[bool]] = []
    if query.transferred:
        others.append(exists().where(HandoffRow.call_id == CallRow.id))
    if query.open_alone:
        others.append(~is_confidential(CallRow.id))
    if query.text:
        others.append(exists().where(TurnRow.call_id == CallRow.id, _says(query.text)))
    scanned = limit if not others else SCANNED_FOR_WORDS if query.text else SCANNED
    scan = select(at.label("at"), CallRow.id).where(*driving).order_by(at.desc(), CallRow.id.desc())
    keys = scan.limit(scanned).subquery()
    rows = session.scalars(
        select(CallRow)
        .join(keys, keys.c.id == CallRow.id)
        .where(*others)
        .order_by(keys.c.at.desc(), keys.c.id.desc())
        .limit(limit)
    ).all()
    following: Key | None = None
    if len(rows) == limit:
        following = (rows[-1].started_at or 0.0, rows[-1].id)
    elif others:
        last = session.execute(scan.limit(1).offset(scanned - 1)).first()
        following = None if last is None else (last[0] or 0.0, last[1])
    return Page(tuple(_lines(session, rows, query.text)), following)


def search_handoffs(
    session: Session, query: HandoffQuery, *, after: Key | None = None, limit: int = SHOWN
) -> Page:
    """Hand-offs after the key of the page before: columns of `HandoffRow` without the dossier,
    with ``caller``, ``did``, ``confidential`` and ``ended_at`` of the call; times are seconds
    since the epoch.
    """
    at = HandoffRow.requested_at
    driving = _between(at, query.since, query.until)
    if after is not None:
        driving.append(_before(at, HandoffRow.id, after))
    if query.reason:
        driving.append(HandoffRow.reason == query.reason)
    others: list[ColumnElement[bool]] = []
    if query.state:
        others.append(HandoffRow.state == query.state)
    if query.destination:
        others.append(HandoffRow.destination.startswith(query.destination, autoescape=True))
    scanned = SCANNED if others else limit
    scan = select(at.label("at"), HandoffRow.id).where(*driving)
    scan = scan.order_by(at.desc(), HandoffRow.id.desc())
    keys = scan.limit(scanned).subquery()
    rows = _handoffs(
        session,
        select(*_HANDOFF)
        .join(keys, keys.c.id == HandoffRow.id)
        .outerjoin(CallRow, CallRow.id == HandoffRow.call_id)
        .where(*others)
        .order_by(keys.c.at.desc(), keys.c.id.desc())
        .limit(limit),
    )
    if len(rows) == limit:
        return Page(tuple(rows), (rows[-1]["requested_at"], rows[-1]["id"]))
    last = session.execute(scan.limit(1).offset(scanned - 1)).first() if others else None
    return Page(tuple(rows), None if last is None else (last[0], last[1]))


def open_handoffs(session: Session, since: float, most: int = SHOWN) -> list[dict[str, Any]]:
    """Hand-offs requested since then whose caller may still be on the line, the newest first;
    rows as those of `search_handoffs`.
    """
    return _handoffs(
        session,
        select(*_HANDOFF)
        .outerjoin(CallRow, CallRow.id == HandoffRow.call_id)
        .where(
            HandoffRow.requested_at >= since,
            HandoffRow.state.in_(OPEN_STATES),
            CallRow.ended_at.is_(None),
        )
        .order_by(HandoffRow.requested_at.desc(), HandoffRow.id.desc())
        .limit(most),
    )


def running_calls(session: Session, since: float, most: int = SHOWN) -> list[dict[str, Any]]:
    """Calls answered since then that have no end yet, the newest first; rows as those of
    `search_calls`.
    """
    rows = session.scalars(
        select(CallRow)
        .where(CallRow.started_at >= since, CallRow.ended_at.is_(None))
        .order_by(CallRow.started_at.desc(), CallRow.id.desc())
        .limit(most)
    ).all()
    return _lines(session, rows, "")


_HANDOFF = (
    *(
        getattr(HandoffRow, column.key)
        for column in HandoffRow.__mapper__.column_attrs
        if column.key not in ("dossier", "revisions_added")
    ),
    CallRow.caller,
    CallRow.did,
    CallRow.ended_at,
)


def _handoffs(session: Session, chosen: Select[Any]) -> list[dict[str, Any]]:
    rows = session.execute(chosen).mappings().all()
    kept = confidential_calls(session, {each["call_id"] for each in rows})
    return [{**each, "confidential": each["call_id"] in kept} for each in rows]


def _lines(session: Session, rows: Collection[CallRow], text: str) -> list[dict[str, Any]]:
    calls = {row.id for row in rows}
    handoffs: dict[str, list[dict[str, Any]]] = {}
    for each in session.execute(
        select(
            HandoffRow.call_id,
            HandoffRow.id,
            HandoffRow.reason,
            HandoffRow.category,
            HandoffRow.state,
            HandoffRow.destination,
        )
        .where(HandoffRow.call_id.in_(calls))
        .order_by(HandoffRow.requested_at)
    ).mappings():
        values = dict(each)
        handoffs.setdefault(values.pop("call_id"), []).append(values)
    tickets: dict[str, list[str]] = {}
    for call, ticket in session.execute(
        select(TicketRow.call_id, TicketRow.id)
        .where(TicketRow.call_id.in_(calls))
        .order_by(TicketRow.created_at)
    ):
        tickets.setdefault(call, []).append(ticket)
    confidential = confidential_calls(session, calls)
    excerpts: dict[str, str] = {}
    if text:
        for call, said in session.execute(
            select(TurnRow.call_id, TurnRow.text)
            .where(TurnRow.call_id.in_(calls), _says(text))
            .order_by(TurnRow.call_id, TurnRow.start, TurnRow.seq)
        ):
            excerpts.setdefault(call, said)
    return [
        {
            "call_id": row.id,
            "caller": row.caller,
            "did": row.did,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "outcome": row.outcome,
            "region": row.region,
            "recorded": bool(row.recording),
            "handoffs": handoffs.get(row.id, []),
            "tickets": tickets.get(row.id, []),
            "confidential": row.id in confidential,
            "excerpt": excerpts.get(row.id, ""),
        }
        for row in rows
    ]


def _says(text: str) -> ColumnElement[bool]:
    return TurnRow.text.contains(text, autoescape=True)


def _between(
    at: InstrumentedAttribute[float] | InstrumentedAttribute[float | None],
    since: float | None,
    until: float | None,
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(at >= since)
    if until is not None:
        found.append(at < until)
    return found


def _before(
    at: InstrumentedAttribute[float] | InstrumentedAttribute[float | None],
    id_: InstrumentedAttribute[str],
    key: Key,
) -> ColumnElement[bool]:
    # The first half lets an index of `at` alone find the place.
    return and_(at <= key[0], tuple_(at, id_) < key)
