"""The switchboard of a media process: its rooms, and what the main process asks of them."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

import pjsua2 as pj

from telephony.sip import headers, sdp
from telephony.sip.agent import Agent
from telephony.sip.audio_port import AudioPort, OutQueue
from telephony.sip.capacity import callers_left, may_dial
from telephony.sip.caretaker import Caretaker
from telephony.sip.datagram import PEER_HEADER
from telephony.sip.frames import pick
from telephony.sip.library import held_calls, is_up
from telephony.sip.link import MainLink
from telephony.sip.music import Sound, make_sound
from telephony.sip.party import Party
from telephony.sip.room import Room
from telephony.sip.settings import SipSettings
from telephony.sip.wire import CALLER, Control
from telephony.sip.wiring import Dial

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
"""Seconds; what a call is told that finds the process full."""


class Board:
    """Parameters:
    front: address of the front that calls must come through, as host:port; "" for none.
    """

    def __init__(
        self,
        settings: SipSettings,
        front: str,
        link: MainLink,
        outputs: dict[tuple[int, int], OutQueue],
    ) -> None:
        self.settings, self._front, self._link, self._outputs = settings, front, link, outputs
        self.rooms: dict[int, Room] = {}
        self.taking = True
        """New calls are taken."""
        self._ports: dict[tuple[int, int], AudioPort] = {}
        self._read, self._write = pick()
        self._free: list[AudioPort] = []
        self._sounds: dict[Sound, pj.AudioMedia] = {}
        self._ending: list[Party] = []
        """Parties whose goodbye is on its way, or that may not go yet.

        Where one of them is destroyed PJSUA2 hangs up the call of its id, and that may be
        the next caller's by then: it goes only while nobody else has the id.
        """
        self._refusing: list[tuple[Room, int, dict[str, str]]] = []
        """Calls that are refused as they come; answered once PJSIP's callback is over: within it,
        an INVITE without an offer leaves PJSIP with nothing to free, and it aborts."""
        self._last = 0
        self.agent: Agent | None = None
        self.caretaker = Caretaker(settings, self.dial)

    @property
    def account(self) -> pj.Account:
        assert self.agent is not None
        return self.agent.account

    # Wiring for the rooms.

    def open_port(self, call: int, leg: int, rate: int) -> pj.AudioMedia:
        free = [port for port in self._free if port.rate == rate]
        if free:
            self._free.remove(free[0])
            port = free[0]
        else:
            name = f"port{len(self._ports) + len(self._free)}"
            port = AudioPort(name, rate, self._read, self._write)
        port.out.clear()
        port.heard = lambda pcm: self._link.audio(call, leg, pcm)
        self._ports[call, leg] = port
        self._outputs[call, leg] = port.out
        return port

    def close_port(self, call: int, leg: int) -> None:
        self._outputs.pop((call, leg), None)
        port = self._ports.pop((call, leg))
        port.heard = None
        self._free.append(port)

    def sound(self, sound: Sound) -> pj.AudioMedia:
        if sound not in self._sounds:
            self._sounds[sound] = make_sound(sound, self.settings.music)
        return self._sounds[sound]

    def report(self, op: str, call: int = 0, leg: int = 0, **values: object) -> None:
        self._link.report(op, call, leg, **values)

    def end(self, party: Party) -> None:
        party.end()
        self._ending.append(party)

    def room_changed(self) -> None:
        for room in [each for each in self.rooms.values() if each.is_over]:
            del self.rooms[room.index]
            self.report("closed", room.index)

    def give_up(self, sip_id: str) -> bool:
        """Ends the leg of this Call-ID if it cannot bear the answer that has come."""
        for room in self.rooms.values():
            for party in room.leg_parties:
                if party.cannot_bear_an_answer(sip_id):
                    log.error("call %d: a leg has lost its audio, and is given up", room.index)
                    party.terminate()
                    return True
        return False

    # Calls from outside.

    def offered(self, call_id: int, text: str, source: str) -> None:
        """An INVITE: refused, or a room that rings until the main process decides."""
        try:
            self._offered(call_id, text, source)
        except Exception:
            log.exception("a call cannot be offered")
            if room := self.rooms.get(self._last):
                self._refusing.append((room, 500, {}))  # nobody rings for ever

    def _offered(self, call_id: int, text: str, source: str) -> None:
        message = headers.parse(text)
        peer = message.first(PEER_HEADER) if self._front and source == self._front else source
        self._last += 1
        rate = sdp.audio_rate(message.body)
        room = Room(self, self._last, rate, self.settings)
        room.caller = Party(self.account, room, CALLER, call_id)
        room.caller_number, room.did = headers.caller_of(message), headers.dialled_in(message)
        room_left = self.callers_left(new=1)
        self.rooms[room.index] = room
        if (self._front and source != self._front) or not self.settings.is_peer(peer):
            self._refusing.append((room, 403, {}))
        elif not self.taking or not room_left:
            self._refusing.append((room, 503, {"Retry-After": str(RETRY_AFTER_S)}))
        else:
            police = self.settings.is_police(peer)
            order = headers.user_to_user(message.first("user-to-user")) if police else ""
            room.caller.respond(180)
            self.report(
                "offer",
                room.index,
                caller=room.caller_number,
                did=room.did,
                rate=rate,
                police=police,
                order=order,
                sip_id=message.first("call-id"),
            )

    def callers_left(self, new: int = 0) -> int:
        """Callers that can still be taken; `new` calls are held and not yet in a room."""
        uses = [room.use for room in self.rooms.values()]
        return callers_left(uses, held_calls() - new, self.settings.callers_per_process)

    # Requests of the main process.

    def obey(self, control: Control) -> None:
        """Does what the main process asks; a room that is gone already is left alone."""
        room = self.rooms.get(control.call)
        if room is None:
            return
        try:
            self._obey(room, control.op, control.leg, control.values)
        except pj.Error as error:
            log.warning("PJSIP refuses %s: %s", control.op, error.reason)
        except Exception:
            log.exception("%s has failed", control.op)

    def _obey(self, room: Room, op: str, leg: int, values: Any) -> None:
        match op:
            case "answer":
                room.answer()
            case "reject":
                room.reject(values["code"], values["headers"])
            case "hang_up":
                room.hang_up()
            case "close":
                room.close()
            case "release":
                self.caretaker.take(room, time.monotonic())
            case "hold":
                room.hold(values["on"])
            case "keys":
                room.send_keys(values["keys"])
            case "dial":
                self.dial(room, leg, Dial(**values))
            case "hang_up_leg":
                room.hang_up_leg(leg)
            case _:
                log.error("the main process asks for %s, which is not known", op)

    def dial(self, room: Room, leg: int, dial: Dial) -> None:
        """Dials a leg if there is room for one."""
        others = [each.use for each in self.rooms.values() if each is not room]
        limit = self.settings.callers_per_process
        while not dial.refer and not may_dial(others, held_calls(), limit) and self._hurry():
            pass
        if not dial.refer and not may_dial(others, held_calls(), limit):
            log.error("no room for a further leg")
            self.report("leg", room.index, leg, input="unreachable")
            return
        room.dial(leg, dial)

    def _hurry(self) -> bool:
        """Makes room at the cost of a goodbye that nobody answers; False when there is none."""
        held = held_calls()
        for party in list(self._ending):
            party.terminate()
            if held_calls() < held:
                return True
        return False

    def tick(self, now: float) -> None:
        """What time brings; called every 20 ms or so."""
        tasks = [partial(room.reject, code, named) for room, code, named in self._refusing]
        self._refusing.clear()
        others = (self.caretaker.tick, *(room.tick for room in self.rooms.values()))
        for task in (*tasks, *(partial(each, now) for each in others)):
            try:
                task()
            except Exception:
                log.exception("a call is in trouble; the others go on")
        self._ending = [each for each in self._ending if not each.over or is_up(each.slot)]

    def orphaned(self, now: float) -> None:
        """The main process is dead: no new calls, and those that are up are kept."""
        self.taking = False
        if not self.settings.front and self.agent is not None:
            self.agent.stop_listening()
        for room in list(self.rooms.values()):
            if room.is_answered:
                self.caretaker.take(room, now)
            else:
                room.reject(503, {"Retry-After": str(RETRY_AFTER_S)})
