"""A process of its own that keeps callers connected to humans when the voice bot is dead.

Channels of a dead ARI controller stay where they are and no dialplan runs for them, so
somebody has to continue them. The controller says four times a second that it lives; when it
has not for `DEAD_S` (killed, frozen or cut off), every caller who is with nobody goes to
the fallback, and those who are with 110 or a seat are looked after until it is back.
Calls of a healthy controller are never touched, and never even looked at.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from telephony.asterisk.access import HEARTBEAT, AsteriskAccess
from telephony.asterisk.ari import Ari, AriError, AriEvents
from telephony.asterisk.caretaking import Caretaker

log = structlog.get_logger()

DEAD_S = 1.7
"""Without a heartbeat for so long the controller is dead: six were missed. With 1.2 a machine
that was six times overloaded was taken for dead three times in three minutes."""

GRACE_S = 1.0
"""How much longer the first one may take: a controller that nobody heard says it seldom."""

LOOK_S = 0.1
SWEEP_S = 0.4
"""How often callers are looked at while the controller is dead."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0


class Vigil:
    """Whether the controller lives, by its heartbeats. Pure."""

    def __init__(self) -> None:
        self._missed_s = -GRACE_S
        self.dead = False

    def beat(self) -> None:
        self._missed_s, self.dead = 0.0, False

    def look(self, elapsed_s: float) -> None:
        """`elapsed_s` after the last look.

        A look that comes late is a stall of ours, and is not held against the controller.
        """
        self._missed_s += min(elapsed_s, 2 * LOOK_S)
        self.dead = self.dead or self._missed_s >= DEAD_S


class Watchdog:
    """Parameters:
    access: an ARI user of its own; `app` is the controller's application, and
        `watchdog_app` the one that it is reached under.
    """

    def __init__(self, access: AsteriskAccess) -> None:
        self._access = access
        self._vigil = Vigil()

    async def run(self) -> None:
        """Until cancelled; a restart of Asterisk is waited for."""
        ari = Ari(self._access)
        pause = _FIRST_PAUSE_S
        try:
            while True:
                try:
                    async with ari.events(self._access.watchdog_app) as events:
                        pause = _FIRST_PAUSE_S
                        log.info("watching", app=self._access.app)
                        await self._watch(ari, events)
                    log.warning("asterisk_lost")
                except AriError as error:
                    log.warning("asterisk_not_reached", reason=error.code)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        finally:
            await ari.aclose()

    async def _watch(self, ari: Ari, events: AriEvents) -> None:
        """One connection to Asterisk, until it is lost."""
        self._vigil = Vigil()
        keeping = asyncio.create_task(self._keep(ari), name="watchdog")
        try:
            async for event in events:
                if event["type"] == "ChannelUserevent" and event.get("eventname") == HEARTBEAT:
                    if self._vigil.dead:
                        log.info("controller_back")
                    self._vigil.beat()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, ari: Ari) -> None:
        clock = asyncio.get_running_loop().time
        vigil, caretaker = self._vigil, Caretaker(ari, self._lives)
        looked, due = clock(), 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            before, looked = looked, clock()
            dead_before = vigil.dead
            vigil.look(looked - before)
            if not vigil.dead or looked < due:
                continue
            if not dead_before:
                log.error("controller_dead", silent_s=DEAD_S)
            with contextlib.suppress(AriError):
                await caretaker.sweep()
            due = clock() + SWEEP_S

    def _lives(self, _: str) -> bool:
        return not self._vigil.dead
