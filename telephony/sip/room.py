"""One caller with the legs dialled for them."""

from __future__ import annotations

import logging
import math
import queue
import time
from dataclasses import dataclass, field

import pjsua2 as pj

from telephony.leg_state import LegInput, LegState, transition
from telephony.sip import responses
from telephony.sip.bridge import Bridge
from telephony.sip.capacity import Use
from telephony.sip.music import Sound
from telephony.sip.party import Party, add_headers
from telephony.sip.presence import LOOK_S, Presence, Step
from telephony.sip.settings import SipSettings
from telephony.sip.wire import CALLER
from telephony.sip.wiring import Dial, Wiring

log = logging.getLogger(__name__)

NO_RESPONSE_S = 2.0
"""A trunk that sends nothing at all for so long is unreachable."""

_OFF_HOOK = (LegState.ANSWERED, LegState.ACKNOWLEDGED)


@dataclass(slots=True)
class _Leg:
    dial: Dial
    party: Party | None
    state: LegState = LegState.CONNECTING
    dialled_at: float = field(default_factory=time.monotonic)
    responded: bool = False
    presence: Presence | None = None
    """Once it is off-hook."""


class Room:
    """Parameters:
    index: of the call, unique in the process.
    rate: Hz of the application's audio.
    """

    def __init__(
        self,
        wiring: Wiring,
        index: int,
        rate: int,
        settings: SipSettings,
    ) -> None:
        self._wiring, self.index, self.rate = wiring, index, rate
        self._settings = settings
        self._presence = Presence(math.inf, settings.caller_timeout_s)
        self._look_at = 0.0
        self._bridge = Bridge(wiring, index, rate, self._lines)
        self.caller: Party | None = None
        self.caller_number = ""
        self.did = ""
        self.is_answered = False
        self._legs: dict[int, _Leg] = {}
        self._keys: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self.was_lost = False
        """The last leg that was up has not hung up: it is gone without a word."""

    @property
    def bridged(self) -> bool:
        """The caller is together with a leg that has answered."""
        return any(leg.state in _OFF_HOOK for leg in self._legs.values())

    @property
    def has_legs(self) -> bool:
        """A leg is on its way or up."""
        return any(leg.state is not LegState.ENDED for leg in self._legs.values())

    @property
    def leg_parties(self) -> list[Party]:
        """Of the legs that are on their way or up."""
        return [leg.party for leg in self._legs.values() if leg.party is not None]

    @property
    def is_over(self) -> bool:
        return self.caller is None and not self.has_legs

    @property
    def use(self) -> Use:
        """Calls of the process that this room takes up."""
        legs = sum(leg.party is not None for leg in self._legs.values())
        return Use(int(self.caller is not None), legs)

    def answer(self) -> None:
        if self.caller is not None and not self.caller.over:
            self.caller.respond(200)

    def reject(self, code: int, headers: dict[str, str]) -> None:
        if self.caller is not None and not self.caller.over:
            self.caller.respond(code, headers)

    def hang_up(self) -> None:
        """Ends the caller's line."""
        if self.caller is not None:
            self.caller.end()

    def left(self) -> None:
        """The application is gone: nothing of its audio is heard any more, and no music."""
        self._bridge.left()

    def close(self) -> None:
        """Ends everything."""
        for leg in list(self._legs):
            self._end(leg, LegInput.HANG_UP)
        self.hang_up()

    def hold(self, on: bool) -> None:
        self._bridge.hold(on)

    def play(self, sound: Sound | None) -> None:
        """A sound for the caller, until the next; None for none."""
        self._bridge.play(sound)

    def send_keys(self, keys: str) -> None:
        if self.caller is not None and not self.caller.over:
            self.caller.dialDtmf(keys)

    def dial(self, leg: int, dial: Dial) -> None:
        """Dials a leg, or asks the caller's side to (REFER)."""
        party = None if dial.refer else Party(self._wiring.account, self, leg)
        self._legs[leg] = _Leg(dial, party)
        parameters = pj.CallOpParam(True)
        add_headers(parameters.txOption, dial.headers)
        try:
            if party is not None:
                parameters.txOption.localUri = dial.caller_uri
                party.makeCall(dial.uri, parameters)
            elif self.caller is not None and not self.caller.over:
                self.caller.xfer(dial.uri, parameters)
            else:
                self._end(leg, LegInput.UNREACHABLE)
        except pj.Error as error:
            log.warning("a leg cannot be dialled: %s", error.reason)
            self._end(leg, LegInput.UNREACHABLE)

    def hang_up_leg(self, leg: int, why: LegInput = LegInput.HANG_UP) -> None:
        self._end(leg, why)

    def tick(self, now: float) -> None:
        """Keys, and legs whose deadline has passed; `now` on the monotonic clock."""
        while not self._keys.empty():
            self._take_key(*self._keys.get())
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look(now)
        for index, leg in list(self._legs.items()):
            if leg.state is LegState.ENDED or leg.state in _OFF_HOOK:
                continue
            waited = now - leg.dialled_at
            if waited > leg.dial.answer_s or (waited > NO_RESPONSE_S and not leg.responded):
                self._end(index, responses.given_up(leg.state))

    def _look(self, now: float) -> None:
        """Who is still there."""
        if self.caller is not None and self.is_answered:
            self._look_at_line(CALLER, self.caller, self._presence, now)
        for index, leg in list(self._legs.items()):
            if leg.party is not None and leg.presence is not None:
                self._look_at_line(index, leg.party, leg.presence, now)

    def _look_at_line(self, leg: int, party: Party, presence: Presence, now: float) -> None:
        must_send = leg != CALLER and party.must_send
        match presence.look(now, party.packets(), must_send=must_send):
            case Step.ASK:
                party.ask()
            case Step.LOST if leg == CALLER:
                log.warning("call %d: the caller is gone without a word", self.index)
                party.drop()
                self._caller_gone()
            case Step.LOST:
                log.warning("call %d: a leg is gone without a word", self.index)
                party.drop()
                self._end(leg, LegInput.CLOSED)

    # Party events, on the PJSIP thread.

    def is_there(self, leg: int) -> None:
        known = self._legs.get(leg)
        if leg == CALLER:
            self._presence.answered()
        elif known is not None and known.presence is not None:
            known.presence.answered()

    def line_changed(self, leg: int) -> None:
        self._bridge.line_changed(leg)

    def pressed(self, leg: int, key: str) -> None:
        """Comes on PJSIP's thread for RTP."""
        self._keys.put((leg, key))

    def _take_key(self, leg: int, key: str) -> None:
        if leg == CALLER:
            self._wiring.report("key", self.index, key=key)
            return
        known = self._legs.get(leg)
        if known is None or known.state not in _OFF_HOOK:
            return
        # The key that acknowledges is used up by that; every other is the application's.
        if key != self._settings.acknowledge_key or not self._move(leg, LegInput.ACKNOWLEDGE):
            self._wiring.report("key", self.index, leg, key=key)

    def provisional(self, leg: int, code: int) -> None:
        known = self._legs.get(leg)
        if known is None:
            return
        known.responded = True
        if (event := responses.progress(code)) is not None:
            if known.state is LegState.CONNECTING:
                self._move(leg, LegInput.OPEN)
            self._move(leg, event)

    def answered(self, leg: int) -> None:
        if leg == CALLER:
            self.is_answered = True
            self._wiring.report("answered", self.index)
        else:
            self.provisional(leg, 180)
            if self._move(leg, LegInput.ANSWER):
                limits = self._settings.media_timeout_s, self._settings.caller_timeout_s
                self._legs[leg].presence = Presence(*limits)
        self._wiring.room_changed()

    def ended(self, leg: int, code: int) -> None:
        if leg == CALLER:
            self._caller_gone()
            return
        known = self._legs.get(leg)
        if known is not None:
            self._end(leg, *responses.ending(known.state, code))

    def transfer_progress(self, code: int, final: bool) -> None:
        for index, leg in self._legs.items():
            if leg.party is None and leg.state is not LegState.ENDED:
                if not final:
                    self.provisional(index, code)
                else:
                    self._end(index, *responses.refer_ending(leg.state, code))
                    if 200 <= code < 300:
                        self.hang_up()  # the caller's side waits for our BYE
                return

    # Within.

    def _lines(self) -> dict[int, pj.AudioMedia]:
        """Parties whose audio is up."""
        parties = {CALLER: self.caller} | {index: leg.party for index, leg in self._legs.items()}
        return {
            index: party.media
            for index, party in parties.items()
            if party is not None and party.media is not None
        }

    def _move(self, leg: int, event: LegInput) -> bool:
        known = self._legs[leg]
        before, known.state = known.state, transition(known.state, event)
        if known.state is not before:
            self._wiring.report("leg", self.index, leg, input=event.value)
        return known.state is not before

    def _end(self, leg: int, *events: LegInput) -> None:
        known = self._legs.get(leg)
        if known is None:
            return
        was_up = known.state in _OFF_HOOK
        for event in events:
            self._move(leg, event)
        if was_up and known.state is LegState.ENDED:
            self.was_lost = LegInput.CLOSED in events
        party, known.party = known.party, None
        if party is not None:
            self.line_changed(leg)
            self._wiring.end(party)
        self._bridge.close_port(leg)
        self._wiring.room_changed()

    def _caller_gone(self) -> None:
        """Legs that ring are given up; one that is up the application may have a word for."""
        if self.caller is None:
            return
        self._wiring.report("gone", self.index)
        for index, leg in list(self._legs.items()):
            if leg.state not in _OFF_HOOK:
                self._end(index, LegInput.HANG_UP)
        self.play(None)
        caller, self.caller = self.caller, None
        self.line_changed(CALLER)
        self._wiring.end(caller)
        self._bridge.close_port(CALLER)
        self._wiring.room_changed()
