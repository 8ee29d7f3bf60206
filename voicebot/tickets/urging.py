"""Who chases what is late (督办) is told: whoever is on duty, by SMS, webhook or e-mail.

A department that is a line of the directory (供电, 供水 …) has people of its own there; for all
others it is the hotline's own people on duty who follow it up. What falls due together is one
notice, and nobody is woken by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.duty.names import read_line
from voicebot.duty.notices.opening import open_notice
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


def awake(at: float) -> float:
    """The moment itself, or 8 o'clock of its day where it is earlier; seconds since the epoch."""
    moment = datetime.fromtimestamp(at, BEIJING)
    return max(at, datetime.combine(moment.date(), FROM, BEIJING).timestamp())
