"""A telephone endpoint in memory, for tests of the application: no PBX, no sockets.

It keeps `telephony.call_control` to the letter; one contract test holds it and the real
endpoints to the same assertions (tests/telephony/test_call_control_contract.py).
What desks do is in `telephony.scripted_desk`.

    line = ScriptedLine(CallInfo("c-1", "13800138000", "12345"))
    line.desks["110"] = (Ring(), Wait(0.5), Answer(), Say(pcm))
    await service.take(line)              # meanwhile: line.say(pcm), line.press("1"), …
"""

from __future__ import annotations

import asyncio

import numpy as np

from telephony.call_control import (
    CallEvents,
    CallInfo,
    Capability,
    Diversion,
    NotCapable,
    QueueState,
    Rejection,
)
from telephony.codecs import FRAME_SECONDS, Int16
from telephony.dialing import DutyNumber
from telephony.errors import CallError, TelephonyError
from telephony.leg_state import LegInput
from telephony.scripted_desk import Ring, ScriptedLeg, Step
from telephony.trunk_address import trunk_address


class ScriptedLine:
    """A call: `IncomingCall` and `CallControl` for the application, the caller for the test.

    Parameters:
        capabilities: what the endpoint that is stood in for can do.
        trunks: trunks that it may dial.
        bridged: it joins legs to the caller itself; else the application does.
    """

    def __init__(
        self,
        info: CallInfo,
        *,
        capabilities: frozenset[Capability] = frozenset(
            {Capability.LEGS, Capability.HOLD, Capability.SEND_KEYS, Capability.OUTLIVES_US}
        ),
        trunks: tuple[str, ...] = ("police", "seats"),
        bridged: bool = True,
    ) -> None:
        self.info, self.rate, self.capabilities = info, info.rate, capabilities
        self._trunks, self._bridged = trunks, bridged
        self.desks: dict[str, tuple[Step, ...]] = {}
        """What the desk of each duty number does; it rings for ever where none is given."""
        self.legs: list[ScriptedLeg] = []
        self.played: list[Int16] = []
        """What the caller was sent, frame by frame."""
        self.marks: list[str] = []
        self.cleared = 0
        self.keys = ""
        """What was sent to the caller as DTMF."""
        self.held = False
        self.answered = False
        self.rejected: Rejection | None = None
        self.retry_after_s = 0
        self.hang_ups = 0
        """How often the application hung up."""
        self.released = False
        self.calls_out: list[tuple[str, str, str, str]] = []
        """Calls that it was asked to make: trunk, number, DID, reference."""
        self.ends_of_calls_out: list[str] = []
        """How the next of them end; one for which there is none is answered."""
        self.queues: dict[str, QueueState] = {}
        """Queues of people, as they are now."""
        self.diverted: tuple[str, str, bool] | None = None
        """Queue, region, and whether a call-back was offered, once people have the caller."""
        self._met = asyncio.Event()
        self.returned = False
        """The queue gave the caller back."""
        self._events: CallEvents | None = None
        self._gone = asyncio.Event()
        self._told = False

    # The caller.

    async def say(self, pcm: Int16) -> None:
        """The caller speaks, at the speed of speech."""
        frame = round(self.rate * FRAME_SECONDS)
        for at in range(0, len(pcm), frame):
            if self._events is not None and not self._gone.is_set():
                await self._events.hear(pcm[at : at + frame])
            await asyncio.sleep(FRAME_SECONDS)

    def press(self, keys: str) -> None:
        for key in keys:
            if self._events is not None and not self._gone.is_set():
                self._events.press(key)

    def caller_hangs_up(self) -> None:
        self._end()

    def nobody_answers(self) -> None:
        """The queue gives the caller back: this offer is over, and there is a new one."""
        self.returned = True
        self._end()

    def person_answers(self) -> None:
        """Somebody takes the diverted caller out of the queue."""
        self._met.set()

    def heard(self) -> Int16:
        """Everything that the caller was played."""
        return np.concatenate(self.played) if self.played else np.zeros(0, np.int16)

    # The application.

    async def answer(self) -> ScriptedLine:
        if self._gone.is_set():
            raise CallError("gone", "The caller has hung up.")
        self.answered = True
        return self

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        self.rejected, self.retry_after_s = why, retry_after_s
        self._gone.set()

    async def queue_state(self, queue: str, trunk: str) -> QueueState | None:
        return self.queues.get(queue)

    async def divert(self, queue: str, region: str, *, call_back: bool) -> None:
        self.diverted = queue, region, call_back

    async def diverted_to(self) -> Diversion:
        waits = [asyncio.create_task(each.wait()) for each in (self._met, self._gone)]
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        if self._met.is_set():
            return Diversion.MET
        return Diversion.RETURNED if self.returned else Diversion.GONE

    async def closed(self) -> None:
        await self._gone.wait()
        for leg in self.legs:
            await leg.hangup()

    def listen(self, events: CallEvents) -> None:
        self._events = events
        self._tell_end()

    async def send_audio(self, pcm: Int16) -> None:
        if not self._gone.is_set():
            self.played.append(pcm)

    async def send_mark(self, name: str) -> None:
        self.marks.append(name)

    async def clear(self) -> None:
        self.cleared += 1

    async def hang_up(self) -> None:
        self.hang_ups += 1
        self._end()

    def new_leg(self, number: DutyNumber, *, answer_timeout_s: float) -> ScriptedLeg:
        self._need(Capability.LEGS)
        address = trunk_address(number.url)
        if address is None or address.trunk not in self._trunks:
            raise TelephonyError("no_such_trunk", "The number's line is on no trunk.")
        if address.refer:
            self._need(Capability.BLIND_TRANSFER)
        leg = ScriptedLeg(
            number,
            self.desks.get(number.number, (Ring(),)),
            self.rate,
            answer_timeout_s=answer_timeout_s,
            bridged=self._bridged,
        )
        self.legs.append(leg)
        return leg

    async def release(self) -> None:
        self._need(Capability.OUTLIVES_US)
        self.released = True
        for leg in self.legs:
            if leg.off_hook:
                leg.apply(LegInput.TAKEN_OVER)
        self._gone.set()

    async def hold(self, on: bool) -> None:
        self._need(Capability.HOLD)
        self.held = on

    async def send_keys(self, keys: str) -> None:
        self._need(Capability.SEND_KEYS)
        if not keys or not set(keys) <= set("0123456789*#"):
            raise ValueError("keys are 0-9, * and #")
        self.keys += keys

    async def call_out(
        self, trunk: str, number: str, did: str, reference: str, *, ring_s: float
    ) -> None:
        """The test itself offers the call that was answered."""
        self._need(Capability.CALLS_OUT)
        self.calls_out.append((trunk, number, did, reference))
        if self.ends_of_calls_out:
            raise CallError(self.ends_of_calls_out.pop(0), "The number was not reached.")

    def _need(self, capability: Capability) -> None:
        if capability not in self.capabilities:
            raise NotCapable(capability)

    def _end(self) -> None:
        self._gone.set()
        for leg in self.legs:
            if not leg.off_hook:
                leg.apply(LegInput.HANG_UP)
        self._tell_end()

    def _tell_end(self) -> None:
        over = self._gone.is_set() and not self.released
        if self._events is not None and over and not self._told:
            self._told = True
            self._events.caller_hung_up()
