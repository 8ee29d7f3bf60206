"""One call through Asterisk: the caller in a bridge of its own, with the bot's voice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import structlog

from telephony.asterisk.access import BRIDGE
from telephony.asterisk.ari import Ari, AriError
from telephony.asterisk.calling_out import call_out
from telephony.asterisk.dispatch import Dispatch
from telephony.asterisk.leg import AsteriskLeg, LegPlace
from telephony.asterisk.sound import Ear, Voice, join, make_bridge
from telephony.asterisk.transfer import AsteriskTransfer
from telephony.call_control import CallEvents, CallInfo, Capability, NotCapable
from telephony.codecs import Int16
from telephony.dialing import DutyNumber
from telephony.errors import TelephonyError
from telephony.trunk_address import trunk_address

log = structlog.get_logger()

_KEYS = frozenset("0123456789*#")
_Leg = AsteriskLeg | AsteriskTransfer
_ALWAYS = frozenset(
    {
        Capability.LEGS,
        Capability.HOLD,
        Capability.SEND_KEYS,
        Capability.OUTLIVES_US,
        Capability.CALLS_OUT,
    }
)


class AsteriskCall:
    """`telephony.call_control.CallControl`. Made by `AsteriskOffer.answer`.

    Parameters:
        gone: set when the caller is no longer ours: hung up, or released.
    """

    def __init__(
        self, ari: Ari, dispatch: Dispatch, info: CallInfo, channel: str, gone: asyncio.Event
    ) -> None:
        self._ari, self._dispatch, self._info, self._channel = ari, dispatch, info, channel
        self.rate = info.rate
        self.capabilities = _ALWAYS | (
            {Capability.BLIND_TRANSFER} if ari.access.refer_context else frozenset()
        )
        self._bridge = BRIDGE + channel
        self._voice = Voice(ari, channel, self._bridge, info.rate)
        self._ear = Ear(ari, channel, channel, info.rate)
        self._hearing: asyncio.Task[None] | None = None
        self._events: CallEvents | None = None
        self._told = False
        self.legs: set[_Leg] = set()
        self.transfer: AsteriskTransfer | None = None
        """The REFER that the caller is out of our hands for."""
        self._speaking: AsteriskLeg | None = None
        """The leg whose audio goes into the bridge."""
        self._gone = gone
        self._held = False
        self.released = False

    async def open(self) -> None:
        """Answers the caller and joins our audio. Errors: TelephonyError."""
        await make_bridge(self._ari, self._bridge)
        await self._ari.post(f"bridges/{self._bridge}/addChannel", channel=self._channel)
        await self._voice.open()
        await self._ear.open()
        await self._ari.post(f"channels/{self._channel}/answer")
        self._hearing = asyncio.create_task(self._hear(), name="ear")

    async def close(self) -> None:
        """Nothing of ours is left; what was released stays as it is. Never raises."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait({self._hearing})
        for leg in list(self.legs):
            await leg.hangup()
        await self._voice.close()
        await self._ear.close()
        if not self.released:
            with contextlib.suppress(AriError):
                await self._ari.delete(f"bridges/{self._bridge}")

    def listen(self, events: CallEvents) -> None:
        self._events = events
        self._tell_end()

    async def send_audio(self, pcm: Int16) -> None:
        self._voice.send(pcm)

    async def send_mark(self, name: str) -> None:
        """Nothing: a flush would swallow Asterisk's marks; the application counts time."""

    async def clear(self) -> None:
        self._voice.flush()

    async def hang_up(self) -> None:
        """Ends the call; harmless when it is over already. Never raises."""
        if self._gone.is_set():
            return
        try:
            await self._ari.delete(f"channels/{self._channel}")
        except AriError as error:
            log.warning("caller_not_hung_up", reason=error.code)
        self.caller_gone()

    def new_leg(
        self, number: DutyNumber, *, answer_timeout_s: float
    ) -> AsteriskLeg | AsteriskTransfer:
        address = trunk_address(number.url)
        if address is None or address.trunk not in self._ari.access.trunks:
            raise TelephonyError(
                "no_such_trunk",
                "The number's line is on no trunk of the Asterisk settings; "
                "add the trunk there, or correct the duty directory.",
            )
        if address.refer and Capability.BLIND_TRANSFER not in self.capabilities:
            raise NotCapable(Capability.BLIND_TRANSFER)
        place = LegPlace(
            owner=self._channel,
            bridge=self._bridge,
            caller=self._info.caller,
            did=self._info.did,
            rate=self.rate,
            emergency=number.kind == "110",
        )
        leg: _Leg
        if address.refer:
            leg = AsteriskTransfer(
                self._ari,
                place,
                address,
                answer_timeout_s=answer_timeout_s,
                prepare=self._set_variables,
                away=self._away,
                ended=self.legs.discard,
            )
        else:
            leg = AsteriskLeg(
                self._ari,
                self._dispatch,
                place,
                address,
                answer_timeout_s=answer_timeout_s,
                prepare=self._set_variables,
                say=self._say_from,
                ended=self.legs.discard,
            )
        self.legs.add(leg)
        return leg

    async def hold(self, on: bool) -> None:
        """Out of the bridge and to the music, or back; not to where neither is.

        Errors: AriError.
        """
        if not on:
            try:
                await self._ari.delete(f"channels/{self._channel}/moh")
            finally:
                await join(self._ari, self._bridge, self._channel)
            self._held = False
            return
        self._held = True
        try:
            await self._ari.post(f"bridges/{self._bridge}/removeChannel", channel=self._channel)
            await self._ari.post(f"channels/{self._channel}/moh")
        except BaseException:  # given up half-way, too
            await self.hold(False)
            raise

    async def send_keys(self, keys: str) -> None:
        """Errors: AriError; ValueError for what is not 0–9, * and #."""
        if not keys or not set(keys) <= _KEYS:
            raise ValueError("keys are 0-9, * and #")
        await self._ari.post(f"channels/{self._channel}/dtmf", dtmf=keys)

    async def call_out(
        self, trunk: str, number: str, did: str, reference: str, *, ring_s: float
    ) -> None:
        await call_out(self._ari, self._dispatch, trunk, number, did, reference, ring_s=ring_s)

    async def release(self) -> None:
        """We leave; the caller stays with the legs that are off-hook, or goes to the fallback.

        Later, when nobody is left to talk to, they go to the fallback too (`caretaking`).

        Errors: AriError; the call is then as it was.
        """
        if self._held:
            with contextlib.suppress(AriError):
                await self.hold(False)
        together = [leg for leg in self.legs if leg.off_hook]
        if not together:
            await self._ari.proceed(self._channel, self._ari.access.fallback_context)
        self.released = True
        for leg in together:
            leg.taken_over()
        self._gone.set()

    def taken_away(self) -> None:
        """Somebody else controls the call: caller and legs that are off-hook stay together."""
        if not self.released:
            for leg in list(self.legs):
                if leg.off_hook:
                    leg.taken_over()
            self.caller_gone()
            self.released = True

    def pressed(self, key: str) -> None:
        """The caller pressed a key."""
        if self._events is not None and key in _KEYS:
            self._events.press(key)

    def caller_gone(self) -> None:
        """The caller has hung up, or somebody else has them: legs that ring are given up.

        Those that are off-hook stay until the application ends them or the call: it may
        have something to say to them.
        """
        self._gone.set()
        for leg in list(self.legs):
            if not leg.off_hook:
                leg.give_up()
        self._tell_end()

    def _tell_end(self) -> None:
        over = self._gone.is_set() and not self.released
        if self._events is not None and over and not self._told:
            self._told = True
            self._events.caller_hung_up()

    async def _hear(self) -> None:
        failing = False
        async for pcm in self._ear.frames():
            if self._events is None:
                continue
            try:
                await self._events.hear(pcm)
                failing = False
            except Exception:
                if not failing:  # once, not fifty times a second
                    log.exception("audio_not_heard")
                failing = True

    def _say_from(self, leg: AsteriskLeg, pcm: Int16) -> None:
        """Of legs that are told the same at once only one speaks: all in the bridge hear it."""
        if self._speaking is None or not self._speaking.off_hook:
            self._speaking = leg
        if self._speaking is leg:
            self._voice.send(pcm)

    def _away(self, transfer: AsteriskTransfer | None) -> None:
        self.transfer = transfer

    async def _set_variables(self, values: Mapping[str, str]) -> None:
        try:
            await self._ari.set_variables(self._channel, values)
        except AriError as error:
            log.error("fallback_not_prepared", reason=error.code)
