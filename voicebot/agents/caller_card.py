"""What an agent sees of whoever is calling (来电弹屏): number, earlier calls, tickets, limits.

The number is masked until the agent has the call; of a confidential (保密) caller an agent sees
none of it. Queries take an index each, and so few rows that a million calls make no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from telephony.masking import mask_number
from voicebot.caller_privacy import HIDDEN
from voicebot.callers import limits
from voicebot.callers.nuisance import REASONS
from voicebot.callers.tables import NuisanceCallRow
from voicebot.records.tables import CallRow, TicketRow
from voicebot.tickets.confidential import confidential_calls, counts_as_confidential

SHOWN = 6


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may see of a caller.

    Parameters:
        full: the number as it is: the agent has the call, or is a supervisor.
        confidential: the caller's wish counts for him: he is an agent.
    """

    full: bool
    confidential: bool


def card(
    session: Session, call_id: str, number: str, sight: Sight, *, wishes: bool, at: float
) -> dict[str, Any]:
    """The card of a running call.

    Parameters:
        number: as it came; "" where it is withheld.
        wishes: the caller has asked in this call that nobody learn who he is.

    ``{"number", "confidential", "limit", "nuisance", "calls", "tickets"}``
    """
    hidden = sight.confidential and (wishes or bool(confidential_calls(session, [call_id])))
    if hidden:
        empty: dict[str, Any] = {"limit": None, "nuisance": None, "calls": [], "tickets": []}
        return {"number": HIDDEN, "confidential": True, **empty}
    return {
        "number": number if sight.full else mask_number(number),
        "confidential": wishes,
        "limit": _limit(session, number, at) if number else None,
        "nuisance": _nuisance(session, number) if number else None,
        "calls": _calls(session, call_id, number, sight) if number else [],
        "tickets": _tickets(session, number, sight) if number else [],
    }


def _limit(session: Session, number: str, at: float) -> dict[str, Any] | None:
    row = limits.newest(session, number)
    if row is None:
        return None
    values = limits.values(row, at)
    return {
        "state": values["state"],
        "reason": REASONS.get(row.reason, row.reason),
        "ends_at": values["ends_at"],
        "appeal": values["appeal"],
    }


def _nuisance(session: Session, number: str) -> int:
    mine = select(func.count()).where(NuisanceCallRow.number == number)
    return int(session.scalar(mine) or 0)


def _calls(session: Session, call_id: str, number: str, sight: Sight) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(CallRow)
        .where(CallRow.caller == number, CallRow.id != call_id)
        .order_by(CallRow.started_at.desc())
        .limit(SHOWN)
    ).all()
    kept = confidential_calls(session, [row.id for row in rows]) if sight.confidential else set()
    return [
        {"call_id": row.id, "at": row.started_at, "outcome": row.outcome, "region": row.region}
        for row in rows
        if row.id not in kept
    ]


def _tickets(session: Session, number: str, sight: Sight) -> list[dict[str, Any]]:
    found = select(TicketRow).where(TicketRow.number == number)
    if sight.confidential:
        found = found.where(~counts_as_confidential())
    rows = session.scalars(found.order_by(TicketRow.created_at.desc()).limit(SHOWN))
    return [
        {
            "id": row.id,
            "at": row.created_at,
            "status": row.status,
            "matter": row.matter[:80],
            "department": row.department or "",
            "due_at": row.due_at,
        }
        for row in rows
    ]
