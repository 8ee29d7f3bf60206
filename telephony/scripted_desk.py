"""The far side of `telephony.scripted`: desks that follow a script, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from telephony.codecs import FRAME_SECONDS, Int16
from telephony.dialing import DutyNumber
from telephony.errors import LegError
from telephony.leg_events import LegAudio, LegEnded, LegEvent, LegEvents, LegKey, LegProgress
from telephony.leg_state import END_REASONS, LegInput, LegState, transition


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Ring:
    """180."""


@dataclass(frozen=True, slots=True)
class Answer:
    """200."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The desk's key (按键确认)."""


@dataclass(frozen=True, slots=True)
class Press:
    """A key of the desk's telephone; one that acknowledges is `Acknowledge` instead."""

    key: str


@dataclass(frozen=True, slots=True)
class Say:
    """Speech at the call's rate, at its own speed; before `Answer` it is early media."""

    pcm: Int16 = field(repr=False)


@dataclass(frozen=True, slots=True)
class Busy:
    """486."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """503 to the INVITE, or no answer to it at all."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """BYE, or 603 before the answer."""


@dataclass(frozen=True, slots=True)
class Lose:
    """The leg breaks, without a goodbye."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The far side has taken the caller over (REFER succeeded)."""


Step = (
    Wait | Ring | Answer | Acknowledge | Press | Say | Busy | Unreachable | HangUp | Lose | TakeOver
)

_INPUTS: dict[type[Step], tuple[LegInput, ...]] = {
    Ring: (LegInput.OPEN, LegInput.RING),
    Answer: (LegInput.OPEN, LegInput.ANSWER),
    Acknowledge: (LegInput.OPEN, LegInput.ACKNOWLEDGE),
    Busy: (LegInput.OPEN, LegInput.BUSY),
    Unreachable: (LegInput.UNREACHABLE,),
    HangUp: (LegInput.OPEN, LegInput.FAR_END),
    Lose: (LegInput.OPEN, LegInput.CLOSED),
    TakeOver: (LegInput.OPEN, LegInput.TAKEN_OVER),
}


class ScriptedLeg:
    """`telephony.call_control.Leg` to a desk that follows its steps, then stays as it is.

    Parameters:
        steps: what the desk does with the call.
        rate: Hz of its audio.
        bridged: as the endpoint that is stood in for: its audio is for listening only.
    """

    def __init__(
        self,
        number: DutyNumber,
        steps: tuple[Step, ...],
        rate: int,
        *,
        answer_timeout_s: float,
        bridged: bool = True,
    ) -> None:
        self.number, self.bridged = number, bridged
        self._steps, self._rate, self._answer_timeout_s = steps, rate, answer_timeout_s
        self._state = LegState.IDLE
        self._events = LegEvents(100)
        self._tasks: list[asyncio.Task[None]] = []
        self.start_params: Mapping[str, Any] = {}
        """What it was dialled with."""
        self.dossiers: list[Mapping[str, Any]] = []
        self.sent: list[Int16] = []
        """Audio for the far side."""

    @property
    def state(self) -> LegState:
        return self._state

    @property
    def off_hook(self) -> bool:
        return self._state in (LegState.ANSWERED, LegState.ACKNOWLEDGED)

    async def connect(
        self, start_params: Mapping[str, Any], dossier: Mapping[str, Any] | None = None
    ) -> None:
        """Errors: LegError `leg_used`."""
        if self._state is not LegState.IDLE:
            raise LegError("leg_used", "A leg is dialled once; make a new one.")
        self.start_params = dict(start_params)
        if dossier is not None:
            self.send_dossier(dossier)
        self.apply(LegInput.DIAL)
        self._tasks = [
            asyncio.create_task(self._follow(), name="desk"),
            asyncio.create_task(self._give_up(), name="deadline"),
        ]

    def send_audio(self, pcm: Int16, rate: int) -> None:
        if self._state is not LegState.ENDED:
            self.sent.append(pcm)

    def send_dossier(self, dossier: Mapping[str, Any]) -> bool:
        self.dossiers.append(dossier)
        return True

    async def hangup(self) -> None:
        self.apply(LegInput.HANG_UP)

    def __aiter__(self) -> ScriptedLeg:
        return self

    async def __anext__(self) -> LegEvent:
        return await anext(self._events)

    def apply(self, event: LegInput) -> None:
        """What the far side, the deadline or the endpoint does to it, by the table."""
        before, self._state = self._state, transition(self._state, event)
        if self._state is before:
            return
        if self._state is LegState.ENDED:
            for task in self._tasks:
                task.cancel()
            self._events.put(LegEnded(END_REASONS[event]))
        elif self._state in (LegState.RINGING, LegState.ANSWERED, LegState.ACKNOWLEDGED):
            self._events.put(LegProgress(self._state))

    async def _follow(self) -> None:
        for step in self._steps:
            match step:
                case Wait(seconds=seconds):
                    await asyncio.sleep(seconds)
                case Press(key=key) if self.off_hook:
                    self._events.put(LegKey(key))
                case Press():
                    pass
                case Say(pcm=pcm):
                    await self._say(pcm)
                case _:
                    for event in _INPUTS[type(step)]:
                        self.apply(event)

    async def _say(self, pcm: Int16) -> None:
        self.apply(LegInput.OPEN)
        frame = round(self._rate * FRAME_SECONDS)
        for at in range(0, len(pcm), frame):
            early = not self.off_hook
            self._events.put(LegAudio(pcm[at : at + frame].tobytes(), self._rate, early))
            await asyncio.sleep(FRAME_SECONDS)

    async def _give_up(self) -> None:
        await asyncio.sleep(self._answer_timeout_s)
        if not self.off_hook:
            self.apply(LegInput.UNREACHABLE)
            self.apply(LegInput.DEADLINE)
