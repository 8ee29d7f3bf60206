"""Who chases what is late (督办) is told: whoever is on duty, by SMS, webhook or e-mail.

A department that is a line of the directory (供电, 供水 …) has people of its own there; for all
others it is the hotline's own people on duty who follow it up. What falls due together is one
notice, and nobody is woken by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal

from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.duty.names import read_line
from voicebot.duty.notices.opening import open_notice
from voicebot.exchange import wording
from voicebot.exchange.schema import Supervision
from voicebot.exchange.sending import send
from voicebot.figures.matters import city
from voicebot.records.tables import TicketRow
from voicebot.tickets.supervision import Level

OWN = "seat"
FROM = time(8)


@dataclass(frozen=True, slots=True)
class Urged:
    """One reminder as it was written on its ticket."""

    ticket: TicketRow
    deadline: float
    """Seconds since the epoch."""
    level: Level
    text: str


def tell_duty(session: Session, reminders: Iterable[Urged], at: float) -> None:
    """Open one notice for the reminders of a line, a city and a deadline, in this transaction."""
    together: dict[tuple[str, str, float, Level, str], list[str]] = {}
    for each in reminders:
        line = read_line(each.ticket.department or "") or OWN
        group = line, city(each.ticket.region), each.deadline, each.level, each.text
        together.setdefault(group, []).append(each.ticket.id)
    for (line, region, deadline, level, text), tickets in together.items():
        several = "等多件" if len(tickets) > 1 else ""
        open_notice(
            session,
            key=f"remind/{line}/{region}/{deadline:.0f}/{level.value}/{text}",
            line=line,
            region=region,
            subject=tickets[0],
            caller="",
            at=at,
            text=f"{text}工单{tickets[0]}{several}。",
            told_from=awake(at),
        )


def supervise(session: Session, row: TicketRow, why: str, at: float) -> None:
    """A person's word (督办): who is on duty is told, and 110 where it has a part in the matter.

    In this transaction; `at` in seconds since the epoch.
    """
    text = f"【督办】{why.rstrip('。')}。"
    tell_duty(session, [Urged(row, at, Level.SUPERVISE, text)], at)
    tell_police(session, row, "instructed", Level.SUPERVISE, row.awaited_by, text, at)


def tell_police(
    session: Session,
    row: TicketRow,
    reason: Literal["due_soon", "overdue", "instructed"],
    level: Level,
    deadline: float | None,
    text: str,
    at: float,
) -> None:
    """110 hears of it where it has a part in the matter; times are seconds since the epoch."""
    subject = row.police_order or (row.id if row.channel == "110" else "")
    if subject:
        urged = Supervision(
            reason=reason,
            level=level.value,
            at=wording.moment(at),
            answer_by=None if deadline is None else wording.moment(deadline),
            text=wording.text(text),
        )
        send(session, urged, subject=subject, at=at)


def awake(at: float) -> float:
    """The moment itself, or 8 o'clock of its day where it is earlier; seconds since the epoch."""
    day = datetime.fromtimestamp(at, BEIJING).date()
    return max(at, datetime.combine(day, FROM, BEIJING).timestamp())
