"""Drives the legs of a hand-off and joins their audio to the caller's.

It dials what it is told and reports what happened; which route comes next, and
what the caller hears, is decided in `flows.dialogue`. A leg has succeeded when a
person spoke on it or the desk acknowledged, never because it was answered
(DESIGN.md, Hand-off).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flows.actions import Route
from flows.events import LegState, TransferProgress
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.errors import LegError, TelephonyError
from telephony.leg import LegAudio, LegEnded, LegProgress, WebSocketLeg
from telephony.leg_state import LegEndReason
from telephony.leg_state import LegState as WireState
from telephony.resampling import StreamResampler
from voicebot.call.line import Int16

PERSON_S = 0.4
"""Voice heard on the far side before it counts as a person."""

_FAILURES = {
    LegEndReason.BUSY: LegState.BUSY,
    LegEndReason.NO_ANSWER: LegState.NO_ANSWER,
}

Probabilities = Callable[[Int16], Awaitable[list[tuple[float, int]]]]


@dataclass(frozen=True, slots=True)
class HandoffLimits:
    """Seconds; settings of section [handoff]."""

    answer_timeout_s: float = 12.0
    confirm_timeout_s: float = 8.0


@dataclass(slots=True)
class _Leg:
    handoff: str
    number: str
    leg: WebSocketLeg
    task: asyncio.Task[None] | None = None
    answered_at: float | None = None
    off_hook: asyncio.Event = field(default_factory=asyncio.Event)
    confirmed: bool = False
    voice_s: float = 0.0


class HandoffDriver:
    """One call's outgoing legs, at most one at a time.

    Parameters:
        directory: the numbers that may be dialled; nothing else ever is.
        report: takes the progress events.
        play: plays the far side's audio (PCM16, rate) to the caller.
        voice: makes a voice detector for 16 kHz audio.
    """

    def __init__(
        self,
        directory: DutyDirectory,
        token: str | None,
        report: Callable[[TransferProgress], None],
        play: Callable[[Int16, int], Awaitable[None]],
        voice: Callable[[], Awaitable[Probabilities]],
        now: Callable[[], float],
        limits: HandoffLimits,
    ) -> None:
        self._directory, self._token = directory, token
        self._report, self._play, self._voice = report, play, voice
        self._now, self._limits = now, limits
        self._leg: _Leg | None = None
        self._dossier: Mapping[str, Any] | None = None

    @property
    def bridged(self) -> bool:
        """The far side is off-hook: caller and desk hear each other."""
        return self._leg is not None and self._leg.answered_at is not None

    def dial(self, handoff: str, route: Route, start: Mapping[str, Any]) -> None:
        """Originate a route; a leg that is still up for this hand-off is given up."""
        previous, self._leg = self._leg, None
        try:
            number = self._directory.resolve(route.destination)
        except TelephonyError as error:
            self._tell(handoff, route.destination, LegState.FAILED, error.code)
            return
        leg = _Leg(
            handoff,
            number.number,
            WebSocketLeg(answer_timeout_s=self._limits.answer_timeout_s),
        )
        self._leg = leg
        leg.task = asyncio.create_task(self._run(leg, number, start, previous))

    def send_caller_audio(self, pcm: Int16, rate: int) -> None:
        """The caller's audio, heard by the desk from the moment it is off-hook."""
        if self._leg is not None and self.bridged:
            self._leg.leg.send_audio(pcm, rate)

    def send_dossier(self, dossier: Mapping[str, Any]) -> None:
        """The dossier's newest state; also given to every leg dialled later."""
        self._dossier = dossier
        if self._leg is not None:
            with contextlib.suppress(TelephonyError):
                self._leg.leg.send_dossier(dossier)

    async def close(self) -> None:
        leg, self._leg = self._leg, None
        if leg is not None:
            await self._end(leg)

    def _tell(self, handoff: str, number: str, state: LegState, reason: str = "") -> None:
        self._report(TransferProgress(self._now(), handoff, number, state, reason))

    async def _end(self, leg: _Leg) -> None:
        if leg.task is not None:
            leg.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leg.task
        await leg.leg.hangup()

    async def _run(
        self,
        leg: _Leg,
        number: DutyNumber,
        start: Mapping[str, Any],
        previous: _Leg | None,
    ) -> None:
        self._tell(leg.handoff, leg.number, LegState.REQUESTED)
        if previous is not None:
            await self._end(previous)
        try:
            await leg.leg.connect(
                number.url, self._token, {**start, "number": number.number}, self._dossier
            )
        except LegError as error:
            self._tell(leg.handoff, leg.number, LegState.FAILED, error.code)
            return
        voice = await self._voice()
        to_16k: StreamResampler | None = None
        watch = asyncio.create_task(self._watch_confirmation(leg))
        try:
            async for event in leg.leg:
                match event:
                    case LegProgress(state=WireState.RINGING):
                        self._tell(leg.handoff, leg.number, LegState.RINGING)
                    case LegProgress(state=WireState.ANSWERED):
                        leg.answered_at = self._now()
                        leg.off_hook.set()
                        self._tell(leg.handoff, leg.number, LegState.ANSWERED)
                    case LegProgress(state=WireState.ACKNOWLEDGED):
                        leg.answered_at = leg.answered_at or self._now()
                        leg.off_hook.set()
                        self._confirm(leg, "acknowledged")
                    case LegAudio(early=False):
                        pcm = np.frombuffer(event.pcm, np.int16)
                        await self._play(pcm, event.rate)
                        if not leg.confirmed:
                            to_16k = to_16k or StreamResampler(event.rate, 16_000)
                            await self._listen_for_person(leg, voice, to_16k.push(pcm))
                    case LegEnded():
                        self._ended(leg, event.reason)
                        return
                    case _:
                        pass
        finally:
            watch.cancel()

    async def _listen_for_person(self, leg: _Leg, voice: Probabilities, pcm: Int16) -> None:
        for probability, samples in await voice(pcm):
            if probability >= 0.6:
                leg.voice_s += samples / 16_000
        if leg.voice_s >= PERSON_S:
            self._confirm(leg, "person_spoke")

    def _confirm(self, leg: _Leg, reason: str) -> None:
        if not leg.confirmed:
            leg.confirmed = True
            self._tell(leg.handoff, leg.number, LegState.CONFIRMED, reason)

    def _ended(self, leg: _Leg, reason: LegEndReason) -> None:
        if self._leg is leg:
            self._leg = None
        state = LegState.ENDED if leg.confirmed else _FAILURES.get(reason, LegState.FAILED)
        self._tell(leg.handoff, leg.number, state, reason.value)

    async def _watch_confirmation(self, leg: _Leg) -> None:
        """An answered leg on which nobody speaks is a failed leg."""
        await leg.off_hook.wait()
        await asyncio.sleep(self._limits.confirm_timeout_s)
        if not leg.confirmed and self._leg is leg:
            self._leg = None
            self._tell(leg.handoff, leg.number, LegState.NO_ANSWER, "nobody_spoke")
            if leg.task is not None:
                leg.task.cancel()
            await asyncio.shield(leg.leg.hangup())
