"""Matters that departments, or 110, returned or disputed, as 会商 needs them (R10, plan 二(二)4).

So are those of calls in which nobody could say whether they were 110's or 12345's: the first
receiver opened a ticket (R3). Tickets that are about the like are one matter: who returned it how
often and why, and what the callers said.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from flows.announcing import UNDECIDED
from voicebot.records.tables import HandoffRow, TicketRow, TurnRow
from voicebot.tickets.likeness import nearest, wording
from voicebot.tickets.states import Act, Status
from voicebot.tickets.tables import TicketStepRow

MOST = 500
"""Refusals of one list; the newest: each ticket is compared with each dispute."""
LOOKED_AT = 30
"""Of the disputes those that a ticket's matter is the most alike, as written."""
SAME_CLASS, UNCLASSIFIED = 50.0, 65.0
"""How alike the matters of one dispute are, 0..100, where both are classified the same, or not."""
_ACTS = (Act.RETURN.value, Act.DISPUTE.value)


@dataclass(slots=True)
class Dispute:
    """One matter in dispute, with its tickets."""

    matter: str
    """As its newest ticket has it."""
    classification: str
    tickets: list[TicketRow] = field(default_factory=list)
    refusals: list[TicketStepRow] = field(default_factory=list)
    """Each return and each call for 会商, in order."""
    undecided: int = 0
    """Tickets of calls for which 110 and 12345 were called in together."""

    @property
    def returns(self) -> int:
        return len(self.refusals)

    @property
    def times(self) -> int:
        """How often it was in dispute, one way or the other."""
        return self.returns + self.undecided

    @property
    def refused_by(self) -> dict[str, int]:
        """How often each department, or 110, refused it."""
        counted = Counter(
            "110" if step.role == "110" else step.department or "未派单" for step in self.refusals
        )
        return dict(counted.most_common())

    @property
    def regions(self) -> dict[str, int]:
        """Tickets by GB/T 2260 code."""
        return dict(Counter(row.region or "" for row in self.tickets).most_common())

    def as_values(self) -> dict[str, Any]:
        return {
            "matter": self.matter,
            "classification": self.classification,
            "tickets": [row.id for row in self.tickets],
            "returns": self.returns,
            "undecided": self.undecided,
            "refused_by": self.refused_by,
            "regions": self.regions,
            "open": sum(row.status == "disputed" for row in self.tickets),
        }


def disputes(session: Session, since: float, until: float) -> list[Dispute]:
    """What was returned, disputed or undecided in [since, until), the most often so first."""
    # Asked for one after the other: of two conditions with "or" PostgreSQL uses no index.
    newest = set(
        session.scalars(
            select(TicketStepRow.ticket)
            .where(
                TicketStepRow.at >= since, TicketStepRow.at < until, TicketStepRow.act.in_(_ACTS)
            )
            .order_by(TicketStepRow.at.desc())
            .limit(MOST)
        )
    )
    undecided = set(session.scalars(_undecided(since, until)))
    rows = session.scalars(
        select(TicketRow)
        .where(TicketRow.id.in_(newest | undecided))
        .order_by(TicketRow.created_at.desc(), TicketRow.id)
    ).all()
    refusals = session.scalars(
        select(TicketStepRow)
        .where(
            TicketStepRow.ticket.in_(newest),
            TicketStepRow.act.in_(_ACTS),
            TicketStepRow.at >= since,
            TicketStepRow.at < until,
        )
        .order_by(TicketStepRow.at)
    ).all()
    found: list[Dispute] = []
    of_ticket: dict[str, Dispute] = {}
    for row in rows:
        likely = nearest(row.matter, [each.matter for each in found], LOOKED_AT)
        dispute = next((found[place] for place in likely if _belongs(row, found[place])), None)
        if dispute is None:
            dispute = Dispute(row.matter, row.classification)
            found.append(dispute)
        dispute.tickets.append(row)
        dispute.undecided += row.id in undecided
        of_ticket[row.id] = dispute
    for step in refusals:
        of_ticket[step.ticket].refusals.append(step)
    return sorted(found, key=lambda each: (-each.times, -len(each.tickets)))


def transcripts(session: Session, dispute: Dispute) -> list[TurnRow]:
    """What was said in the calls of its tickets, but for those that are confidential."""
    calls = {row.call_id for row in dispute.tickets if row.call_id and not row.confidential}
    return list(
        session.scalars(
            select(TurnRow)
            .where(TurnRow.call_id.in_(calls))
            .order_by(TurnRow.call_id, TurnRow.start, TurnRow.seq)
        )
    )


def _undecided(since: float, until: float) -> Select[str]:
    return (
        select(TicketRow.id)
        .join(HandoffRow, HandoffRow.call_id == TicketRow.call_id)
        .where(
            HandoffRow.reason == UNDECIDED,
            HandoffRow.requested_at >= since,
            HandoffRow.requested_at < until,
            TicketRow.call_id != "",
            TicketRow.status != Status.WITHDRAWN,
        )
        .order_by(HandoffRow.requested_at.desc())
        .limit(MOST)
    )


def _belongs(row: TicketRow, dispute: Dispute) -> bool:
    both = bool(row.classification and dispute.classification)
    if both and row.classification != dispute.classification:
        return False
    return wording(row.matter, dispute.matter) >= (SAME_CLASS if both else UNCLASSIFIED)
