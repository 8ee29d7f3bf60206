"""Drives the legs of a hand-off and joins their audio to the caller's.

It dials what it is told and reports what happened; which route comes next, and
what the caller hears, is decided in `flows.dialogue`. A leg has succeeded when a
person spoke on it or the desk acknowledged, never because it was answered
(DESIGN.md, Hand-off). Whatever goes wrong on a leg is reported, once, so that the
chain goes on, and its line is hung up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from flows.actions import Route
from flows.events import LegState, TransferProgress
from telephony.call_control import Leg
from telephony.codecs import Int16
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.errors import LegError, TelephonyError
from telephony.leg_events import LegAudio, LegEnded, LegProgress
from telephony.leg_state import LegEndReason
from telephony.leg_state import LegState as WireState
from voicebot.call.person import PersonWatch, Probabilities

__all__ = ["HandoffDriver", "HandoffLimits", "Probabilities"]

log = structlog.get_logger()

CLOSE_S = 3.0
"""How long the end of a call may wait for its legs to hang up."""

_FAILURES = {
    LegEndReason.BUSY: LegState.BUSY,
    LegEndReason.NO_ANSWER: LegState.NO_ANSWER,
}


@dataclass(frozen=True, slots=True)
class HandoffLimits:
    """Seconds; settings of section [handoff]."""

    confirm_timeout_s: float = 8.0


@dataclass(slots=True)
class _Leg:
    handoff: str
    number: str
    leg: Leg
    task: asyncio.Task[None] | None = None
    off_hook: bool = False
    confirmed: bool = False


class HandoffDriver:
    """One call's outgoing legs, at most one at a time.

    Parameters:
        directory: the numbers that may be dialled; nothing else ever is.
        new_leg: makes a leg to a number of the directory, not yet dialled.
        report: takes the progress events.
        play: takes the far side's audio (PCM16, rate, bridged); the caller hears it
            through us unless the endpoint has `bridged` the leg.
        voice: makes a voice detector for 16 kHz audio.
    """

    def __init__(
        self,
        directory: DutyDirectory,
        new_leg: Callable[[DutyNumber], Leg],
        report: Callable[[TransferProgress], None],
        play: Callable[[Int16, int, bool], Awaitable[None]],
        voice: Callable[[], Awaitable[Probabilities]],
        now: Callable[[], float],
        limits: HandoffLimits,
    ) -> None:
        self._directory, self._new_leg = directory, new_leg
        self._report, self._play, self._voice = report, play, voice
        self._now, self._limits = now, limits
        self._leg: _Leg | None = None
        self._dossier: Mapping[str, Any] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def lines_in_use(self) -> int:
        """Legs that are up or being dialled."""
        return int(self._leg is not None)

    @property
    def bridged(self) -> bool:
        """The far side is off-hook: caller and desk hear each other."""
        return self._leg is not None and self._leg.off_hook

    def dial(self, handoff: str, route: Route, start: Mapping[str, Any]) -> None:
        """Originate a route; a leg that is still up for this hand-off is given up."""
        if self._leg is not None:
            self._spawn(self._end(self._leg))
        self._leg = None
        try:
            number = self._directory.resolve(route.destination)
            outgoing = self._new_leg(number)
        except TelephonyError as error:
            self._tell(handoff, route.destination, LegState.FAILED, error.code)
            return
        leg = self._leg = _Leg(handoff, number.number, outgoing)
        leg.task = asyncio.create_task(self._run(leg, number, start))

    def send_caller_audio(self, pcm: Int16, rate: int) -> None:
        """The caller's audio, heard by the desk from the moment it is off-hook."""
        if self._leg is not None and self._leg.off_hook and not self._leg.leg.bridged:
            self._leg.leg.send_audio(pcm, rate)

    def send_dossier(self, dossier: Mapping[str, Any]) -> None:
        """The dossier's newest state; also given to every leg dialled later."""
        self._dossier = dossier
        if self._leg is not None and not self._leg.leg.send_dossier(dossier):
            log.error("dossier_not_on_line", destination=self._leg.number)

    async def close(self) -> None:
        """Hang up whatever is up; never raises, and never waits for a dead desk."""
        leg, self._leg = self._leg, None
        if leg is not None:
            self._spawn(self._end(leg))
        if self._endings:
            await asyncio.wait(self._endings, timeout=CLOSE_S)

    def _spawn(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def _tell(self, handoff: str, number: str, state: LegState, reason: str = "") -> None:
        self._report(TransferProgress(self._now(), handoff, number, state, reason))

    async def _end(self, leg: _Leg) -> None:
        """Give a leg up without another word about it."""
        if leg.task is not None:
            leg.task.cancel()
            await asyncio.wait({leg.task})
        await self._hang_up(leg)  # a task that had not begun leaves it to us

    async def _hang_up(self, leg: _Leg) -> None:
        try:
            await leg.leg.hangup()
        except Exception:
            log.exception("leg_not_hung_up", destination=leg.number)

    async def _run(self, leg: _Leg, number: DutyNumber, start: Mapping[str, Any]) -> None:
        """One leg from dialling to its end, which is reported once."""
        state, reason = LegState.FAILED, "internal"
        try:
            self._tell(leg.handoff, leg.number, LegState.REQUESTED)
            await leg.leg.connect({**start, "number": number.number}, self._dossier)
            state, reason = await self._carry(leg)
        except LegError as error:
            reason = error.code
        except Exception:
            log.exception("leg_failed", destination=leg.number)
            if leg.confirmed:  # lost in mid-conversation: the next route, not the end
                state, reason = LegState.ENDED, LegEndReason.LOST.value
        except asyncio.CancelledError:
            await self._hang_up(leg)
            raise
        if self._leg is leg:
            self._leg = None
        try:
            self._tell(leg.handoff, leg.number, state, reason)
        finally:
            await self._hang_up(leg)

    async def _carry(self, leg: _Leg) -> tuple[LegState, str]:
        """Audio and progress of a connected leg; gives its end."""
        try:
            async with asyncio.timeout(None) as confirmation:
                person = PersonWatch(
                    self._voice, lambda: self._confirm(leg, "person_spoke", confirmation)
                )
                try:
                    return await self._follow(leg, person, confirmation)
                finally:
                    person.close()
        except TimeoutError:
            if not confirmation.expired():
                raise
            return LegState.NO_ANSWER, "nobody_spoke"

    async def _follow(
        self, leg: _Leg, person: PersonWatch, confirmation: asyncio.Timeout
    ) -> tuple[LegState, str]:
        async for event in leg.leg:
            match event:
                case LegProgress(state=WireState.RINGING):
                    self._tell(leg.handoff, leg.number, LegState.RINGING)
                case LegProgress(state=WireState.ANSWERED):
                    # An answered leg on which nobody speaks is a failed leg.
                    leg.off_hook = True
                    confirmation.reschedule(
                        asyncio.get_running_loop().time() + self._limits.confirm_timeout_s
                    )
                    self._tell(leg.handoff, leg.number, LegState.ANSWERED)
                case LegProgress(state=WireState.ACKNOWLEDGED):
                    leg.off_hook = True
                    self._confirm(leg, "acknowledged", confirmation)
                case LegAudio(early=False):
                    pcm = np.frombuffer(event.pcm, np.int16)
                    if not leg.confirmed:
                        person.push(pcm, event.rate)
                    await self._play(pcm, event.rate, leg.leg.bridged)
                case LegEnded(reason=reason):
                    if reason is LegEndReason.TRANSFERRED:
                        self._confirm(leg, reason.value, confirmation)
                    if leg.confirmed:
                        return LegState.ENDED, reason.value
                    return _FAILURES.get(reason, LegState.FAILED), reason.value
                case _:
                    pass
        return LegState.FAILED, LegEndReason.LOST.value

    def _confirm(self, leg: _Leg, reason: str, confirmation: asyncio.Timeout) -> None:
        if not leg.confirmed and not confirmation.expired() and self._leg is leg:
            leg.confirmed = True
            confirmation.reschedule(None)
            self._tell(leg.handoff, leg.number, LegState.CONFIRMED, reason)
