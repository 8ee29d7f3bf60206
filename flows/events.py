"""What can happen in a call: the closed vocabulary that drives the dialogue core.

Every event carries `at`, seconds since the call was answered, measured on the
caller's audio clock; the core itself never reads a clock. Events are plain
frozen data, so a call is replayed from its log (`voicebot replay`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float32]


class Ear(StrEnum):
    """Which recogniser heard it (DESIGN.md, Recognition)."""

    LISTENER = "listener"
    TRANSCRIBER = "transcriber"


class LegState(StrEnum):
    """Progress of one leg of a hand-off, as reported by the telephone side."""

    REQUESTED = "requested"
    RINGING = "ringing"
    ANSWERED = "answered"
    """The far side went off-hook; nobody is known to be there yet."""
    CONFIRMED = "confirmed"
    """A person spoke or the desk acknowledged: the route has succeeded."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    ENDED = "ended"
    """A confirmed leg hung up."""


@dataclass(frozen=True, slots=True)
class DutyLine:
    """A number of the duty directory for a line beside 110 (119, 120, 122, 12395)."""

    line: str
    number: str
    region: str = ""
    """GB/T 2260 code of the area it serves, "" for all."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A hand-off to 110 whose caller was gone before 110 had the call."""

    handoff: str
    region: str | None = None
    category: int | None = None
    lines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallStarted:
    at: float
    call_id: str
    caller: str
    did: str
    did_region: str | None = None
    """GB/T 2260 code of the dialled number, if it belongs to one county."""
    known_region: str | None = None
    """GB/T 2260 code of the caller's last confirmed address."""
    trunk: str = "public"
    """``public`` | ``110``: which way the call came; from 110 it is a transfer by the police."""
    order: str = ""
    """Number of the police order (警单) that it came with."""
    duty_lines: tuple[DutyLine, ...] = ()
    """What the duty directory has for the lines beside 110."""
    calls_back: bool = False
    """The caller's number can be called from here."""
    called_back: Interrupted | None = None
    """We have called this number back over it, and were answered."""
    limited: bool = False
    """Calls of this number are limited (骚扰限制, R11): it reaches 110 and no seat."""
    limited_until: str = ""
    """Its last day as it is said (十二月一号); "" where it is not known."""
    closed: bool = False
    """Outside the line's hours of service: no seat, but answers, tickets and 110."""
    serves_as: str = ""
    """The number whose line this call is answered as, where the dialled one is cancelled (R16)."""
    evaluates: bool = False
    """The caller may be asked for an evaluation at the end."""
    calling: str = ""
    """Why we have called this number: ``missed``, ``danger`` (missed in danger) or ``evaluation``;
    "" for a caller's own call."""
    about: str = ""
    """The ticket that a call of ours is about."""
    today: str = ""
    """The date in Hainan, ISO 8601: what 昨天 is counted from."""
    announcement: str = ""
    """What callers are told first about an incident: approved by two people, "" for nothing."""


@dataclass(frozen=True, slots=True)
class DutyLinesChanged:
    """The duty directory has other numbers from now on for the lines beside 110."""

    at: float
    duty_lines: tuple[DutyLine, ...]


@dataclass(frozen=True, slots=True)
class CallerSpeaking:
    """Voice activity began: the caller's turn `turn` has started."""

    at: float
    turn: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A hypothesis of one ear for the caller's turn `turn`; it replaces that ear's earlier one."""

    at: float
    turn: int
    ear: Ear
    text: str = ""
    """Simplified hanzi without a stop at the end; of the listener, who hears sounds, only what is
    final and no transcriber will have better."""
    alternatives: tuple[str, ...] = ()
    syllables: tuple[str, ...] = ()
    """Toned pinyin, one string a syllable, tone digit last: ``("zhao2", "huo3", "le5")``."""
    final: bool = False
    start: float = 0.0
    end: float = 0.0
    embeddings: Mapping[str, Embedding] = field(default_factory=dict, compare=False)
    """Sentence embeddings of the texts that triage asked for; not part of the log."""
    embedded: tuple[str, ...] | None = None
    """The texts of `embeddings`, so that a replay has no more and no fewer; None: not logged."""
    plain: bool = False
    """Taken without them: danger was plain already, or the embedder failed."""
    language: str = "unknown"
    """Of a final: ``zh`` | ``en`` | ``other`` where the transcriber is sure of it."""
    intelligible: float = 1.0
    """Of a final that both ears heard, 0..1: how far they agree that these were words."""


@dataclass(frozen=True, slots=True)
class Distress:
    """The caller's voice sounds like distress; evidence, and no verdict."""

    at: float
    kind: str
    """``scream`` | ``crying`` | ``loud``."""
    confidence: float
    """0.5 where its signs just suffice, up to 1."""
    start: float = 0.0
    """When it began."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Endpointing decided that the caller's turn `turn` is over."""

    at: float
    turn: int


@dataclass(frozen=True, slots=True)
class KeyPressed:
    at: float
    key: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller has heard nothing for `seconds`; reported about once a second."""

    at: float
    seconds: float
    talking: bool = False
    """The caller's own voice is the only sound; else nobody made any."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    at: float
    turn: int
    query: str
    decision: str
    """``answer`` | ``clarify`` | ``none``."""
    candidates: tuple[tuple[str, float], ...] = ()
    """(entry id, probability of being right), best first."""
    final: bool = False
    """True when it was made from the final hypothesis."""
    inviting: tuple[str, ...] = ()
    """Those of the candidates whose answers ask the caller for details (告诉我小区名称)."""
    safety: Mapping[str, str] = field(default_factory=dict)
    """Those of the candidates that bear on danger: entry → ``ask`` | ``handoff``."""


@dataclass(frozen=True, slots=True)
class TicketProgress:
    """How far a ticket is, as its caller may be told."""

    tail: str
    """The last four digits of its number."""
    status: str
    """`voicebot.tickets.states.Status`, or ``escalated`` where 110 has it."""
    department: str = ""
    due: str = ""
    """Day by which it is to be answered, as it is said (十二月一号)."""
    overdue: bool = False


@dataclass(frozen=True, slots=True)
class TicketsFound:
    """What is on record for `flows.actions.FindTickets`."""

    at: float
    query: str
    tickets: tuple[TicketProgress, ...] = ()
    """The newest first."""
    failed: bool = False
    """The records could not be read."""


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    at: float
    utterance: str


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    at: float
    utterance: str
    interrupted: bool = False
    seconds: float = 0.0
    """How much of it was sent to the caller."""


@dataclass(frozen=True, slots=True)
class Written:
    """A record is safe on disk (`ok`), or could be put neither in the database nor in the spool."""

    at: float
    ref: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class TransferProgress:
    at: float
    handoff: str
    destination: str
    state: LegState
    reason: str = ""
    line: str = ""
    """The line beside 110 whose leg it is; "" for the chain of 110 or of the seat."""


@dataclass(frozen=True, slots=True)
class LineFree:
    """A line of a number that was full is kept for this call (`flows.waiting_list`)."""

    at: float
    handoff: str
    destination: str
    sure: bool = True
    """A line is free; else the number is only worth another try."""
    why: str = ""
    """For people: the risk, and how long the caller has waited."""


@dataclass(frozen=True, slots=True)
class FarSideKey:
    """Somebody on a leg pressed a key."""

    at: float
    handoff: str
    destination: str
    key: str
    line: str = ""


class AgentAct(StrEnum):
    """What an agent (话务员) asks for at his desk (`flows.agent`)."""

    TAKE = "take"
    """接管: the call to this agent, whatever it is doing."""
    POLICE = "police"
    """一键转110: to 110, and the agent leaves."""
    JOIN_POLICE = "join_police"
    """三方通话: 110 comes in, and the agent stays."""
    TRANSFER = "transfer"
    """转其他座席."""
    LEAVE = "leave"
    """The agent leaves; where nobody else is on the line the call is over."""
    SAY = "say"
    """The bot says an approved entry."""
    HUSH = "hush"
    """Whatever the bot is saying stops."""
    HOLD = "hold"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class AgentAsked:
    """An agent has asked for something at his desk."""

    at: float
    act: AgentAct
    agent: str
    """Who, as the audit has it."""
    destination: str = ""
    """TAKE and TRANSFER: where the agent is reached."""
    entry: str = ""
    """SAY: which."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Something had been put off until now (`flows.legs.due_at`)."""

    at: float


@dataclass(frozen=True, slots=True)
class EngineFailed:
    at: float
    engine: str
    """``listener`` | ``transcriber`` | ``knowledge_base`` | ``speech``."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HungUp:
    at: float
    by: str = "caller"


@dataclass(frozen=True, slots=True)
class Released:
    """The service is being stopped and has left the call: the caller stays with whoever is on
    the line, or goes to the endpoint's fallback, which is a human."""

    at: float


Event = (
    CallStarted
    | DutyLinesChanged
    | CallerSpeaking
    | Heard
    | Distress
    | TurnEnded
    | KeyPressed
    | Silence
    | SearchResult
    | TicketsFound
    | PlaybackStarted
    | PlaybackFinished
    | Written
    | TransferProgress
    | LineFree
    | FarSideKey
    | AgentAsked
    | TimePassed
    | EngineFailed
    | HungUp
    | Released
)
