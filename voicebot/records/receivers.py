"""Where a hand-off went: which desks its dossier was for."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.call.agent_desks import PREFIX
from voicebot.caller_privacy import SEAT, Receivers
from voicebot.duty.names import read_line
from voicebot.records.readdressing import number_of
from voicebot.records.tables import DutyNumberRow, HandoffRow, OutboxRow


def sent_to(session: Session, handoff: str) -> Receivers:
    """The numbers that a hand-off was opened for, tried or reached, those whose desks got its
    dossier or a notice, and the lines of all of them; nothing for one that is not known.
    """
    row = session.get(HandoffRow, handoff)
    if row is None:
        return Receivers()
    numbers = {row.destination, row.first_destination, row.connected_to}
    lines: set[str] = set()
    messages = session.execute(
        select(OutboxRow.kind, OutboxRow.key).where(OutboxRow.handoff == handoff)
    )
    for kind, key in messages:
        if kind == "dossier":
            numbers.add(number_of(handoff, key))
        else:
            lines.add(key.rpartition("/")[2])
    tried = frozenset(each for each in numbers if each)
    listed = select(DutyNumberRow.number, DutyNumberRow.kind).where(DutyNumberRow.number.in_(tried))
    kinds = {row.number: row.kind for row in session.execute(listed)}
    lines.update(kinds.get(each) or _line_of(each) for each in tried)
    return Receivers(tried, frozenset(lines))


def _line_of(number: str) -> str:
    """Of a number that is not in the directory, or has left it, by its beginning: 110-460106,
    and of one agent's desk.
    """
    return SEAT if number.startswith(PREFIX) else number.partition("-")[0]


def own_line(session: Session, name: str) -> str:
    """The line or number that a desk's token is named for; "": for any."""
    if session.get(DutyNumberRow, name) is not None:
        return name
    return read_line(name) or ""
