"""A call that Asterisk offers, from its StasisStart to its last trace."""

from __future__ import annotations

import asyncio
import contextlib
import re

import httpx
import structlog

from telephony.asterisk.ari import Ari, AriError, Event
from telephony.asterisk.call import AsteriskCall
from telephony.asterisk.calling_out import ORIGIN as CALLED_OUT
from telephony.asterisk.dispatch import Dispatch
from telephony.asterisk.queue import queue_state
from telephony.call_control import CallInfo, Diversion, QueueState, Rejection, Trunk
from telephony.errors import CallError, TelephonyError
from telephony.sip.headers import user_to_user

log = structlog.get_logger()

ANSWER_S = 5.0
"""How long answering may take until the caller goes to the fallback instead."""

LEFT_S = 2.0
"""How long the end of the application's part of a diverted call may take."""

ASKED_S = 30.0
"""How often Asterisk is asked about a diverted caller of whom no event comes."""

_ENDS = frozenset({"ChannelHangupRequest", "ChannelDestroyed"})
"""Of a caller in the dialplan. A channel that waits for the end of a REFER is destroyed only
when that has come, however long ago they hung up (Asterisk 22.10.1)."""

_NUMBER = re.compile(r"[0-9A-Za-z+*#._()-]{1,64}")

CAUSES = {Rejection.NOT_OURS: "1", Rejection.TOO_MANY: "19"}
"""Q.850 causes of rejections that end the call: SIP 404 and 480.
Every other rejection leaves the caller to the dialplan's fallback."""


class AsteriskOffer:
    """`telephony.call_control.IncomingCall`, once `read` has been awaited.

    Parameters:
        start: the StasisStart, whose arguments are `caller`, `police` or `waited` (who comes
            back from a queue), and the DID; those of a call that we made are `calling_out`'s.
    """

    info: CallInfo

    def __init__(self, ari: Ari, dispatch: Dispatch, start: Event) -> None:
        self._ari, self._dispatch, self._start = ari, dispatch, start
        self.channel = str(start["channel"]["id"])
        self.call: AsteriskCall | None = None
        """The call, once it is answered."""
        self._gone = asyncio.Event()
        self._closing = asyncio.Lock()
        self._diverted = self._returned = False
        self._left, self._met = asyncio.Event(), asyncio.Event()
        dispatch.follow(self.channel, self._on)

    @property
    def owned(self) -> bool:
        """The caller is in our care."""
        return not (self._gone.is_set() or self._diverted)

    @property
    def released(self) -> bool:
        """The application has left the caller to those they are talking to."""
        return self.call is not None and self.call.released

    @property
    def away(self) -> bool:
        """The caller is in the dialplan for us: a REFER is under way, or a queue has them."""
        return self._diverted or (self.call is not None and self.call.transfer is not None)

    async def read(self) -> None:
        """Asks Asterisk for what the event does not tell. Errors: AriError."""
        native, uui = await asyncio.gather(
            self._ari.variable(self.channel, "CHANNEL(audionativeformat)"),
            self._ari.variable(self.channel, "VB_UUI"),
        )
        origin, did, called, number = [*map(str, self._start["args"]), *4 * [""]][:4]
        ours = origin == CALLED_OUT
        # A channel that we made bears our own number.
        signalled = (
            number if ours else str(self._start["channel"].get("caller", {}).get("number", ""))
        )
        self.info = CallInfo(
            call_id=self.channel,
            caller=caller_number(signalled),
            did=caller_number(did),
            rate=wire_rate(native),
            trunk=Trunk.POLICE if origin == "police" else Trunk.PUBLIC,
            order=user_to_user(uui),
            called=called if ours else "",
            waited=origin == "waited",
        )

    async def answer(self) -> AsteriskCall:
        """Errors: CallError `gone`; `no_media`, `timeout` …: the caller is in the fallback."""
        if self._gone.is_set():
            raise CallError("gone", "The caller has hung up.")
        call = self.call = AsteriskCall(
            self._ari, self._dispatch, self.info, self.channel, self._gone
        )
        code = "timeout"
        try:
            async with asyncio.timeout(ANSWER_S):
                await call.open()
                return call
        except TimeoutError:
            pass
        except TelephonyError as error:
            code = error.code
        if self._gone.is_set():
            raise CallError("gone", "The caller has hung up.")
        await self._fall_back(code)
        raise CallError(code, "The call could not be answered; the caller is in the fallback.")

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        cause = CAUSES.get(why)
        if cause is None:
            await self._fall_back(why.value)
            return
        with contextlib.suppress(AriError):
            await self._ari.delete(f"channels/{self.channel}", reason_code=cause)
        self._gone.set()

    async def queue_state(self, queue: str, trunk: str) -> QueueState | None:
        try:
            return await queue_state(self._ari, self.channel, queue, trunk)
        except AriError as error:
            log.warning("queue_not_read", reason=error.code)
            return None

    async def divert(self, queue: str, region: str, *, call_back: bool) -> None:
        self._diverted = True
        variables = {
            "VB_QUEUE": queue,
            "VB_REGION": region,
            "VB_CALL_BACK": str(int(call_back)),
            "VB_RETURN": self.info.did,
        }
        try:
            await self._ari.set_variables(self.channel, variables)
            await self._ari.proceed(self.channel, self._ari.access.fallback_context)
        except AriError as error:
            self._diverted = False
            if not error.gone:
                log.error("caller_not_diverted", reason=error.code)
                await self._fall_back("not_diverted")
            self.lost()
            return
        await self._follow_on()

    async def _follow_on(self) -> None:
        """Events of a channel that has left the application: it subscribes to them.

        Before, the subscription would be the one that ends with the application's part of the
        call (Asterisk 22.10.1). Without one Asterisk is asked (`diverted_to`, `closed`).
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEFT_S):
                await self._left.wait()
        try:
            await self._ari.post(
                f"applications/{self._ari.access.app}/subscription",
                eventSource=f"channel:{self.channel}",
            )
        except AriError as error:
            if error.status == httpx.codes.UNPROCESSABLE_ENTITY:
                self.lost()  # there is no such channel any more
            else:
                log.warning("caller_not_followed", reason=error.code)
            return
        with contextlib.suppress(AriError):  # a seat that was quicker than the subscription
            listed = await self._ari.get("bridges")
            if any(self.channel in each["channels"] for each in listed):
                self._met.set()

    async def diverted_to(self) -> Diversion:
        """Without events, as after a lost connection, Asterisk is asked now and then."""
        while self._diverted and not (self._met.is_set() or self._gone.is_set()):
            waits = [asyncio.create_task(each.wait()) for each in (self._met, self._gone)]
            done, pending = await asyncio.wait(
                waits, timeout=ASKED_S, return_when=asyncio.FIRST_COMPLETED
            )
            for wait in pending:
                wait.cancel()
            if not done:
                await self._look()
        if self._met.is_set():
            return Diversion.MET
        return Diversion.RETURNED if self._returned else Diversion.GONE

    async def closed(self) -> None:
        while self._diverted and not self._gone.is_set():
            try:
                async with asyncio.timeout(ASKED_S):
                    await self._gone.wait()
            except TimeoutError:
                await self._look()
        await self._gone.wait()
        async with self._closing:
            if self.call is not None:
                await self.call.close()
        self._dispatch.forget(self.channel, self._on)

    async def finish(self) -> None:
        """The application is done with the call: nobody is left alone. Never raises.

        A caller who was neither hung up nor released goes to the fallback.
        """
        if self.owned:
            await self._fall_back("abandoned")
        if self._diverted:
            self._gone.set()  # a queue has them
        await self.closed()

    def lost(self) -> None:
        """The caller's channel is not in our application any more, or is no more."""
        if not self._gone.is_set():
            self._gone.set()
            if self.call is not None:
                self.call.caller_gone()

    def taken_away(self) -> None:
        """Another instance of ours has the caller now."""
        self._gone.set()
        if self.call is not None:
            self.call.taken_away()

    @property
    def gone_from_us(self) -> bool:
        """The dialplan has had the caller: if he is in our application again, nobody has him."""
        return self._diverted and self._left.is_set()

    async def _look(self) -> None:
        """Whether a diverted caller is still there."""
        try:
            await self._ari.get(f"channels/{self.channel}")
        except AriError as error:
            if error.gone:
                self._gone.set()

    async def _fall_back(self, why: str) -> None:
        """The dialplan keeps the caller connected. Never raises."""
        log.warning("caller_to_fallback", reason=why)
        try:
            with contextlib.suppress(AriError):
                await self._ari.set_variables(self.channel, {"VB_REJECT": why})
            await self._ari.proceed(self.channel, self._ari.access.fallback_context)
        except AriError as error:
            if not error.gone:
                log.error("caller_not_in_fallback", reason=error.code)
        self.lost()

    def _on(self, event: Event) -> None:
        transfer = self.call.transfer if self.call is not None else None
        if transfer is not None and event["type"] not in _ENDS:
            transfer.on(event)
            return
        match event["type"]:
            case "ChannelHangupRequest" if transfer is not None:
                self.lost()
            case "StasisEnd" if self._diverted:
                self._left.set()
            case "StasisStart" if self._diverted:
                self._returned = True
                self._gone.set()
            case "Dial" if self._diverted and event.get("dialstatus") == "ANSWER":
                self._met.set()  # of app_queue's own bridge a channel's events say nothing
            case "StasisEnd" | "ChannelDestroyed":
                self.lost()
            case "ChannelDtmfReceived" if self.call is not None:
                self.call.pressed(str(event.get("digit", "")))
            case _:
                pass


def caller_number(signalled: str) -> str:
    """The number, as it was signalled; "" for one that is withheld.

    It goes into headers, records and screens, and a stranger wrote it: it ends where
    something comes that no number or name of a user has.
    """
    found = _NUMBER.match(signalled)
    number = found[0] if found else ""
    return "" if number.lower() in ("anonymous", "unavailable", "restricted") else number


def wire_rate(native: str) -> int:
    """Hz of our audio for a channel whose own formats are `native`, such as "(alaw)"."""
    formats = native.strip("()").split("|")
    return 8000 if set(formats) <= {"alaw", "ulaw", "g729", "gsm", "slin", ""} else 16000
