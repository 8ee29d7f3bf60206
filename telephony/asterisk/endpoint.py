"""Asterisk as an endpoint: offers its calls to the application, for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import uuid4

import structlog

from telephony.asterisk.access import ACTIVE, HEARTBEAT, AsteriskAccess
from telephony.asterisk.ari import Ari, AriError, AriEvents, Event
from telephony.asterisk.caretaking import Caretaker, channels
from telephony.asterisk.dispatch import Dispatch, channel_of
from telephony.asterisk.offer import AsteriskOffer
from telephony.call_control import IncomingCall
from telephony.errors import TelephonyError

log = structlog.get_logger()

HEARTBEAT_S = 0.25
"""How often we say that we live."""

UNHEARD_S = 1.0
"""And how often we try while no watchdog is there to hear it."""

SWEEP_S = 0.5
"""How often callers without an owner are looked at, while there are any."""
IDLE_SWEEP_S = 10.0
SETTLE_S = 0.25

ACTIVE_S = 1.0
"""How often the instance with the application says so, and one that stands by looks."""

UNSAID_S = 4.0
"""An instance that has not said so for that long does not have it any more. It may have left
calls or empty bridges, for which Asterisk goes on listing the application."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


class AsteriskEndpoint:
    """Parameters:
    access: the Asterisk.
    take: has a call from its offer to its last record; awaited in a task of its own.
    """

    def __init__(
        self, access: AsteriskAccess, take: Callable[[IncomingCall], Awaitable[None]]
    ) -> None:
        self._access, self._take = access, take
        self._dispatch = Dispatch()
        self._offers: dict[str, AsteriskOffer] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()
        self.connected = asyncio.Event()
        """Asterisk's events are coming in."""

    @property
    def offered(self) -> int:
        """Calls that are not done with."""
        return len(self._offers)

    async def run(self) -> None:
        """Until cancelled; the application's work on running calls is then cancelled too.

        What it neither hangs up nor releases goes to the fallback.
        """
        ari = Ari(self._access)
        pause = _FIRST_PAUSE_S
        try:
            while True:
                try:
                    # Said before there is an application: no caller comes to us while the
                    # watchdog still believes us dead.
                    with contextlib.suppress(AriError):
                        await self._say_alive(ari)
                    async with ari.events(self._access.app) as events:
                        pause = _FIRST_PAUSE_S
                        replaced = await self._connected(ari, events)
                    if replaced:
                        await self._stand_by(ari)
                        continue
                    log.warning("asterisk_lost")
                except AriError as error:
                    log.warning("asterisk_not_reached", reason=error.code)
                finally:
                    self.connected.clear()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)
            await ari.aclose()

    async def _connected(self, ari: Ari, events: AriEvents) -> bool:
        """One connection, from its first event to its last.

        True: another instance has the application now, and with it the events of our calls.
        """
        self.connected.set()
        log.info("asterisk_connected")
        beside = [
            asyncio.create_task(self._beat(ari), name="heartbeat"),
            asyncio.create_task(self._say_active(ari), name="active"),
            asyncio.create_task(self._tidy(ari), name="tidy"),
        ]
        try:
            async for event in events:
                if event["type"] == "ApplicationReplaced":
                    return True
                self._on(ari, event)
            return False
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _stand_by(self, ari: Ari) -> None:
        """The newest instance has the calls; of two that both want them nobody would.

        It looks after our callers as after everybody's it does not know: who is with 110 or
        a seat stays there, and the others go to the fallback. And we must not say any more
        that we live: the watchdog would not know when the other one is dead.
        """
        log.error("application_taken", app=self._access.app, calls=len(self._offers))
        self.connected.clear()
        for offer in list(self._offers.values()):
            offer.taken_away()
        said, unsaid_s = None, 0.0
        while unsaid_s < UNSAID_S:
            await asyncio.sleep(ACTIVE_S)
            try:
                await ari.get(f"applications/{self._access.app}")
                answer = await ari.get("asterisk/variable", variable=self._active)
            except AriError as error:
                if error.gone:
                    return
                continue
            unsaid_s = unsaid_s + ACTIVE_S if answer["value"] == said else 0.0
            said = answer["value"]
        log.warning("application_abandoned", app=self._access.app)

    def _on(self, ari: Ari, event: Event) -> None:
        try:
            # Channels that we made ourselves come without arguments, and callers who were
            # referred in vain come back.
            if (
                event["type"] == "StasisStart"
                and event["args"]
                and not self._cared_for(channel_of(event))
            ):
                self._dispatch.give(event)  # of a call that we made: it is answered
                offer = AsteriskOffer(ari, self._dispatch, event)
                self._offers[offer.channel] = offer
                self._spawn(self._serve(offer))
            else:
                self._dispatch.give(event)
        except Exception:
            log.exception("event_not_taken", event_type=event["type"])

    async def _serve(self, offer: AsteriskOffer) -> None:
        try:
            await offer.read()
            await self._take(offer)
        except TelephonyError as error:
            log.error("call_failed", reason=error.code)
        except Exception:
            log.exception("call_failed")
        finally:
            try:
                await offer.finish()
            finally:
                if offer.released:
                    self._released.set()
                if self._offers.get(offer.channel) is offer:
                    del self._offers[offer.channel]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="call")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _beat(self, ari: Ari) -> None:
        told = False
        while True:
            try:
                await self._say_alive(ari)
                told, pause = False, HEARTBEAT_S
            except AriError as error:
                if not told:
                    log.warning("no_watchdog", reason=error.code)
                told, pause = True, UNHEARD_S if error.gone else HEARTBEAT_S
            await asyncio.sleep(pause)

    async def _say_alive(self, ari: Ari) -> None:
        await ari.post(f"events/user/{HEARTBEAT}", application=self._access.watchdog_app)

    async def _say_active(self, ari: Ari) -> None:
        while True:
            with contextlib.suppress(AriError):
                await ari.post("asterisk/variable", variable=self._active, value=uuid4().hex)
            await asyncio.sleep(ACTIVE_S)

    @property
    def _active(self) -> str:
        return f"{ACTIVE}_{self._access.app}"

    async def _tidy(self, ari: Ari) -> None:
        """After a time without events: what has become of our calls, and of others'."""
        with contextlib.suppress(AriError):
            await self._catch_up(ari)
        caretaker = Caretaker(ari, self._owned)
        while True:
            pause = SWEEP_S
            try:
                if not (await caretaker.sweep(settle_s=SETTLE_S)).paired:
                    pause = IDLE_SWEEP_S
            except AriError as error:
                log.warning("strays_not_looked_after", reason=error.code)
            self._released.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._released.wait()

    async def _catch_up(self, ari: Ari) -> None:
        # Before the question: what comes while it is on its way is not in the answer.
        offers = list(self._offers.values())
        legs = [leg for offer in offers if offer.call is not None for leg in offer.call.legs]
        listed = await ari.get("channels")
        states = {str(each["id"]): str(each["state"]) for each in listed}
        callers = {each.id for each in channels(listed, self._access.app) if each.caller}
        for leg in legs:
            leg.found(states.get(leg.channel))
        for offer in offers:
            # A caller in the dialplan is somebody else's now, unless we sent them there.
            if offer.channel not in (states if offer.away else callers):
                offer.lost()

    def _cared_for(self, caller: str) -> bool:
        offer = self._offers.get(caller)
        return offer is not None and offer.owned

    def _owned(self, caller: str) -> bool:
        """Its call is running here; its legs may outlive it."""
        offer = self._offers.get(caller)
        return offer is not None and not (offer.released or offer.gone_from_us)
