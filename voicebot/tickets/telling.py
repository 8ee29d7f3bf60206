"""What 110 is told of a matter that it has passed on (工单状态回传; R12)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from voicebot.exchange.schema import Feedback, Status
from voicebot.exchange.sending import send
from voicebot.exchange.wording import moment, text
from voicebot.records.tables import TicketRow
from voicebot.tickets import states
from voicebot.tickets.life import Life, Request
from voicebot.tickets.police import STATES
from voicebot.tickets.states import Act


def tell(session: Session, row: TicketRow, before: Life, request: Request) -> None:
    """Put its new state into the outbox, in the transaction of the step."""
    if row.channel != "110" or row.status == before.status:
        return
    if request.act is Act.ANSWER:
        answer = Feedback(outcome="explained", result=text(row.answer), at=moment(request.at))
        send(session, answer, subject=row.id, at=request.at)
    status = Status(
        state="reopened" if request.act is Act.REOPEN else STATES[states.Status(row.status)],
        at=moment(request.at),
        note=text(request.why),
        due_at=moment(row.due_at) if row.due_at is not None else None,
    )
    send(session, status, subject=row.id, at=request.at)
