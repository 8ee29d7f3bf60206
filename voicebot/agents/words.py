"""What somebody at 110 says of a hand-off in the 110 view: that he has it, and what came of it.

Functions of a session, in the caller's transaction. Feedback has the effect that a message of
110's platform has (`voicebot.tickets.exchange`); a matter that 110 gives back becomes a ticket in
dispute, so that nobody falls between the two desks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.agents.tables import HandoffWordRow
from voicebot.errors import VoicebotError
from voicebot.exchange import wording
from voicebot.exchange.schema import Feedback
from voicebot.records.tables import HandoffRow
from voicebot.tickets import opening
from voicebot.tickets.acts import perform
from voicebot.tickets.confidential import confidential_calls
from voicebot.tickets.exchange import police_said
from voicebot.tickets.history import POLICE
from voicebot.tickets.life import Request
from voicebot.tickets.states import Act

OUTCOMES: Mapping[str, str] = {
    "resolved": "已解决",
    "partly_resolved": "部分解决",
    "explained": "已解释说明",
    "unresolved": "未解决",
    "out_of_scope": "不属110受理范围",
}
"""Of `voicebot.exchange.schema.Feedback`."""
MOST_TEXT = 2_000
MOST_WHO = 64


class WordRefused(VoicebotError):
    """What was said of a hand-off cannot be taken."""

    code = "handoff_word.refused"


def words(session: Session, handoff: str) -> list[dict[str, Any]]:
    """``{"at", "kind", "who", "outcome", "text"}`` in order."""
    rows = session.scalars(
        select(HandoffWordRow).where(HandoffWordRow.handoff == handoff).order_by(HandoffWordRow.id)
    )
    return [
        {"at": row.at, "kind": row.kind, "who": row.who, "outcome": row.outcome, "text": row.text}
        for row in rows
    ]


def acknowledge(session: Session, handoff: str, *, who: str, at: float) -> bool:
    """Somebody there has it (签收); True for the first. Idempotent.

    Raises:
        WordRefused: there is no such hand-off, or nobody named himself.
    """
    _known(session, handoff, lock=True)
    name = _name(who)
    before = session.scalars(
        select(HandoffWordRow.id).filter_by(handoff=handoff, kind="acknowledged").limit(1)
    ).first()
    if before is None:
        session.add(HandoffWordRow(handoff=handoff, at=at, kind="acknowledged", who=name))
    return before is None


def feed_back(
    session: Session, handoff: str, *, who: str, outcome: str, text: str, at: float
) -> str:
    """What came of it (办理反馈); the ticket that it concerns, "" for none.

    Raises:
        WordRefused: there is no such hand-off or outcome, or it says nothing.
    """
    row = _known(session, handoff)
    name, text = _name(who), wording.text(text).strip()[:MOST_TEXT]
    if outcome not in OUTCOMES or not text:
        raise WordRefused(f"Feedback has words, and one of {', '.join(OUTCOMES)}.")
    session.add(
        HandoffWordRow(
            handoff=handoff, at=at, kind="feedback", who=name, outcome=outcome, text=text
        )
    )
    told = {"outcome": outcome, "result": text, "at": wording.moment(at)}
    body = Feedback.model_validate(told)
    ticket = police_said(session, handoff, body, {"kind": "feedback", "by": name}, at)
    if ticket is None and outcome == "out_of_scope":
        return _given_back(session, row, text, at)
    return "" if ticket is None else ticket.id


def _given_back(session: Session, row: HandoffRow, why: str, at: float) -> str:
    dossier = row.dossier
    said = [turn["text"] for turn in dossier.get("transcript", ()) if turn["side"] == "caller"]
    ticket = opening.save(
        session,
        ticket=f"{row.id}-r1",
        at=at,
        by=POLICE,
        call_id=row.call_id,
        matter="，".join(said) or "110退回的来电",
        place=dossier.get("place") or "",
        number=dossier.get("caller", ""),
        region=row.region,
        confidential=bool(confidential_calls(session, [row.call_id])),
    )
    session.flush()
    if not ticket.disputed_at:
        perform(session, ticket.id, Request(Act.DISPUTE, at, why), POLICE)
    return ticket.id


def _known(session: Session, handoff: str, *, lock: bool = False) -> HandoffRow:
    row = session.get(HandoffRow, handoff, with_for_update=lock or None)
    if row is None:
        raise WordRefused("There is no hand-off of this id.")
    return row


def _name(who: str) -> str:
    name = who.strip()[:MOST_WHO]
    if not name:
        raise WordRefused("Say who you are: name or number (警号).")
    return name
