"""Keeps the callers whom the application has left (`care` decides, this does)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from telephony.sip.care import ANSWER_S, Care, Step
from telephony.sip.identity import leg_headers, own_uri
from telephony.sip.music import Sound
from telephony.sip.room import Room
from telephony.sip.settings import SipSettings
from telephony.sip.wiring import Dial

log = logging.getLogger(__name__)

FIRST_LEG = 60_000
"""Index of the first leg of ours, above those of the application."""


class Caretaker:
    """Parameters:
    dial: dials a leg in a room, if the process has room for it.
    """

    def __init__(self, settings: SipSettings, dial: Callable[[Room, int, Dial], None]) -> None:
        self._settings, self._dial = settings, dial
        self._cares: dict[Room, Care] = {}
        self._last = FIRST_LEG

    def take(self, room: Room, now: float) -> None:
        """The application has left this room; harmless when it had before."""
        if room not in self._cares:
            log.warning("call %d is kept without the application", room.index)
            self._cares[room] = Care(bool(self._settings.fallback), now)
            room.left()

    def tick(self, now: float) -> None:
        for room, care in list(self._cares.items()):
            if room.caller is None:
                room.close()
                del self._cares[room]
            else:
                step = care.step(
                    now,
                    bridged=room.bridged,
                    has_legs=room.has_legs,
                    was_lost=room.was_lost,
                )
                self._do(room, step)

    def _do(self, room: Room, step: Step) -> None:
        match step:
            case Step.RING_BACK:
                room.play(Sound.RING_BACK)
            case Step.BUSY:
                room.play(Sound.BUSY)
            case Step.QUIET:
                room.play(None)
            case Step.HANG_UP:
                room.close()
            case Step.DIAL:
                self._last += 1
                host, caller, did = self._settings.host, room.caller_number, room.did
                uri = self._settings.uri(*self._settings.fallback.partition("/")[::2])
                headers = leg_headers(host, caller, did)
                self._dial(room, self._last, Dial(uri, own_uri(host, caller), headers, ANSWER_S))
            case Step.WAIT:
                pass
