"""Whoever answers for 110 and for the seats: any number of people with one greeting."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks.cluster_trial.softphone import Line, Softphone
from telephony.sip.datagram import Datagram
from telephony.sip.headers import user_to_user

RINGS_S = 0.5


@dataclass(frozen=True, slots=True)
class Answered:
    """One call that a desk took.

    Parameters:
        number: of the caller.
        handoff: the hand-off that it was told of; "" for none.
    """

    number: str
    line: Line
    handoff: str


class DeskLine:
    """Its `take` is what a softphone does with its calls.

    Parameters:
        says: what whoever answers says until the end (`sound.frames_of`).
    """

    def __init__(self, says: list[bytes]) -> None:
        self._says = says
        self.answered: list[Answered] = []
        self.phone: Softphone | None = None

    async def take(self, line: Line, request: Datagram) -> None:
        phone = self.phone
        assert phone is not None
        phone.ring(line, request)
        await asyncio.sleep(RINGS_S)
        if line.over.is_set():
            return
        line.sound.say(self._says, for_ever=True)
        phone.answer(line, request)
        handoff = user_to_user(request.first("user-to-user"))
        self.answered.append(Answered(line.number, line, handoff))

    def with_since(self, number: str) -> float | None:
        """Since when somebody is with that caller, monotonic seconds; None for nobody."""
        with_ = [
            each.line.up_at
            for each in self.answered
            if each.number == number and not each.line.over.is_set()
        ]
        return min(with_, default=None)

    def spans(self, number: str) -> list[tuple[float, float]]:
        """When somebody was with that caller."""
        return [
            (each.line.up_at, each.line.over_at or time.monotonic())
            for each in self.answered
            if each.number == number
        ]

    def handoffs(self) -> frozenset[str]:
        return frozenset(each.handoff for each in self.answered if each.handoff)
