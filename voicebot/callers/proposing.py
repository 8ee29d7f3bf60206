"""Calls that count as nuisance (骚扰), and limits proposed for their numbers (R11).

Functions of a session, in the caller's transaction. The rule is in `nuisance`; a person decides
in `limits`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.callers.days import days_before
from voicebot.callers.errors import CallersError, NotKnown
from voicebot.callers.limits import (
    MOST_DAYS,
    add_step,
    check_reason,
    is_in_force,
    known,
    name_of,
    newest,
    reason_of,
)
from voicebot.callers.nuisance import LONGEST_DAYS, REASONS, Counted, proposal
from voicebot.callers.tables import LimitRow, NuisanceCallRow
from voicebot.records.tables import CallRow


def note_call(
    session: Session, *, call_id: str, number: str, reason: str, at: float, noted_by: str = ""
) -> LimitRow | None:
    """Count a call as nuisance; the limit that it gives cause to propose, if any.

    What a person has marked stays, whatever the call says of itself.
    """
    row = session.get(NuisanceCallRow, call_id)
    if row is None:
        session.add(NuisanceCallRow(
            call_id=call_id, number=number, reason=reason, at=at, noted_by=noted_by
        ))  # fmt: skip
    elif noted_by:
        row.reason, row.noted_by = reason, noted_by
    session.flush()
    return propose(session, number, at)


def mark(session: Session, call_id: str, reason: str, *, who: str, at: float) -> LimitRow | None:
    """Somebody who talked with the caller, or heard the call, says that it was nuisance.

    Raises:
        NotKnown: no such call, or it had no number.
        CallersError: no such reason.
    """
    check_reason(reason)
    call = session.get(CallRow, call_id)
    if call is None or not call.caller:
        raise NotKnown("There is no call of this id with a calling number.")
    began = call.started_at if call.started_at is not None else at
    return note_call(
        session, call_id=call_id, number=call.caller, reason=reason, at=began, noted_by=name_of(who)
    )


def counts(
    session: Session, at: float, days: int = MOST_DAYS, most: int | None = None
) -> list[dict[str, Any]]:
    """Nuisance calls by number and reason in the last calendar days, the most first."""
    rows = session.execute(
        select(
            NuisanceCallRow.number,
            NuisanceCallRow.reason,
            func.count().label("calls"),
            func.max(NuisanceCallRow.at).label("last"),
        )
        .where(NuisanceCallRow.at >= days_before(at, days))
        .group_by(NuisanceCallRow.number, NuisanceCallRow.reason)
        .order_by(func.count().desc(), NuisanceCallRow.number)
        .limit(most)
    )
    return [
        {"number": number, "reason": reason, "calls": calls, "last_at": last}
        for number, reason, calls, last in rows
    ]


# ── proposed ──────────────────────────────────────────────────────────────────────


def propose(session: Session, number: str, at: float) -> LimitRow | None:
    """Propose a limit if the rule says so; calls that were decided on before do not count again."""
    last = newest(session, number)
    if last is not None and (last.state == "proposed" or is_in_force(last, at)):
        return None
    since = days_before(at, LONGEST_DAYS)
    if last is not None:
        since = max(since, last.proposed_at, last.ends_at or 0.0)
    calls = session.scalars(
        select(NuisanceCallRow).where(NuisanceCallRow.number == number, NuisanceCallRow.at > since)
    )
    found = proposal([Counted(c.call_id, c.reason, c.at) for c in calls], at)
    if found is None:
        return None
    row = LimitRow(
        number=number,
        state="proposed",
        reason=found.reason,
        evidence=list(found.evidence),
        proposed_at=at,
    )
    session.add(row)
    session.flush()
    add_step(session, row, "proposed", "", f"{REASONS[found.reason]}，{len(found.evidence)}次", at)
    return row


def propose_all(session: Session, at: float) -> list[LimitRow]:
    """As `propose`, for every number with recent nuisance calls."""
    numbers = session.scalars(
        select(NuisanceCallRow.number)
        .where(NuisanceCallRow.at >= days_before(at, LONGEST_DAYS))
        .distinct()
        .order_by(NuisanceCallRow.number)
    ).all()
    return [row for number in numbers if (row := propose(session, number, at)) is not None]


def dismiss(session: Session, limit: int, *, who: str, why: str, at: float) -> LimitRow:
    """A person decides against a proposal.

    Raises:
        NotKnown: no such limit.
        CallersError: it is no proposal; nobody or no reason named.
    """
    row = known(session, limit)
    if row.state != "proposed":
        raise CallersError(f"Limit {limit} is not a proposal any more: it is {row.state}.")
    row.state = "dismissed"
    add_step(session, row, "dismissed", name_of(who), reason_of(why), at)
    return row
