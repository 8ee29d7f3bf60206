"""Decisions of 会商 as rules that dispatch follows (R10; plan 二(二)4: 明确管辖主体)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.records.duty import region_names
from voicebot.tickets.errors import TicketError
from voicebot.tickets.tables import DispatchRuleRow

MOST_WORDS = 10
SHORTEST = 2
"""Characters of a word: one hanzi is in half of all matters."""


class RuleRefused(TicketError):
    """A rule says too little, or what cannot be followed."""

    code = "ticket.rule"


class UnknownRule(TicketError):
    """There is no rule of this number that is in force."""

    code = "ticket.unknown_rule"


def decide(
    session: Session,
    *,
    words: Sequence[str],
    department: str,
    region: str,
    source: str,
    by: str,
    at: float,
) -> DispatchRuleRow:
    """Put a decision on record; dispatch follows it from now on.

    Raises:
        RuleRefused: something is missing, or a code is unknown.
    """
    words = [word.strip() for word in words if word.strip()]
    if not words or len(words) > MOST_WORDS or any(len(word) < SHORTEST for word in words):
        raise RuleRefused(
            f"A rule needs 1 to {MOST_WORDS} words of {SHORTEST} characters or more, "
            "all of which are in the matter."
        )
    if not department.strip():
        raise RuleRefused("A rule needs the department whose such matters are.")
    if not source.strip():
        raise RuleRefused("A rule needs its source: the minutes (会商纪要) that it stands in.")
    if region and region not in region_names():
        raise RuleRefused(f"{region} is no division code (GB/T 2260) of flows/data/regions.csv.")
    row = DispatchRuleRow(
        words=list(words),
        region=region,
        department=department.strip(),
        decided_at=at,
        decided_by=by[:100],
        source=source.strip(),
    )
    session.add(row)
    session.flush()
    return row


def withdraw(session: Session, rule: int, *, by: str, at: float) -> DispatchRuleRow:
    """Dispatch follows it no more; it stays on record.

    Raises:
        UnknownRule: there is none of this number, or it was withdrawn before.
    """
    row = session.get(DispatchRuleRow, rule)
    if row is None or row.withdrawn_at is not None:
        raise UnknownRule(f"There is no rule {rule} in force; `voicebot tickets rules` shows them.")
    row.withdrawn_at, row.withdrawn_by = at, by[:100]
    return row


def in_force(session: Session) -> list[dict[str, Any]]:
    """The rules that are followed, the newest first: of two that fit the later decision counts."""
    rows = session.scalars(
        select(DispatchRuleRow)
        .where(DispatchRuleRow.withdrawn_at.is_(None))
        .order_by(DispatchRuleRow.decided_at.desc(), DispatchRuleRow.id.desc())
    )
    return [as_values(row) for row in rows]


def as_values(row: DispatchRuleRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "words": list(row.words),
        "region": row.region,
        "department": row.department,
        "decided_at": row.decided_at,
        "decided_by": row.decided_by,
        "source": row.source,
    }
