"""The state of one call as the dialogue core sees it: frozen, so every step makes a new one."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce

from flows.actions import Route
from flows.events import Ear, Embedding, Heard, LegState, SearchResult
from flows.triage import Assessment, Turn


class Phase(StrEnum):
    """Where the conversation stands; `flows.dialogue` says what each event means in each."""

    LISTENING = "listening"
    CONFIRMING_DANGER = "confirming_danger"
    CLARIFYING = "clarifying"
    TICKET_PLACE = "ticket_place"
    TICKET_NAME = "ticket_name"
    TICKET_NUMBER = "ticket_number"
    TICKET_WRITING = "ticket_writing"
    HANDING_OFF = "handing_off"
    CONNECTED = "connected"
    """A person is on the line; the bot is silent and goes on listening."""
    CLOSING = "closing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """One turn of the caller, as both ears heard it."""

    number: int
    transcript: str = ""
    alternatives: tuple[str, ...] = ()
    syllables: tuple[str, ...] = ()
    start: float = 0.0
    end: float = 0.0
    transcribed: bool = False
    """The transcriber's final hypothesis is in."""
    listened: bool = False
    """The listener's final hypothesis is in."""
    ended: bool = False
    aside: bool = False
    """It answered the bot's question about danger and is no part of the caller's own."""

    def hear(self, event: Heard) -> CallerTurn:
        """The turn with this hypothesis in it; a partial never replaces a final."""
        if event.ear is Ear.LISTENER:
            if self.listened and not event.final:
                return self
            return replace(
                self,
                syllables=event.syllables,
                start=event.start if not self.transcript else self.start,
                end=max(self.end, event.end),
                listened=event.final,
            )
        if self.transcribed and not event.final:
            return self
        return replace(
            self,
            transcript=event.text.strip(),
            alternatives=event.alternatives,
            start=event.start,
            end=max(self.end, event.end),
            transcribed=event.final,
        )

    def followed_by(self, later: CallerTurn) -> CallerTurn:
        """Both as one: a pause inside a sentence ends a turn, not the sentence."""
        return CallerTurn(
            later.number,
            self.transcript + later.transcript,
            tuple(self.transcript + reading for reading in later.alternatives),
            self.syllables + later.syllables,
            self.start,
            later.end,
            self.transcribed and later.transcribed,
            self.listened and later.listened,
            later.ended,
        )

    @property
    def words(self) -> str:
        """The transcript; the sounds in pinyin where there is none."""
        return self.transcript or " ".join(self.syllables)

    @property
    def empty(self) -> bool:
        return not self.transcript and len(self.syllables) < 2


@dataclass(frozen=True, slots=True)
class Ticket:
    """A work order (工单) while it is being taken down."""

    id: str
    matter: str
    place: str = ""
    name: str = ""
    number: str = ""
    """The number that is being read back or was confirmed; empty while another is asked for."""
    digits: str = ""
    """What was said or keyed of another number so far."""
    step: Phase = Phase.TICKET_PLACE
    repeated: bool = False
    """The read-back was repeated once because the reply was unclear."""
    writes: int = 0
    """Writes asked for and not yet confirmed; the draft's is one of them."""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class HandoffState:
    """An open hand-off: its routes, the one being tried, and what is known to be written."""

    id: str
    reason: str
    routes: tuple[Route, ...]
    prompt: str
    """What the caller is told once it is written."""
    index: int = 0
    rounds: int = 0
    leg: LegState = LegState.REQUESTED
    written: bool | None = None
    announced: bool = False
    redial_at: float | None = None
    """The chain is exhausted and starts over at this time."""
    region: str | None = None
    category: int | None = None
    lines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    asked_place: bool = False
    to_note: bool = False
    """The caller said something worth a 我记下了."""
    alarmed: bool = False
    """Danger came up while a seat had the call, and the seat was told."""
    retracted: bool = False

    @property
    def route(self) -> Route:
        return self.routes[self.index]

    @property
    def to_police(self) -> bool:
        """The caller needs the police: a queue, an answer or a hang-up may not end it."""
        return any(route.kind == "110" for route in self.routes)

    @property
    def connected(self) -> bool:
        return self.leg is LegState.CONFIRMED

    @property
    def waiting(self) -> bool:
        """Nobody is off-hook yet, so that the bot may speak."""
        return self.leg not in (LegState.ANSWERED, LegState.CONFIRMED)


@dataclass(frozen=True, slots=True)
class EarlyAnswer:
    """An answer that was chosen from a partial hypothesis: the final may still veto it."""

    turn: int
    entry: str
    handled_before: int


@dataclass(frozen=True, slots=True)
class State:
    """One call. Made by `CallStarted`, ended by `HungUp`."""

    call_id: str = ""
    caller: str = ""
    did: str = ""
    started: bool = False
    at: float = 0.0
    """The newest time that any event carried."""
    phase: Phase = Phase.LISTENING
    turns: tuple[CallerTurn, ...] = ()
    """In the order of their numbers."""
    handled: int = -1
    """Number of the last turn that has had its reply."""
    ears: frozenset[Ear] = frozenset(Ear)
    region: str | None = None
    """GB/T 2260 code; `region_said` tells whether the caller said it in this call."""
    region_said: bool = False
    region_turn: int = -1
    assessment: Assessment | None = None
    embeddings: Mapping[str, Embedding] = field(default_factory=dict, compare=False, repr=False)
    """Of the texts that triage needs now, so that each is computed once."""
    speaking: str | None = None
    """The utterance that is being played, if any."""
    queued: tuple[str, ...] = ()
    """Utterances asked for and not yet begun."""
    protected: tuple[str, ...] = ()
    """Those of them that the caller may not interrupt."""
    prompt: str = ""
    """The prompt said last; empty after an answer."""
    said_at: float = 0.0
    utterances: int = 0
    awaiting: int | None = None
    """A turn that has ended and still waits for its final hypothesis or its search."""
    searched: tuple[int, str, bool] | None = None
    """Turn, words and finality of the newest search."""
    result: SearchResult | None = None
    early: EarlyAnswer | None = None
    offered: tuple[str, ...] = ()
    """The two entries offered by the clarifying question."""
    matter: str = ""
    """The caller's words that the clarifying question was about."""
    asked_danger: int = 0
    asked_at: float = 0.0
    """Probability of 110_now when the question was last asked."""
    doubt_turn: int | None = None
    cleared: int = -1
    """Last turn whose doubt a clear no has settled."""
    resume: Phase = Phase.LISTENING
    """The phase that the question about danger interrupted."""
    human_turn: int = -1
    """The turn in which the caller last asked for a person."""
    unheard: int = 0
    nudges: int = 0
    answered: int = 0
    guided: int = 0
    ticket: Ticket | None = None
    tickets: int = 0
    ticket_written: bool = False
    """A ticket of this call is safe on disk, be it a draft."""
    handoff: HandoffState | None = None
    handoffs: int = 0
    seat_failed: bool = False
    """A human was called in and none was free."""
    reached: str | None = None
    """``110`` or ``seat`` once a person there has been reached."""

    @property
    def turn(self) -> CallerTurn | None:
        """The newest turn."""
        return self.turns[-1] if self.turns else None

    def caller_turn(self, number: int) -> CallerTurn | None:
        return next((turn for turn in reversed(self.turns) if turn.number == number), None)

    def with_turn(self, turn: CallerTurn) -> State:
        """The turn taken in at its place; those before it are over."""
        turns = [old for old in self.turns if old.number != turn.number]
        insort(turns, turn, key=lambda each: each.number)
        newest = turns[-1].number
        return replace(
            self,
            turns=tuple(
                replace(each, ended=True) if each.number < newest and not each.ended else each
                for each in turns
            ),
        )

    def question(self, upto: int | None = None) -> CallerTurn | None:
        """What the caller has said since the bot's last reply, as one turn."""
        after = self.handled
        if self.phase is Phase.CONFIRMING_DANGER and self.doubt_turn is not None:
            after = self.doubt_turn
        unanswered = [
            turn
            for turn in self.turns
            if turn.number > after
            and not (turn.aside or self._soundless(turn))
            and (upto is None or turn.number <= upto)
        ]
        return reduce(CallerTurn.followed_by, unanswered) if unanswered else None

    def _soundless(self, turn: CallerTurn) -> bool:
        """A noise before the newest turn; its transcription need not be waited for."""
        heard_nothing = turn.empty and not turn.transcribed and Ear.LISTENER in self.ears
        return heard_nothing and turn is not self.turn

    @property
    def caller_speaking(self) -> bool:
        return self.turn is not None and not self.turn.ended

    @property
    def quiet(self) -> bool:
        """Nothing is being said by the bot, nor about to be."""
        return self.speaking is None and not self.queued

    @property
    def served(self) -> bool:
        """The caller has had something for the call."""
        complete = self.ticket is not None and self.ticket.complete
        return bool(self.answered or self.guided or complete)

    @property
    def outcome(self) -> str:
        """What the call came to, as counted in the figures (R17)."""
        if self.reached == "110":
            return "handed_off"
        if self.reached == "seat":
            return "human"
        if self.ticket_written:
            return "ticket"
        if self.answered:
            return "answered"
        if self.guided:
            return "guided"
        return "abandoned"


def conversation(state: State) -> tuple[Turn, ...]:
    """The caller's side of the call in the form that triage reads."""
    return tuple(
        Turn("caller", turn.transcript, turn.alternatives, turn.syllables, turn.start)
        for turn in state.turns
        if not turn.empty
    )
