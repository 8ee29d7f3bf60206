"""How the few calls of a media process are shared between callers and their legs; pure.

Every caller has a leg of their own reserved, so that no other caller's attempts can keep
110 from them. Where more callers are configured than that allows, nothing is reserved.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from telephony.sip.settings import SLOTS


@dataclass(frozen=True, slots=True)
class Use:
    """What one caller's room takes up.

    Parameters:
        callers: 1 while the caller's line is up, 0 after.
        legs: legs on their way or up.
    """

    callers: int
    legs: int


def reserved(rooms: Collection[Use], callers_per_process: int) -> int:
    """Calls kept for callers who have no leg yet."""
    if 2 * callers_per_process > SLOTS:
        return 0
    return sum(room.callers for room in rooms if not room.legs)


def callers_left(rooms: Collection[Use], held: int, callers_per_process: int) -> int:
    """How many more callers can be taken.

    Parameters:
        held: calls that PJSIP holds, those included that are ending.
    """
    each = 1 if 2 * callers_per_process > SLOTS else 2
    free = SLOTS - held - reserved(rooms, callers_per_process)
    up = sum(room.callers for room in rooms)
    return max(0, min(callers_per_process - up, free // each))


def may_dial(others: Collection[Use], held: int, callers_per_process: int) -> bool:
    """Whether a caller may have a further leg; `others` are the rooms of the others."""
    return held + reserved(others, callers_per_process) < SLOTS
