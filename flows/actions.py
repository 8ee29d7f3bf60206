"""What the dialogue core asks the outside world to do. Plain frozen data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flows.events import Interrupted
from flows.turns import CallerTurn


class Purpose(StrEnum):
    """Why something is said; only ``ANSWER`` counts as a reply when latency is measured."""

    ANSWER = "answer"
    PROMPT = "prompt"
    SAFETY = "safety"


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a prompt of ``flows/prompts.toml`` or a published entry; exactly one is set."""

    utterance: str
    """Unique in the call; comes back in PlaybackStarted and PlaybackFinished."""
    purpose: Purpose
    prompt: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    entry: str | None = None
    region: str | None = None
    """Where the caller is, a GB/T 2260 code: what entries say there."""
    interruptible: bool = True
    heard_s: float = 0.0
    """Seconds of it that the caller has heard before: it goes on with that sentence."""


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Flush everything that is still queued for the caller (barge-in)."""


@dataclass(frozen=True, slots=True)
class Search:
    turn: int
    text: str
    alternatives: tuple[str, ...] = ()
    syllables: tuple[str, ...] = ()
    region: str | None = None
    final: bool = False
    previous: str | None = None
    """The entry that was answered before, which a follow-up question is about."""

    @classmethod
    def of(
        cls, turn: CallerTurn, region: str | None, *, final: bool, previous: str | None = None
    ) -> Search:
        """For what was heard of a turn so far."""
        return cls(
            turn.number,
            turn.transcript,
            turn.alternatives,
            turn.syllables,
            region,
            final,
            previous,
        )


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Transcribe the turn so far at once: the listener hears what may be danger."""

    turn: int


@dataclass(frozen=True, slots=True)
class Route:
    """One place a live call may be handed to; `number` must be in the duty directory."""

    destination: str
    """Number in the duty directory, for example ``110-460100`` or ``seat``."""
    kind: str
    """``110`` | ``seat`` | ``119`` | ``120`` | ``122`` | ``12395``."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """Write the hand-off to the outbox and originate the first route at the same moment."""

    handoff: str
    routes: tuple[Route, ...]
    reason: str
    """``danger`` | ``police_matter`` | ``requested_police`` | ``requested_human`` …"""
    region: str | None = None
    category: int | None = None
    lines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DialRoute:
    """Originate the next route of an open hand-off."""

    handoff: str
    route: Route


@dataclass(frozen=True, slots=True)
class DialLine:
    """Originate a leg to 119, 120, 122 or 12395 beside 110, by its own route."""

    handoff: str
    line: str
    route: Route


@dataclass(frozen=True, slots=True)
class ReleaseLeg:
    """Hang up a leg of a hand-off and stay with the caller; `line` as in `DialLine`, "" for 110."""

    handoff: str
    line: str = ""


@dataclass(frozen=True, slots=True)
class KeepBeside:
    """The leg of the chain, a seat's, stays on the line: as the leg to `line` of a new hand-off."""

    handoff: str
    """The new one, or the same."""
    line: str
    destination: str
    """Where the leg goes to: it may be gone by now, which is reported of that."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The caller waits with the endpoint's music, or no longer does."""

    on: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """Say a prompt to a leg that is off-hook, and then hang it up; the caller is gone."""

    handoff: str
    line: str
    """As in `DialLine`, "" for 110."""
    prompt: str


@dataclass(frozen=True, slots=True)
class CallBack:
    """Call a number whose caller was gone while danger was open (`flows.call_back`)."""

    number: str
    matter: Interrupted


@dataclass(frozen=True, slots=True)
class UpdateDossier:
    """The open hand-off's dossier changed (region, lines, flags); deliver it again."""

    handoff: str
    region: str | None = None
    lines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Write a work order (工单)."""

    ticket: str
    matter: str
    place: str
    name: str
    number: str
    region: str | None = None
    department: str | None = None
    happened: str = ""
    """When the matter was, as understood and as said."""
    confidential: bool = False
    """Name and number are for calling back alone: nobody whom it is about may learn them."""
    withdrawn: bool = False
    """The caller wants it no more; it is kept, marked so, and nobody acts on it."""


@dataclass(frozen=True, slots=True)
class AppealLimit:
    """The caller does not agree with the limit of his number; `ticket` holds it."""

    ticket: str
    words: str


@dataclass(frozen=True, slots=True)
class Evaluate:
    """The caller was asked how content he is, or has said so."""

    ticket: str = ""
    """What was judged; "" for the call alone."""
    score: int | None = None
    """1 满意, 2 基本满意, 3 不满意; None: asked."""
    via: str = ""
    """``voice`` | ``key``"""


@dataclass(frozen=True, slots=True)
class FindTickets:
    """Look for tickets whose caller may hear of them: of `caller`, else by both digits."""

    query: str
    """Comes back in `flows.events.TicketsFound`."""
    caller: str = ""
    """The calling number, verified by the telephone network."""
    tail: str = ""
    """The last four digits of the ticket's number …"""
    phone_tail: str = ""
    """… and of the number that it was made with."""


@dataclass(frozen=True, slots=True)
class NotifyLine:
    """Send a notice to another duty line (power …, or 119 that was not reached) beside it."""

    line: str
    handoff: str


@dataclass(frozen=True, slots=True)
class SendLink:
    """Send the caller the link of online 12345 by SMS."""

    number: str


@dataclass(frozen=True, slots=True)
class Decide:
    """Put a decision and its evidence on the record, for people to read."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class HangUp:
    outcome: str
    """``answered`` | ``handed_off`` | ``ticket`` | ``human`` | ``guided`` | ``abandoned``."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The far side has taken the caller's line over (REFER): the call ends, nothing is hung up."""

    outcome: str


Action = (
    Say
    | StopSpeaking
    | Search
    | Transcribe
    | Handoff
    | DialRoute
    | DialLine
    | ReleaseLeg
    | KeepBeside
    | Hold
    | Tell
    | CallBack
    | UpdateDossier
    | OpenTicket
    | FindTickets
    | AppealLimit
    | Evaluate
    | NotifyLine
    | SendLink
    | Decide
    | HangUp
    | Leave
)
