"""Where the values of slots are kept: rows are added and never changed.

The last row for a name, place and first day counts; one with an empty value takes it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kb import ledger
from kb.entry import Entry
from kb.errors import SamePerson
from kb.ledger import Act
from kb.regions import normal
from kb.rules import person
from kb.slots import Slot, names_in
from kb.tables import slot_values


def import_slots(session: Session, slots: Iterable[Slot], act: Act, reviewed_by: str) -> int:
    """Put on record the values that differ from what counts, all or none; how many did.

    Values are spoken from the commit on, while they are valid: somebody else has read them.

    Raises:
        SamePerson: the reviewer is who brings them.
        StepRefused: one of the two has no name.
    """
    if person(reviewed_by) == person(act.who):
        raise SamePerson(f"{reviewed_by} brings the values: somebody else has to review them.")
    with session.begin_nested():
        ledger.claim(session)
        known = _last(session)
        new = [slot for slot in by_key(slots) if known.get(_key(slot), _no(slot)) != slot]
        if new:
            signed = {
                "recorded_at": act.at,
                "recorded_by": act.who,
                "reviewed_by": reviewed_by,
                "login": act.login,
                "reason": act.why,
            }
            session.execute(sa.insert(slot_values), [_row(slot) | signed for slot in new])
            ledger.announce_published(session)
    return len(new)


def slots(session: Session) -> list[Slot]:
    """The values that count, past and coming ones too, by name, place and first day."""
    return sorted((s for s in _last(session).values() if s.value), key=_key)


def with_slots(session: Session, entries: Sequence[Entry]) -> list[Entry]:
    """The entries with the values of the slots that their answers have."""
    named = [names_in(entry.answer) for entry in entries]
    known = slots(session) if any(named) else []
    return [
        replace(entry, slots=tuple(s for s in known if s.name in names)) if names else entry
        for entry, names in zip(entries, named, strict=True)
    ]


def by_key(given: Iterable[Slot]) -> list[Slot]:
    """One value for each name, place and first day, the last given."""
    return list({_key(slot): slot for slot in given}.values())


def _key(slot: Slot) -> tuple[str, str, str]:
    return slot.name, slot.region, slot.valid_from.isoformat()


def _no(slot: Slot) -> Slot:
    """What stands where nothing was ever said."""
    return replace(slot, value="")


def _last(session: Session) -> dict[tuple[str, str, str], Slot]:
    rows = session.execute(sa.select(slot_values).order_by(slot_values.c.number))
    found = (
        Slot(r.name, normal(r.region), r.value, r.source, r.valid_from, r.valid_to) for r in rows
    )
    return {_key(slot): slot for slot in found}


def _row(slot: Slot) -> dict[str, object]:
    return {
        "name": slot.name,
        "region": slot.region,
        "value": slot.value,
        "source": slot.source,
        "valid_from": slot.valid_from,
        "valid_to": slot.valid_to,
    }
