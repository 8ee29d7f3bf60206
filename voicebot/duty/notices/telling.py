"""Who is told next of a notice that nobody has acknowledged. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from voicebot.duty.rota import SUPERIOR, Shift

Channel = Literal["webhook", "sms", "email"]


@dataclass(frozen=True, slots=True)
class Tell:
    """This person, over all these channels (address by channel)."""

    person: Shift
    channels: dict[Channel, str]

    @property
    def own_line(self) -> bool:
        """Of the duty line itself, not its superior."""
        return self.person.rank != SUPERIOR


@dataclass(frozen=True, slots=True)
class Alarm:
    """Nobody is left who could be told."""


@dataclass(frozen=True, slots=True)
class DeskAlone:
    """The line has no rota: its desk has the message, and nobody is expected to answer."""


def next_step(
    people: Sequence[Shift], told: Collection[str], *, has_rota: bool, channels: Collection[Channel]
) -> Tell | Alarm | DeskAlone:
    """What comes next.

    Parameters:
        people: on duty now, in order (`voicebot.duty.rota.on_duty`).
        told: who was told before; after a change of shift the new one is told too.
        channels: those that the settings have.
    """
    if not has_rota:
        return DeskAlone()
    for person in people:
        ways = _ways(person, channels)
        if ways and person.person not in told:
            return Tell(person, ways)
    return Alarm()


def _ways(person: Shift, channels: Collection[Channel]) -> dict[Channel, str]:
    addresses: dict[Channel, str] = {
        "webhook": person.webhook,
        "sms": person.phone,
        "email": person.email,
    }
    return {name: address for name, address in addresses.items() if address and name in channels}
