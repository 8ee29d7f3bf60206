"""What is under way in a call: the phase, a ticket, a hand-off, an early answer. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from flows.actions import Route
from flows.events import LegState


class Phase(StrEnum):
    """Where the conversation stands; `flows.dialogue` says what each event means in each."""

    LISTENING = "listening"
    CONFIRMING_DANGER = "confirming_danger"
    CONFIRMING_POLICE = "confirming_police"
    """An ordinary matter of 110's; the caller was asked whether to be put through."""
    CLARIFYING = "clarifying"
    TICKET_MATTER = "ticket_matter"
    """No seat is free, and nothing was said yet that a ticket could be about."""
    TICKET_PLACE = "ticket_place"
    TICKET_NAME = "ticket_name"
    TICKET_NUMBER = "ticket_number"
    TICKET_WRITING = "ticket_writing"
    PROGRESS_SEARCH = "progress_search"
    """The caller asks what became of a ticket, which is being looked for (`flows.progress`)."""
    PROGRESS_TICKET = "progress_ticket"
    PROGRESS_PHONE = "progress_phone"
    HANDING_OFF = "handing_off"
    CONNECTED = "connected"
    """A person is on the line; the bot is silent and goes on listening."""
    EVALUATING = "evaluating"
    """The caller was asked how content he is; the call is over with his reply."""
    CLOSING = "closing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A work order (工单) while it is being taken down."""

    id: str
    matter: str
    place: str = ""
    name: str = ""
    happened: str = ""
    """When it was (`flows.matter_time`), as understood and as said; empty: nothing was said."""
    confidential: bool = False
    """The caller wants nobody told who said it."""
    number: str = ""
    """The number that is being read back or was confirmed; empty while another is asked for."""
    digits: str = ""
    """What was said or keyed of another number so far."""
    keys: int = 0
    """Digits that were keyed so far."""
    keyed_at: float = 0.0
    step: Phase = Phase.TICKET_PLACE
    repeated: bool = False
    """The present question was repeated once because the reply was none to it."""
    writes: int = 0
    """Writes asked for and not yet confirmed; the draft's is one of them."""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """A caller who asks what became of a ticket."""

    query: str = ""
    """The search whose result counts."""
    ticket: str = ""
    """Last four digits of its number, once they are told …"""
    phone: str = ""
    """… and of the telephone number that it was made with."""
    digits: str = ""
    """Said or keyed so far of the ones asked for."""
    keyed_at: float = 0.0
    tries: int = 0
    """Pairs that fitted no ticket."""


OFF_HOOK = (LegState.ANSWERED, LegState.CONFIRMED)


class Chain:
    """Routes that are tried one after the other, and the leg to the present one."""

    __slots__ = ()
    routes: tuple[Route, ...]
    index: int
    leg: LegState

    @property
    def route(self) -> Route:
        return self.routes[self.index]

    @property
    def connected(self) -> bool:
        """A person there has the call."""
        return self.leg is LegState.CONFIRMED

    @property
    def off_hook(self) -> bool:
        return self.leg in OFF_HOOK


@dataclass(frozen=True, slots=True)
class Side(Chain):
    """A leg beside 110 to another line (119, 120, 122, 12395), with its own chain."""

    line: str
    routes: tuple[Route, ...]
    index: int = 0
    rounds: int = 0
    leg: LegState = LegState.REQUESTED
    redial_at: float | None = None
    """The chain is exhausted and starts over at this time."""
    reached: bool = False
    """A person of it has spoken."""
    given_up: bool = False
    """It is over without that, and the line was sent a message."""

    @property
    def over(self) -> bool:
        """It is not called any more."""
        return self.given_up or self.leg is LegState.ENDED


@dataclass(frozen=True, slots=True)
class HandoffState(Chain):
    """An open hand-off: its routes, the one being tried, and what is known to be written.

    `routes`, `index`, `rounds`, `leg` and `redial_at` are of its chain to 110 or to a seat;
    `sides` are the lines called beside 110.
    """

    id: str
    reason: str
    routes: tuple[Route, ...]
    prompt: str
    """What the caller is told once it is written; "": as for any hand-off to 110 (`announcing`)."""
    index: int = 0
    rounds: int = 0
    leg: LegState = LegState.REQUESTED
    written: bool | None = None
    announced: bool = False
    connected_at: float = 0.0
    """When its person was heard."""
    redial_at: float | None = None
    """The chain is exhausted and starts over at this time."""
    full: tuple[str, ...] = ()
    """Numbers of the chain that had no line for us when they were last wanted."""
    tried: bool = False
    """In this round of the chain something was really dialled."""
    waiting_since: float | None = None
    """When the first of them was found full."""
    told_at: float | None = None
    """When the caller was last told that the lines are full."""
    region: str | None = None
    category: int | None = None
    lines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    turn: int = -1
    """The caller's turn that brought it about."""
    asked_place: bool = False
    wording: str = ""
    """The entry whose approved safety wording is for this caller (`flows.bridge_wording`)."""
    worded: bool = False
    """It was said."""
    to_note: bool = False
    """The caller said something worth a 我记下了."""
    alarmed: bool = False
    """Danger came up while a seat had the call, and the seat was told."""
    doubtful: bool = False
    """The caller was asked about danger often enough, and a human is to decide."""
    retracted: bool = False
    sides: tuple[Side, ...] = ()
    released: bool = False
    """110 (or the seat) had the call and has hung up, and others are still on the line."""
    handed_back: bool = False
    """110 left it to 12345 by a key, which takes it up when the others are gone."""

    @property
    def to_police(self) -> bool:
        """The caller needs the police: a queue, an answer or a hang-up may not end it."""
        return any(route.kind == "110" for route in self.routes)

    @property
    def talking(self) -> bool:
        """The caller has a person on the line, be it not the one that was wanted first."""
        return self.connected or any(side.connected for side in self.sides)

    @property
    def waiting(self) -> bool:
        """Nobody is off-hook yet, so that the bot may speak."""
        return not (self.off_hook or any(side.off_hook for side in self.sides))

    def side(self, line: str) -> Side | None:
        return next((side for side in self.sides if side.line == line), None)

    def with_side(self, side: Side) -> HandoffState:
        """With this side in place of the one of its line."""
        sides = tuple(side if old.line == side.line else old for old in self.sides)
        return replace(self, sides=sides)


@dataclass(frozen=True, slots=True)
class EarlyAnswer:
    """An answer that was chosen from a partial hypothesis: the final may still veto it."""

    turn: int
    entry: str
    handled_before: int
    previous: str | None = None
    """The entry that was answered before it, in whose context the turn is searched."""
