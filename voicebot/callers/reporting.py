"""A number that goes on disturbing is reported to 110 (情节严重的通报110), as an order."""

from __future__ import annotations

from sqlalchemy.orm import Session

from voicebot.callers.days import local
from voicebot.callers.errors import CallersError
from voicebot.callers.limits import add_step, known, name_of, reason_of
from voicebot.callers.nuisance import REASONS
from voicebot.callers.tables import LimitRow
from voicebot.exchange import wording
from voicebot.exchange.schema.bodies import Person, PoliceOrder
from voicebot.exchange.sending import send


def report(session: Session, limit: int, *, who: str, why: str, at: float) -> LimitRow:
    """Send 110 an order about the number of a limit, or of its proposal, in this transaction.

    Raises:
        NotKnown: no such limit.
        CallersError: it was reported before; nobody or no reason named.
    """
    row = known(session, limit)
    if row.reported:
        raise CallersError(f"Limit {limit} was reported to 110 before, as {row.reported}.")
    name, reason = name_of(who), reason_of(why)
    row.reported = f"nuisance-{row.id}"
    order = PoliceOrder(
        number=row.reported,
        created_at=local(at),
        caller=Person(number=wording.number(row.number)),
        reason=wording.text(f"{REASONS[row.reason]}，影响12345正常工作秩序：{reason}"),
        evidence=tuple(wording.text(f"通话 {call}") for call in row.evidence),
        flags=("nuisance",),
        priority="ordinary",
    )
    send(session, order, subject=row.reported, at=at)
    add_step(session, row, "reported", name, reason, at)
    return row
