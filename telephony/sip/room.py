"""One caller with the legs dialled for them, and the sound between all of them."""

from __future__ import annotations

import logging
import queue
import time
from dataclasses import dataclass, field
from typing import Any

import pjsua2 as pj

from telephony.leg_state import LegInput, LegState, transition
from telephony.sip import responses
from telephony.sip.capacity import Use
from telephony.sip.conference import Link, Node, Place, links
from telephony.sip.music import Sound
from telephony.sip.party import Party, add_headers
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


class Room:
    """Parameters:
    index: of the call, unique in the process.
    rate: Hz of the application's audio.
    acknowledge_key: by which a desk says that it has the call.
    """

    def __init__(
        self,
        wiring: Wiring,
        index: int,
        rate: int,
        acknowledge_key: str,
    ) -> None:
        self._wiring, self.index, self.rate = wiring, index, rate
        self._acknowledge_key = acknowledge_key
        self._music: pj.AudioMedia | None = None
        self.caller: Party | None = None
        self.caller_number = ""
        self.did = ""
        self.is_answered = False
        self._legs: dict[int, _Leg] = {}
        self._ports: dict[int, pj.AudioMedia] = {}
        self._links: set[Link] = set()
        self._waits = False
        self._keys: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self.is_left = False
        """The application has left; there are no ports to it."""

    @property
    def bridged(self) -> bool:
        """The caller is together with a leg that has answered."""
        return any(leg.state in _OFF_HOOK for leg in self._legs.values())

    @property
    def has_legs(self) -> bool:
        """A leg is on its way or up."""
        return any(leg.state is not LegState.ENDED for leg in self._legs.values())

    @property
    def is_over(self) -> bool:
        return self.caller is None and not self.has_legs

    @property
    def use(self) -> Use:
        """Calls of the process that this room takes up."""
        legs = sum(leg.party is not None for leg in self._legs.values())
        return Use(int(self.caller is not None), legs)

    def packets(self) -> int:
        """RTP packets that have come from anybody here so far."""
        parties = [self.caller, *(leg.party for leg in self._legs.values())]
        return sum(party.packets() for party in parties if party is not None)

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
        self._waits, self.is_left = False, True
        for leg in list(self._ports):
            self._close_port(leg)
        self.play(None)

    def close(self) -> None:
        """Ends everything."""
        for leg in list(self._legs):
            self._end(leg, LegInput.HANG_UP)
        self.hang_up()

    def hold(self, on: bool) -> None:
        self._waits = on
        self.play(Sound.MUSIC if on else None)

    def play(self, sound: Sound | None) -> None:
        """A sound for the caller, until the next; None for none."""
        if self._music is not None:
            self.rewire(music=False)
        self._music = self._wiring.sound(sound) if sound is not None else None
        self.rewire()

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
        for index, leg in list(self._legs.items()):
            if leg.state is LegState.ENDED or leg.state in _OFF_HOOK:
                continue
            waited = now - leg.dialled_at
            if waited > leg.dial.answer_s or (waited > NO_RESPONSE_S and not leg.responded):
                self._end(index, responses.given_up(leg.state))

    # Party events, on the PJSIP thread.

    def line_changed(self, leg: int) -> None:
        """The audio of a line is up, down or another."""
        line: Node = (Place.LINE, leg)
        self._links = {link for link in self._links if line not in link}
        party = self._party(leg)
        up = party is not None and party.media is not None
        if up and not self.is_left and leg not in self._ports:
            self._ports[leg] = self._wiring.open_port(self.index, leg, self.rate)
        self.rewire()

    def pressed(self, leg: int, key: str) -> None:
        """Comes on PJSIP's thread for RTP."""
        self._keys.put((leg, key))

    def _take_key(self, leg: int, key: str) -> None:
        if leg == CALLER:
            self._wiring.report("key", self.index, key=key)
        elif leg in self._legs and key == self._acknowledge_key:
            self._move(leg, LegInput.ACKNOWLEDGE)

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
            self._move(leg, LegInput.ANSWER)
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

    def _party(self, leg: int) -> Party | None:
        if leg == CALLER:
            return self.caller
        known = self._legs.get(leg)
        return known.party if known is not None else None

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
        for event in events:
            self._move(leg, event)
        party, known.party = known.party, None
        if party is not None:
            self.line_changed(leg)
            self._wiring.end(party)
        self._close_port(leg)
        self._wiring.room_changed()

    def _close_port(self, leg: int) -> None:
        if leg in self._ports:
            self.rewire(without=leg)
            del self._ports[leg]
            self._wiring.close_port(self.index, leg)

    def _caller_gone(self) -> None:
        """Legs that ring are given up; one that is up the application may have a word for."""
        self._wiring.report("gone", self.index)
        for index, leg in list(self._legs.items()):
            if leg.state not in _OFF_HOOK:
                self._end(index, LegInput.HANG_UP)
        self.play(None)
        caller, self.caller = self.caller, None
        self.line_changed(CALLER)
        if caller is not None:
            self._wiring.end(caller)
        self._close_port(CALLER)
        self._wiring.room_changed()

    def _node(self, node: Node) -> Any:
        place, leg = node
        if place is Place.MUSIC:
            return self._music
        if place is Place.PORT:
            return self._ports.get(leg)
        party = self._party(leg)
        return party.media if party is not None else None

    def rewire(self, *, music: bool = True, without: int | None = None) -> None:
        """Makes the links of the conference bridge those that there must be.

        Parameters:
            music: the caller hears the music, if there is any.
            without: a party whose port is going.
        """
        parties = {CALLER: self.caller} | {index: leg.party for index, leg in self._legs.items()}
        up = [index for index, party in parties.items() if party is not None and party.media]
        ports = set() if self.is_left else set(up) & set(self._ports) - {without}
        wanted = links(up, ports, waits=self._waits, music=music and self._music is not None)
        for gone in self._links - wanted:
            source, sink = self._node(gone[0]), self._node(gone[1])
            if source is not None and sink is not None:
                source.stopTransmit(sink)
        for new in wanted - self._links:
            self._node(new[0]).startTransmit(self._node(new[1]))
        self._links = wanted
