"""What every telephone endpoint can do with a call, whatever carries it.

Asterisk, direct SIP, carrier WebSockets and the browser stand behind these four
interfaces; the application knows no other. An endpoint says what it can do
(`Capability`) and raises `NotCapable` for the rest.

    endpoint ──IncomingCall──▶ application          admission: answer or reject
    CallEvents ◀── audio, keys, hang-up ── endpoint
    application ── CallControl ──▶ endpoint         play, flush, hold, keys, legs, transfer
    application ◀── LegEvent ── Leg                 one outgoing leg (`telephony.leg_state`)

A leg's audio is joined to the caller's either by the endpoint (`Leg.bridged`: the PBX or
the SIP process mixes, and goes on mixing when the application is dead) or by the
application.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from telephony.codecs import Int16
from telephony.dialing import DutyNumber
from telephony.errors import TelephonyError
from telephony.leg_events import LegEvent
from telephony.leg_state import LegState


class Capability(StrEnum):
    """What an endpoint can do beyond answering, playing and hanging up."""

    LEGS = "legs"
    """It dials further legs itself and joins them to the caller (add party)."""
    BLIND_TRANSFER = "blind_transfer"
    """REFER (RFC 3515), for trunks that demand it."""
    ATTENDED_TRANSFER = "attended_transfer"
    """REFER with Replaces (RFC 3891): the leg takes the caller over."""
    HOLD = "hold"
    SEND_KEYS = "send_keys"
    """DTMF towards the caller (RFC 4733)."""
    OUTLIVES_US = "outlives_us"
    """Caller and leg stay connected when the application dies."""
    CALLS_OUT = "calls_out"
    """It calls numbers of its own accord, whose answer is a call like any other."""


class Trunk(StrEnum):
    """Which way a call came."""

    PUBLIC = "public"
    POLICE = "110"
    """The 110 trunk: a transfer by the police (R1), which nothing may delay."""


@dataclass(frozen=True, slots=True)
class CallInfo:
    """An offered call, as the signalling tells it.

    Parameters:
        call_id: unique for ever; files and records bear it.
        caller: number of the person who calls, as signalled (P-Asserted-Identity before
            From); "" when it is withheld.
        did: the dialled number.
        rate: Hz of the call's audio in the application, 8000 or 16000.
        trunk: which way it came.
        order: number of the police order (警单) that a call from 110 brings in
            User-to-User (RFC 7433); "" for none.
        called: the reference of `CallControl.call_out` that this call answers: the person
            who was called is its caller. "" for a call that came from outside.
        waited: it was given to people (`DivertibleCall`), and nobody answered in time.
        signalled: the id by which the caller's switch knows the call (SIP's Call-ID), the same
            at each of several nodes that it tries one after the other; "" where it is `call_id`.
    """

    call_id: str
    caller: str
    did: str
    rate: int = 8000
    trunk: Trunk = Trunk.PUBLIC
    order: str = ""
    called: str = ""
    waited: bool = False
    signalled: str = ""


class Rejection(StrEnum):
    """Why a call is not answered; endpoints turn it into their own signalling."""

    FULL = "full"
    """No room: SIP 503 with Retry-After, or the PBX's own overflow."""
    NOT_OURS = "not_ours"
    """The dialled number is no line of ours: SIP 404."""
    TOO_MANY = "too_many"
    """Too many calls of one number at a time: SIP 480."""
    DUPLICATE = "duplicate"
    """A call of this id is known already: SIP 482."""
    STOPPING = "stopping"
    """The service is being stopped: SIP 503."""


class NotCapable(TelephonyError):
    """The endpoint of this call cannot do that."""

    def __init__(self, capability: Capability) -> None:
        super().__init__(
            "not_capable", f"The telephone endpoint of this call cannot do {capability.value}."
        )
        self.capability = capability


class PlainControl:
    """What an endpoint that only answers, plays and hangs up says to everything else."""

    def new_leg(self, number: DutyNumber, *, answer_timeout_s: float) -> Leg:
        raise NotCapable(Capability.LEGS)

    async def release(self) -> None:
        raise NotCapable(Capability.OUTLIVES_US)

    async def hold(self, on: bool) -> None:
        raise NotCapable(Capability.HOLD)

    async def send_keys(self, keys: str) -> None:
        raise NotCapable(Capability.SEND_KEYS)

    async def call_out(
        self, trunk: str, number: str, did: str, reference: str, *, ring_s: float
    ) -> None:
        raise NotCapable(Capability.CALLS_OUT)


class CallEvents(Protocol):
    """What an endpoint tells the application about an answered call."""

    async def hear(self, pcm: Int16) -> None:
        """Audio of the caller alone, mono at the call's rate, as it arrives."""

    def press(self, key: str) -> None:
        """The caller pressed `key`, one of 0–9, * and #."""

    def caller_hung_up(self) -> None:
        """The caller's line is gone; said once, whatever ended it."""


class Leg(Protocol):
    """One outgoing leg: `connect`, then iterate over its events until `LegEnded`."""

    bridged: bool
    """The endpoint joins it to the caller: its audio is for listening only."""

    @property
    def state(self) -> LegState: ...

    async def connect(
        self, start_params: Mapping[str, Any], dossier: Mapping[str, Any] | None = None
    ) -> None:
        """Dials. `start_params` holds `caller`, `handoff`, `call` and what else the far side
        may know; the number of the caller is signalled as its own (R13).

        Errors: LegError; the leg has then ended.
        """

    def send_audio(self, pcm: Int16, rate: int) -> None:
        """Audio for the far side; never waits. To a leg that is `bridged` it is sent only when the
        caller is gone: until then it hears what the caller hears.
        """

    def send_dossier(self, dossier: Mapping[str, Any]) -> bool:
        """The dossier's newest state, where the leg carries it; False when it should have."""

    async def hangup(self) -> None:
        """Ends the leg; harmless when it has ended already."""

    def __aiter__(self) -> AsyncIterator[LegEvent]: ...

    async def __anext__(self) -> LegEvent: ...


class Line(Protocol):
    """The sound of an answered call towards the caller."""

    rate: int

    async def send_audio(self, pcm: Int16) -> None:
        """Play up to 20 ms to the caller; paced by the application."""

    async def send_mark(self, name: str) -> None:
        """Tag this point of the audio, for endpoints whose far side reports marks."""

    async def clear(self) -> None:
        """Drop what is buffered towards the caller and not yet played (barge-in)."""

    async def hang_up(self) -> None:
        """End the call; harmless when it has ended already."""


class CallControl(Line, Protocol):
    """An answered call."""

    capabilities: frozenset[Capability]

    def listen(self, events: CallEvents) -> None:
        """Tell `events` everything from now on; of a caller who is gone already, at once."""

    def new_leg(self, number: DutyNumber, *, answer_timeout_s: float) -> Leg:
        """A leg to a number of the duty directory, not yet dialled.

        Errors: NotCapable; TelephonyError `no_such_trunk`.
        """

    async def release(self) -> None:
        """The application leaves the call: the caller stays with the legs that are up, or
        goes to the endpoint's fallback, which is a human. Errors: NotCapable.
        """

    async def hold(self, on: bool) -> None:
        """The caller waits with the endpoint's music, or no longer does. Errors: NotCapable."""

    async def send_keys(self, keys: str) -> None:
        """DTMF to the caller. Errors: NotCapable."""

    async def call_out(
        self, trunk: str, number: str, did: str, reference: str, *, ring_s: float
    ) -> None:
        """Calls a number from the endpoint of this call, which may be over; returns once it is
        answered. The endpoint then offers it like any call, with `CallInfo.called`.

        Parameters:
            trunk: name of the trunk in the endpoint's settings.
            did: our number that the called person sees.
            reference: comes back in `CallInfo.called`.
            ring_s: how long it rings.

        Errors: NotCapable; TelephonyError `no_such_trunk`; CallError `busy`, `no_answer`,
        `unreachable`.
        """


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue of people at the endpoint, at this moment.

    Parameters:
        staffed: seats with somebody at them, busy or free.
        free: those that would take a call now.
        waiting: calls for which no seat rings.
    """

    staffed: int
    free: int
    waiting: int


class IncomingCall(Protocol):
    """A call that is offered and not yet answered."""

    info: CallInfo

    async def answer(self) -> CallControl:
        """Goes off-hook.

        Errors: CallError `gone` when the caller has hung up meanwhile.
        """

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        """Turns the call away without answering it; never raises."""

    async def closed(self) -> None:
        """Waits until nothing of the call is left at the endpoint."""


class Diversion(StrEnum):
    """What became of a caller who was given to people."""

    MET = "met"
    """A person has answered."""
    GONE = "gone"
    """They hung up before."""
    RETURNED = "returned"
    """Nobody answered, and the endpoint offers the call anew."""


@runtime_checkable
class DivertibleCall(Protocol):
    """An `IncomingCall` whose endpoint has queues of people and can give it to them unanswered.

    After `divert` the caller is the endpoint's, whatever becomes of the application:
    `diverted_to` and `closed` only tell.
    """

    async def queue_state(self, queue: str, trunk: str) -> QueueState | None:
        """What a queue looks like; None when the endpoint does not say. Never raises.

        Parameters:
            trunk: the endpoint's trunk behind which the seats are; "" when each is a
                telephone of its own.
        """

    async def divert(self, queue: str, region: str, *, call_back: bool) -> None:
        """Gives the caller to a queue; never raises.

        Parameters:
            queue: "" for the endpoint's own.
            region: of the seats that are meant; "" where none are.
            call_back: they are told that they may hang up and are called back.
        """

    async def diverted_to(self) -> Diversion:
        """Waits until it is known what becomes of the diverted caller."""
