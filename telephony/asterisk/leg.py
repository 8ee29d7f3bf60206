"""An outgoing leg through Asterisk: in the caller's bridge before it is dialled.

So early media and the answer need no further step, and caller and far side go on
hearing each other whatever becomes of us.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import structlog

from telephony.asterisk import causes
from telephony.asterisk.access import LEG
from telephony.asterisk.ari import Ari, AriError, Event
from telephony.asterisk.arrivals import Arrivals, until_stalled
from telephony.asterisk.dispatch import Dispatch
from telephony.asterisk.sound import Ear, join
from telephony.codecs import FRAME_SECONDS, Int16
from telephony.errors import LegError, TelephonyError
from telephony.leg_events import LegAudio, LegEnded, LegEvent, LegEvents, LegKey, LegProgress
from telephony.leg_state import END_REASONS, LegInput, LegState, transition
from telephony.sip.headers import user_to_user_value
from telephony.trunk_address import TrunkAddress

log = structlog.get_logger()

MAX_QUEUED_S = 2.0
"""Audio of a leg kept while nobody takes it."""

DIAL_S = 3.0
"""How long dialling is tried again while Asterisk cannot be reached."""

_SPARE_S = 2
"""How much later Asterisk itself gives a ringing leg up: when we are dead."""


@dataclass(frozen=True, slots=True)
class LegPlace:
    """What a leg belongs to.

    Parameters:
        owner: id of the caller's channel.
        bridge: the caller's bridge.
        caller, did: the caller's number and the one that was dialled.
        rate: Hz of the leg's audio as we hear it.
        emergency: the leg goes to 110.
    """

    owner: str
    bridge: str
    caller: str
    did: str
    rate: int
    emergency: bool


class AsteriskLeg:
    """`telephony.call_control.Leg`.

    Parameters:
        prepare: sets variables on the caller's channel, for whoever takes over from us.
        say: takes the leg's audio for everybody in the caller's bridge.
        ended: told once, when the leg has ended.
    """

    bridged = True

    def __init__(
        self,
        ari: Ari,
        dispatch: Dispatch,
        place: LegPlace,
        address: TrunkAddress,
        *,
        answer_timeout_s: float,
        prepare: Callable[[Mapping[str, str]], Any],
        say: Callable[[AsteriskLeg, Int16], None],
        ended: Callable[[AsteriskLeg], None],
    ) -> None:
        self._ari, self._dispatch, self._place, self._address = ari, dispatch, place, address
        self._answer_timeout_s = answer_timeout_s
        self._prepare, self._say, self._ended = prepare, say, ended
        self.channel = f"{LEG}{secrets.token_hex(4)}-{place.owner}"
        self._state = LegState.IDLE
        self._events = LegEvents(round(MAX_QUEUED_S / FRAME_SECONDS))
        self._ear = Ear(ari, place.owner, self.channel, place.rate)
        self._arrivals = Arrivals()
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def state(self) -> LegState:
        return self._state

    @property
    def off_hook(self) -> bool:
        return self._state in (LegState.ANSWERED, LegState.ACKNOWLEDGED)

    @property
    def _over(self) -> bool:
        return self._state is LegState.ENDED

    async def connect(
        self, start_params: Mapping[str, Any], dossier: Mapping[str, Any] | None = None
    ) -> None:
        """Dials. The dossier does not travel with a SIP call; its number does.

        Errors: LegError `leg_used`, `unreachable`.
        """
        if self._state is not LegState.IDLE:
            raise LegError("leg_used", "A leg is dialled once; make a new one.")
        self._apply(LegInput.DIAL)
        self._dispatch.follow(self.channel, self._on)
        caller = str(start_params.get("caller") or self._place.caller)
        handoff = str(start_params.get("handoff") or "")
        uui = user_to_user_value(handoff) if handoff else ""
        self._deadline = asyncio.get_running_loop().call_later(
            self._answer_timeout_s, self._too_late
        )
        try:
            # Both, whatever becomes of the other: a busy 110 is no less in danger.
            await asyncio.gather(self._mark_danger(uui), self._dial(caller, uui))
        except AriError as error:
            self._apply(LegInput.UNREACHABLE)
            raise LegError("unreachable", error.message) from error
        except BaseException:
            self._apply(LegInput.HANG_UP)
            raise
        if not self._over:
            self._spawn(self._listen())

    def send_audio(self, pcm: Int16, rate: int) -> None:
        """For all in the bridge, at the call's rate: who is left there once the caller is gone."""
        if self.off_hook and rate == self._place.rate:
            self._say(self, pcm)

    def send_dossier(self, dossier: Mapping[str, Any]) -> bool:
        """True: the number in User-to-User stands for whatever the dossier has become."""
        return True

    async def hangup(self) -> None:
        """Ends the leg; harmless when it has ended already."""
        self.give_up()
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        if others:
            await asyncio.wait(others)

    def __aiter__(self) -> AsteriskLeg:
        return self

    async def __anext__(self) -> LegEvent:
        return await anext(self._events)

    def give_up(self) -> None:
        """Ends the leg, like `hangup`, without waiting for it."""
        self._apply(LegInput.HANG_UP)

    def taken_over(self) -> None:
        """Caller and far side go on without us."""
        self._apply(LegInput.TAKEN_OVER)

    def found(self, state: str | None) -> None:
        """What Asterisk says after a time without events: the channel's state, or gone."""
        if state is None:
            self._apply(LegInput.CLOSED)
            self._apply(LegInput.UNREACHABLE)
        elif state == "Up":
            self._apply(LegInput.OPEN)
            self._apply(LegInput.ANSWER)

    async def _dial(self, caller: str, uui: str) -> None:
        address, ari = self._address, self._ari
        await ari.post(
            "channels/create",
            endpoint=f"PJSIP/{address.number}@{address.trunk}",
            app=ari.access.app,
            channelId=self.channel,
            insist_s=DIAL_S,
            body={"variables": _signalled(caller, self._place.did, uui)},
        )
        await join(ari, self._place.bridge, self.channel)
        if self._over:  # hung up meanwhile, before there was a channel
            await ari.delete(f"channels/{self.channel}")
            return
        await ari.post(
            f"channels/{self.channel}/dial",
            insist_s=DIAL_S,
            caller=self._place.owner,
            timeout=str(ceil(self._answer_timeout_s) + _SPARE_S),
        )

    async def _mark_danger(self, uui: str) -> None:
        if not self._place.emergency:
            return
        await self._prepare(
            {"VB_DANGER": "1", "VB_POLICE": self._address.number, "VB_UUI_OUT": uui}
        )

    async def _listen(self) -> None:
        try:
            await self._ear.open()
        except TelephonyError as error:
            log.warning("leg_ear_not_opened", reason=error.code)
            await self._ear.close()
        async for pcm in self._ear.frames():
            early = not self.off_hook
            self._events.put(LegAudio(pcm.tobytes(), self._place.rate, early))

    async def _watch(self) -> None:
        await until_stalled(self._ari, self.channel, self._arrivals)
        log.warning("leg_without_audio")
        self._apply(LegInput.CLOSED)

    def _on(self, event: Event) -> None:
        if event["type"] in ("ChannelHold", "ChannelUnhold"):
            self._arrivals.held = event["type"] == "ChannelHold"
        found = causes.inputs(event, self._state, self._ari.access.acknowledge_key)
        for each in found:
            self._apply(each)
        # The key that acknowledges is used up by that; every other one is the application's.
        if event["type"] == "ChannelDtmfReceived" and not found and self.off_hook:
            self._events.put(LegKey(str(event.get("digit", ""))))

    def _too_late(self) -> None:
        # Nothing at all from the far side is no unanswered telephone.
        self._apply(LegInput.UNREACHABLE)
        self._apply(LegInput.DEADLINE)

    def _apply(self, event: LegInput) -> None:
        before, self._state = self._state, transition(self._state, event)
        if self._state is before:
            return
        if self._state is LegState.ENDED:
            self._end(event, keep=event is LegInput.TAKEN_OVER)
        elif self._state in (LegState.RINGING, LegState.ANSWERED, LegState.ACKNOWLEDGED):
            if self.off_hook and self._deadline is not None:
                self._deadline.cancel()
            if self._state is LegState.ANSWERED:
                self._spawn(self._watch())
            self._events.put(LegProgress(self._state))

    def _end(self, why: LegInput, *, keep: bool) -> None:
        self._dispatch.forget(self.channel)
        if self._deadline is not None:
            self._deadline.cancel()
        for task in self._tasks:
            task.cancel()
        self._events.put(LegEnded(END_REASONS[why]))
        self._spawn(self._tear_down(keep=keep))
        self._ended(self)

    async def _tear_down(self, *, keep: bool) -> None:
        if not keep:
            with contextlib.suppress(AriError):
                await self._ari.delete(f"channels/{self.channel}")
        await self._ear.close()

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name="leg")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _signalled(caller: str, did: str, uui: str) -> dict[str, str]:
    """Variables and functions of a new leg that become headers of its INVITE (R13)."""
    values = {
        # PJSIP takes From and P-Asserted-Identity of an outgoing leg from here.
        "CONNECTEDLINE(num-pres,i)": "allowed",
        "CONNECTEDLINE(num,i)": caller,
        "CALLERID(num)": caller,
    }
    if did:
        # As headers: REDIRECTING() of a channel that was created and not yet dialled is lost.
        values["PJSIP_HEADER(add,Diversion)"] = f"<tel:{did}>;reason=unconditional"
        values["PJSIP_HEADER(add,History-Info)"] = f"<tel:{did}>;index=1"
    if uui:
        values["PJSIP_HEADER(add,User-to-User)"] = uui
    return values
