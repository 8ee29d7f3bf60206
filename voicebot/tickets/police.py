"""A ticket as the exchange with 110 has it: as a police order (警单), and its states (R7, R12)."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.exchange.dossier import TranscriptTurn
from voicebot.exchange.schema import Person, PoliceOrder
from voicebot.exchange.schema.bodies import State
from voicebot.exchange.schema.codes import divisions, organisation_of
from voicebot.exchange.wording import SHORT, moment, text
from voicebot.exchange.wording import number as telephone_number
from voicebot.records.tables import TicketRow, TurnRow
from voicebot.tickets.states import Status

STATES: dict[Status, State] = {
    Status.CREATED: "registered",
    Status.DISPATCHED: "dispatched",
    Status.ACCEPTED: "accepted",
    Status.WORKING: "working",
    Status.ANSWERED: "resolved",
    Status.CLOSED: "closed",
    Status.RETURNED: "returned",
    Status.DISPUTED: "returned",
    Status.SUSPENDED: "working",
    Status.MERGED: "working",
    Status.WITHDRAWN: "withdrawn",
}
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+@~=-]{0,127}")
_PROVINCE = "460000"


def order_number(ticket: str, version: int) -> str:
    """A number of its own for each escalation; a carrier's id may hold what a number may not."""
    number = f"{ticket}-j{version}"
    if _IDENTIFIER.fullmatch(number):
        return number
    return f"j{version}-{re.sub('[^A-Za-z0-9._-]', '', ticket)[:100]}"


def police_order(
    session: Session, row: TicketRow, number: str, *, why: str, category: int | None, at: float
) -> PoliceOrder:
    """What 110 is told of a ticket that it is called in to.

    Parameters:
        why: what the unit that handles it has found (矛盾激化, 涉嫌违法 …).
        category: 1-7 of annex 2; None: left to 110.
        at: seconds since the epoch.
    """
    region = row.region if row.region in divisions() else None
    desk = organisation_of(region or _PROVINCE, "110") or organisation_of(_PROVINCE, "110")
    turns = session.scalars(
        select(TurnRow)
        .where(TurnRow.call_id == row.call_id, TurnRow.call_id != "")
        .order_by(TurnRow.start, TurnRow.seq)
    )
    return PoliceOrder(
        number=number,
        created_at=moment(at),
        division=region,
        place=text(row.place),
        caller=Person(
            name=text(row.name, SHORT),
            number=telephone_number(row.number),
            confidential=row.confidential,
        ),
        call_id=row.call_id if _IDENTIFIER.fullmatch(row.call_id) else None,
        related=(row.id,) if _IDENTIFIER.fullmatch(row.id) else (),
        transcript=tuple(
            TranscriptTurn.model_validate(
                {
                    "side": turn.side,
                    "text": text(turn.text),
                    "start": round(turn.start, 3),
                    "end": round(turn.end, 3),
                }
            )
            for turn in turns
        ),
        reason=text(f"{why.strip()}（工单诉求：{row.matter.strip()}）"),
        category=category,
        desk=desk.code if desk is not None else None,
    )
