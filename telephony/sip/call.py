"""A call that a media process carries, as the application sees it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable

import numpy as np
import structlog

from telephony.call_control import (
    CallEvents,
    CallInfo,
    Capability,
    NotCapable,
    Rejection,
    Trunk,
)
from telephony.codecs import Int16
from telephony.dialing import DutyNumber
from telephony.errors import CallError, TelephonyError
from telephony.leg_state import LegInput
from telephony.sip.leg import SipLeg
from telephony.sip.settings import SipSettings
from telephony.sip.wire import CALLER, Audio, Clear, Control, Message
from telephony.trunk_address import trunk_address

log = structlog.get_logger()

MOST_HEARD = 250
"""Frames of the caller kept while the application is slow, 5 s; the oldest is dropped."""

KEYS = frozenset("0123456789*#")

CODES = {
    Rejection.FULL: 503,
    Rejection.STOPPING: 503,
    Rejection.TOO_MANY: 480,
    Rejection.NOT_OURS: 404,
    Rejection.DUPLICATE: 482,
}


class SipCall:
    """An offered call (`IncomingCall`) and, once answered, its `CallControl`.

    Parameters:
        offer: the media process's report of the INVITE.
        send: takes messages for the media process.
    """

    capabilities = frozenset(
        {
            Capability.LEGS,
            Capability.BLIND_TRANSFER,
            Capability.HOLD,
            Capability.SEND_KEYS,
            Capability.OUTLIVES_US,
        }
    )

    def __init__(
        self, settings: SipSettings, offer: Control, send: Callable[[Message], None]
    ) -> None:
        values = offer.values
        self._settings, self.send = settings, send
        self.index, self.host = offer.call, settings.host
        self.rate, self.did, self.caller = values["rate"], values["did"], values["caller"]
        self.info = CallInfo(
            call_id=f"sip-{uuid.uuid4().hex}",
            caller=self.caller,
            did=self.did,
            rate=self.rate,
            trunk=Trunk.POLICE if values["police"] else Trunk.PUBLIC,
            order=values["order"],
            signalled=values["sip_id"],
        )
        self._events: CallEvents | None = None
        self._legs: dict[int, SipLeg] = {}
        self._answered = asyncio.Event()
        self._gone = asyncio.Event()
        self._closed = asyncio.Event()
        self._heard: deque[Int16] = deque(maxlen=MOST_HEARD)
        self._hears = asyncio.Event()
        self._hearing: asyncio.Task[None] | None = None
        self._released = self._hung_up = False

    async def answer(self) -> SipCall:
        """Goes off-hook. Errors: CallError `gone`."""
        self._tell("answer")
        waits = [asyncio.create_task(each.wait()) for each in (self._answered, self._gone)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._gone.is_set():
            raise CallError("gone", "The caller has hung up before the call was answered.")
        return self

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        """Refuses the call by the response that fits."""
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s > 0 else {}
        self._tell("reject", code=CODES[why], headers=headers)

    async def closed(self) -> None:
        """Waits for the caller's end, then ends what is left of the legs."""
        await self._gone.wait()
        if not self._released:
            self._tell("close")
        await self._closed.wait()

    def listen(self, events: CallEvents) -> None:
        self._events = events
        self._heard.clear()
        if self._gone.is_set():
            events.caller_hung_up()
        elif self._hearing is None:
            self._hearing = asyncio.create_task(self._hear(), name="sip-hear")

    def new_leg(self, number: DutyNumber, *, answer_timeout_s: float) -> SipLeg:
        """Errors: TelephonyError `no_such_trunk`."""
        address = trunk_address(number.url)
        if address is None:
            raise TelephonyError(
                "no_such_trunk",
                f"{number.number} of the duty directory has no trunk address; "
                "write it like trunk:police/110.",
            )
        index = len(self._legs) + 1
        leg = SipLeg(
            self,
            index,
            self._settings.uri(address.trunk, address.number),
            answer_timeout_s=answer_timeout_s,
            refer=address.refer,
        )
        self._legs[index] = leg
        return leg

    async def send_audio(self, pcm: Int16) -> None:
        self.send(Audio(self.index, CALLER, pcm.tobytes()))

    async def send_mark(self, name: str) -> None:
        """Nothing on a SIP line reports marks."""

    async def clear(self) -> None:
        self.send(Clear(self.index, CALLER))

    async def release(self) -> None:
        """We leave; the caller stays with a leg that is up, or goes to the fallback."""
        if self._gone.is_set() or self._released:
            return
        self._released = True
        self._tell("release")
        for leg in self._legs.values():
            # One that still rings goes on ringing, but nobody has taken the caller over.
            leg.apply(LegInput.TAKEN_OVER if leg.off_hook else LegInput.CLOSED)
        self._stop_hearing()
        self._gone.set()
        self._closed.set()

    async def hold(self, on: bool) -> None:
        self._tell("hold", on=on)

    async def send_keys(self, keys: str) -> None:
        """Errors: ValueError for what is not 0-9, * and #."""
        if not keys or not set(keys) <= KEYS:
            raise ValueError("keys are 0-9, * and #")
        self._tell("keys", keys=keys)

    async def call_out(
        self, trunk: str, number: str, did: str, reference: str, *, ring_s: float
    ) -> None:
        raise NotCapable(Capability.CALLS_OUT)

    async def hang_up(self) -> None:
        if not self._released:
            self._hung_up = True
            self._tell("hang_up")

    async def finish(self) -> None:
        """The application has done with the call: nobody is left alone.

        A caller whom it has neither hung up nor released goes to the fallback.
        """
        if self._answered.is_set() and not (self._hung_up or self._gone.is_set()):
            await self.release()
        elif not self._released:
            self._tell("close")

    # From the media process.

    def took(self, message: Control | Audio) -> None:
        """A report about this call, or audio of one of its parties."""
        if isinstance(message, Audio):
            self._take_audio(message)
            return
        leg = self._legs.get(message.leg)
        match message.op:
            case "answered":
                self._answered.set()
            case "key" if message.values["key"] in KEYS:
                if leg is not None:
                    leg.pressed(message.values["key"])
                elif self._events is not None and message.leg == CALLER:
                    self._events.press(message.values["key"])
            case "leg" if leg is not None:
                leg.apply(LegInput(message.values["input"]))
            case "gone":
                self._hang_up_seen()
            case "closed":
                self.lost()
            case _:
                pass

    def lost(self) -> None:
        """Nothing of the call is left, be it that its process has died."""
        for leg in self._legs.values():
            for event in (LegInput.CLOSED, LegInput.UNREACHABLE):
                leg.apply(event)
        self._hang_up_seen()
        self._closed.set()

    def _take_audio(self, audio: Audio) -> None:
        if audio.leg != CALLER:
            if leg := self._legs.get(audio.leg):
                leg.heard(audio.pcm)
        elif self._hearing is not None:
            self._heard.append(np.frombuffer(audio.pcm, np.int16))
            self._hears.set()

    async def _hear(self) -> None:
        while True:
            await self._hears.wait()
            self._hears.clear()
            while self._heard and self._events is not None:
                try:
                    await self._events.hear(self._heard.popleft())
                except Exception:
                    log.exception("call_not_heard", call=self.info.call_id)

    def _hang_up_seen(self) -> None:
        if self._gone.is_set():
            return
        self._gone.set()
        self._stop_hearing()
        if self._events is not None:
            with contextlib.suppress(Exception):
                self._events.caller_hung_up()

    def _stop_hearing(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()

    def _tell(self, op: str, **values: object) -> None:
        self.send(Control(op, self.index, CALLER, values))
