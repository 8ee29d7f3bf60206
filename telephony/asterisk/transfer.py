"""Blind transfer through Asterisk (REFER): for trunks that demand it.

The caller leaves the bridge for the dialplan, whose `Transfer()` sends the REFER and
waits for its end; ARI's own `redirect` does not tell how it ended. On failure the
dialplan gives the caller back, and the next route is tried:

    [voicebot-refer]
    exten => s,1,Transfer(PJSIP/${VB_REFER_TO})
     same => n,GotoIf($["${TRANSFERSTATUS}" = "SUCCESS"]?done)
     same => n,Stasis(voicebot,referred,${VB_DID})
     same => n,Goto(voicebot-fallback,s,1)
     same => n(done),Hangup()

A REFER cannot be taken back: a leg that is given up leaves the caller where they are until
their own switch has an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from telephony.asterisk.ari import Ari, AriError, Event
from telephony.asterisk.leg import LegPlace
from telephony.asterisk.sound import join
from telephony.codecs import Int16
from telephony.errors import LegError
from telephony.leg_events import LegEnded, LegEvent, LegEvents
from telephony.leg_state import END_REASONS, LegInput, LegState, transition
from telephony.sip.headers import user_to_user_value
from telephony.trunk_address import TrunkAddress

_REFUSALS = {"486": LegInput.BUSY, "600": LegInput.BUSY} | dict.fromkeys(
    ("408", "480", "487"), LegInput.DEADLINE
)


class AsteriskTransfer:
    """`telephony.call_control.Leg`: one REFER of the caller.

    Parameters:
        away: told whether the caller is out of our hands.
    """

    bridged = True
    off_hook = False
    """Whoever answers has the caller; we never have both."""

    def __init__(
        self,
        ari: Ari,
        place: LegPlace,
        address: TrunkAddress,
        *,
        answer_timeout_s: float,
        prepare: Callable[[Mapping[str, str]], Awaitable[None]],
        away: Callable[[AsteriskTransfer | None], None],
        ended: Callable[[AsteriskTransfer], None],
    ) -> None:
        self._ari, self._place, self._address = ari, place, address
        self._answer_timeout_s = answer_timeout_s
        self._prepare, self._away, self._ended = prepare, away, ended
        self.channel = place.owner
        self._state = LegState.IDLE
        self._events = LegEvents(1)
        self._code = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> LegState:
        return self._state

    async def connect(
        self, start_params: Mapping[str, Any], dossier: Mapping[str, Any] | None = None
    ) -> None:
        """Errors: LegError `leg_used`, `unreachable`."""
        if self._state is not LegState.IDLE:
            raise LegError("leg_used", "A leg is dialled once; make a new one.")
        self._apply(LegInput.DIAL)
        handoff = str(start_params.get("handoff") or "")
        variables = {"VB_DID": self._place.did}
        if self._place.emergency:
            variables |= {"VB_DANGER": "1", "VB_POLICE": self._address.number}
        if handoff:
            variables["VB_UUI_OUT"] = user_to_user_value(handoff)
        try:
            variables["VB_REFER_TO"] = await self._target()
            await self._prepare(variables)
            # Events of the channel even while it is in the dialplan.
            await self._ari.post(
                f"applications/{self._ari.access.app}/subscription",
                eventSource=f"channel:{self.channel}",
            )
            self._away(self)
            await self._ari.proceed(self.channel, self._ari.access.refer_context)
        except AriError as error:
            self._away(None)
            self._apply(LegInput.UNREACHABLE)
            raise LegError("unreachable", error.message) from error
        self._apply(LegInput.OPEN)
        self._deadline = asyncio.get_running_loop().call_later(
            self._answer_timeout_s, self._apply, LegInput.DEADLINE
        )

    def send_audio(self, pcm: Int16, rate: int) -> None:
        """Nothing: the caller is not with us."""

    def send_dossier(self, dossier: Mapping[str, Any]) -> bool:
        return True

    async def hangup(self) -> None:
        self._apply(LegInput.HANG_UP)

    def give_up(self) -> None:
        self._apply(LegInput.HANG_UP)

    def taken_over(self) -> None:
        self._apply(LegInput.TAKEN_OVER)

    def found(self, state: str | None) -> None:
        """After a time without events nothing is known until the caller is back or gone."""

    def __aiter__(self) -> AsteriskTransfer:
        return self

    async def __anext__(self) -> LegEvent:
        return await anext(self._events)

    def on(self, event: Event) -> None:
        """An event of the caller's channel, while the caller is away."""
        match event:
            case {"type": "ChannelVarset", "variable": "TRANSFERSTATUSPROTOCOL"}:
                self._code = str(event.get("value", ""))
            case {"type": "ChannelVarset", "variable": "TRANSFERSTATUS", "value": "SUCCESS"}:
                self.taken_over()
            case {"type": "StasisStart"}:
                self._away(None)
                self._spawn(self._back())
            case _:
                pass

    async def _back(self) -> None:
        with contextlib.suppress(AriError):
            await self._ari.delete(
                f"applications/{self._ari.access.app}/subscription",
                eventSource=f"channel:{self.channel}",
            )
        with contextlib.suppress(AriError):
            await join(self._ari, self._place.bridge, self.channel)
        self._apply(_REFUSALS.get(self._code, LegInput.FAR_END))

    async def _target(self) -> str:
        """The number at the trunk's own address. Errors: AriError."""
        aor = await self._ari.get(f"asterisk/config/dynamic/res_pjsip/aor/{self._address.trunk}")
        contact = next(
            (each["value"] for each in aor if each["attribute"] == "contact" and each["value"]), ""
        )
        host = contact.split(",")[0].split(";")[0].rpartition("@")[2].removeprefix("sip:")
        if not host:
            raise AriError("ari_refused", "The trunk has no contact to refer the caller to.")
        return f"sip:{self._address.number}@{host}"

    def _apply(self, event: LegInput) -> None:
        before, self._state = self._state, transition(self._state, event)
        if self._state is not before and self._state is LegState.ENDED:
            if self._deadline is not None:
                self._deadline.cancel()
            self._events.put(LegEnded(END_REASONS[event]))
            self._ended(self)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="transfer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
