"""Where a hand-off went: which desks its dossier was for."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.duty.names import read_line
from voicebot.records.readdressing import number_of
from voicebot.records.tables import DutyNumberRow, HandoffRow, OutboxRow


def sent_to(session: Session, handoff: str) -> frozenset[str]:
    """The numbers that a hand-off was opened for, tried or reached, those whose desks got its
    dossier or a notice, and the lines of all of them; empty for one that is not known.
    """
    row = session.get(HandoffRow, handoff)
    if row is None:
        return frozenset()
    tried = (row.destination, row.first_destination, row.connected_to)
    numbers = {each for each in tried if each}
    lines: set[str] = set()
    messages = session.execute(
        select(OutboxRow.kind, OutboxRow.key).where(OutboxRow.handoff == handoff)
    )
    for kind, key in messages:
        if kind == "dossier":
            numbers.add(number_of(handoff, key))
        else:
            lines.add(key.rpartition("/")[2])
    kinds = select(DutyNumberRow.kind).where(DutyNumberRow.number.in_(numbers))
    # Of a number that has left the directory, by its beginning: 110-460106.
    was = {each.partition("-")[0] for each in numbers}
    return frozenset(numbers | lines | set(session.scalars(kinds)) | was) - {""}


def own_line(session: Session, name: str) -> str:
    """The line or number that a desk's token is named for; "": for any."""
    if session.get(DutyNumberRow, name) is not None:
        return name
    return read_line(name) or ""
