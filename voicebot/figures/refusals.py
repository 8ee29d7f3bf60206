"""Which refused callers nobody has served: whom one node refuses, a dispatcher sends to the next.

They are told apart by the key that a call has at each node; who was refused by all is one caller.
Rows from before there were keys count each for itself.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import InstrumentedAttribute, aliased

from voicebot.figures.tables import AnsweredOfferRow, RefusedCallRow


def never_served() -> ColumnElement[bool]:
    """Of a row of `RefusedCallRow`: it counts as a caller whom nobody answered."""
    another = aliased(RefusedCallRow)
    served = exists().where(AnsweredOfferRow.offer_key == RefusedCallRow.offer_key)
    counted = exists().where(
        another.offer_key == RefusedCallRow.offer_key, another.call_id < RefusedCallRow.call_id
    )
    return ~served.correlate(RefusedCallRow) & ~counted.correlate(RefusedCallRow)


def served_elsewhere(call_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The call of this id was refused here, and answered by another node."""
    served = exists().where(
        RefusedCallRow.call_id == call_id,
        AnsweredOfferRow.offer_key == RefusedCallRow.offer_key,
    )
    return served.correlate(call_id.class_)
