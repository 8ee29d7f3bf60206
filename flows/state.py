"""The state of one call as the dialogue core sees it: frozen, so every step makes a new one."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from flows import small_talk
from flows.actions import Say
from flows.events import DutyLine, Ear, Embedding, Interrupted, SearchResult
from flows.pending import EarlyAnswer, HandoffState, Phase, Progress, Side, Ticket
from flows.routes import LEG_LINES, POLICE, SEAT
from flows.triage import Assessment, Turn
from flows.turns import CallerTurn

__all__ = [
    "CallerTurn",
    "EarlyAnswer",
    "HandoffState",
    "Phase",
    "Side",
    "State",
    "Ticket",
    "conversation",
    "settled",
    "spoken",
]


@dataclass(frozen=True, slots=True)
class State:
    """One call. Made by `CallStarted`, ended by `HungUp`."""

    call_id: str = ""
    caller: str = ""
    did: str = ""
    trunk: str = "public"
    order: str = ""
    """Number of the police order that a call from 110 came with."""
    duty_lines: tuple[DutyLine, ...] = ()
    calls_back: bool = False
    """The caller's number can be called from here."""
    called_back: Interrupted | None = None
    """We have called this number back over it."""
    today: str = ""
    """Date of the call in Hainan, ISO 8601."""
    limited: bool = False
    """Calls of this number are limited: it reaches 110 and no seat."""
    limited_until: str = ""
    """The last day of that as it is said; "" where it is not known."""
    closed: bool = False
    """Outside the line's hours of service there is no seat."""
    evaluates: bool = False
    """The caller may be asked for an evaluation."""
    evaluated: bool = False
    """He has been."""
    calling: str = ""
    """Why we have called this number (`flows.events.CallStarted`); "" where the caller rang."""
    about: str = ""
    """The ticket that we have called about."""
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
    said: Say | None = None
    """What a caller means who says 再说一遍."""
    cut: Say | None = None
    """What the caller's voice stopped, until anything else is said."""
    repeats: int = 0
    """How often it was said again."""
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
    inviting: tuple[str, ...] = ()
    """Those of them whose answers ask for details."""
    offered_safety: Mapping[str, str] = field(default_factory=dict)
    """Those of them that bear on danger."""
    unbarred: tuple[str, ...] = ()
    """Entries that bear on danger and were answered after a clear no."""
    matter: str = ""
    """The caller's words that the clarifying question was about."""
    invited: str = ""
    """The matter of an answer that invited details, which the next turn may give."""
    doubt: float = 0.0
    """Probability of danger where it is worth the question and no clear no has settled it."""
    cleared: int = -1
    """Last turn that a clear no has settled; only later ones can raise doubt again."""
    stood_down: int = -1
    """Last turn that 110 has settled by handing the call back."""
    asked_danger: int = 0
    question_id: str = ""
    """The utterance that asks about danger."""
    question_at: float | None = None
    """When it began to be heard."""
    doubt_turn: int | None = None
    """The last turn that the question is about; later ones reply to it."""
    resume: Phase = Phase.LISTENING
    """The phase that the question about danger interrupted."""
    police_declined: bool = False
    """An ordinary matter was offered to 110, and the caller did not want to be put through."""
    undecided: bool = False
    """110 and a seat were called in together over whose matter it is."""
    human_turn: int = -1
    """The turn in which the caller last asked for a person."""
    unheard: int = 0
    nudges: int = 0
    answered: int = 0
    guided: int = 0
    asked_matter: bool = False
    """Who only said where he is was asked what it is about."""
    progress: Progress | None = None
    queries: int = 0
    """Searches for tickets so far."""
    ticket: Ticket | None = None
    tickets: int = 0
    ticket_written: bool = False
    """A ticket of this call is safe on disk, be it a draft."""
    ticket_kept: bool = False
    """A complete one is; it stays so when a later one is withdrawn."""
    handoff: HandoffState | None = None
    handoffs: int = 0
    held: bool = False
    """The caller waits with music; only while an agent has the call and no danger is known."""
    distress: tuple[str, ...] = ()
    """Kinds of distress heard so far (`flows.events.Distress`)."""
    distress_at: float | None = None
    """When a scream or crying was last heard."""
    seat_failed: bool = False
    """A human was called in and none was free."""
    reached: str | None = None
    """``110``, another line or ``seat`` once a person there has been reached."""

    left: bool = False
    """The service was stopped, and the caller left to a human."""

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
        if self.phase is Phase.CONFIRMING_DANGER and upto is None and self.doubt_turn is not None:
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
    def heard(self) -> bool:
        """Somebody has said something, could be heard in distress, or was put through."""
        words = any(not turn.empty for turn in self.turns)
        return bool(words or self.distress or self.reached)

    @property
    def outcome(self) -> str:
        """What the call came to, as counted in the figures (R17)."""
        if self.reached in (POLICE, *LEG_LINES):
            return "handed_off"
        if self.reached == SEAT or self.left:
            return "human"
        if self.ticket_written:
            return "ticket"
        if self.answered:
            return "answered"
        if self.guided:
            return "guided"
        return "abandoned"


def settled(state: State, turn: CallerTurn) -> State:
    """The turn, and all before it, have had their reply."""
    return replace(state, handled=max(state.handled, turn.number), awaiting=None)


def spoken(state: State, after: int = -1, upto: int | None = None) -> tuple[CallerTurn, ...]:
    """The caller's turns that say something of the matter, each sentence whole."""
    said: list[CallerTurn] = []
    for turn in state.turns:
        if (
            turn.number <= after
            or (upto is not None and turn.number > upto)
            or turn.empty
            or turn.aside
            or small_talk.says_nothing(
                turn.transcript, turn.syllables, handed_over=state.handoff is not None
            )
        ):
            continue
        if turn.continues and said:
            said[-1] = said[-1].followed_by(turn)
        else:
            said.append(turn)
    return tuple(said)


def conversation(state: State, after: int = -1, upto: int | None = None) -> tuple[Turn, ...]:
    """The caller's side of the call, or a part of it, in the form that triage reads."""
    return tuple(turn.to_triage for turn in spoken(state, after, upto))
