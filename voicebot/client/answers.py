"""What the service answers, as types. Later versions may add keys; none is taken away.

Times named ``…_at`` and ``at`` are seconds since the epoch where nothing else is said. Codes of
places are GB/T 2260.
"""

from __future__ import annotations

from typing import Any, TypedDict


class CallRow(TypedDict):
    """A call of a search. `caller` is masked for agents, ``保密`` where they may not know it."""

    call_id: str
    caller: str
    did: str
    started_at: float
    ended_at: float | None
    outcome: str | None
    region: str | None
    recorded: bool
    handoffs: list[dict[str, Any]]
    tickets: list[str]
    confidential: bool
    excerpt: str
    """The first turn with the words that were looked for."""


class Turn(TypedDict):
    """What one side said; `start` and `end` are seconds since the call was answered."""

    seq: int
    side: str
    """``caller`` | ``bot`` | ``110`` | ``seat``"""
    text: str
    start: float
    end: float
    entry: str | None
    final: bool


class Call(TypedDict):
    """All that is on record about a call."""

    call_id: str
    caller: str
    did: str
    offered_at: float | None
    started_at: float | None
    ended_at: float | None
    outcome: str | None
    region: str | None
    recording: str
    turns: list[Turn]
    handoffs: list[dict[str, Any]]
    """Times are seconds since the call was answered, but those named ``…_epoch``."""
    tickets: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    """What triage decided, when (seconds since the answer), and on which evidence."""
    surge: dict[str, Any] | None
    """Why the bot answered it."""


class HandoffRow(TypedDict):
    """A hand-off of a search, without its dossier."""

    id: str
    call_id: str
    caller: str
    did: str | None
    destination: str
    first_destination: str | None
    region: str | None
    category: int | None
    lines: list[str]
    flags: list[str]
    reason: str
    evidence: list[str]
    requested_at: float
    connected_at: float | None
    connected_to: str | None
    returned_at: float | None
    state: str
    state_at: float
    revision: int
    ended_at: float | None
    """Of its call."""
    confidential: bool


class Ticket(TypedDict):
    """A ticket (工单) of a search; `voicebot.client.Client.tickets` reads one with its history."""

    id: str
    call_id: str
    matter: str
    place: str
    name: str
    number: str
    region: str | None
    department: str | None
    created_at: float
    updated_at: float
    kind: str
    channel: str
    classification: str
    tail: str
    happened: str
    confidential: bool
    proposed_department: str
    proposal_confidence: float | None
    status: str
    version: int
    """Of its newest step: an act names the one that it was decided on."""
    main: str | None
    returns: int
    extensions: int
    police_order: str
    due_at: float | None
    awaited_by: float | None
    remind_at: float | None
    dispatched_at: float | None
    accepted_at: float | None
    answered_at: float | None
    closed_at: float | None
    suspended_at: float | None
    disputed_at: float | None
    escalated_at: float | None


class TicketDetail(Ticket):
    """All that is on record about a ticket."""

    answer: str
    proposal_reason: str
    allowed: list[str]
    """Acts that its state allows."""
    history: list[dict[str, Any]]
    reminders: list[dict[str, Any]]
    merged: list[Ticket]
    evaluations: list[dict[str, Any]]
    transcript: list[dict[str, Any]]


class Suggestion(TypedDict):
    """An approved answer, and why it is shown."""

    id: str
    version: int
    question: str
    answer: str
    score: float
    reason: str
    department: str
    channel: str
    source: str
    region: str
    safety: str
    """``none`` | ``ask``: ask about danger first | ``handoff``: 110 first."""
    audio: str | None


class Recommended(TypedDict):
    """Danger first; with danger that is certain there are no suggestions."""

    danger: dict[str, Any] | None
    suggestions: list[Suggestion]
    region: str | None
    revision: int
    took_ms: float


class Found(TypedDict):
    """What the bot would do with a question, and why."""

    query: str
    decision: str
    """``answer`` | ``clarify`` | ``none``"""
    entry: str | None
    danger: dict[str, Any] | None
    answer_at: float
    clarify_at: float
    nothing: float
    place: str | None
    encoders: list[str]
    gap: dict[str, Any] | None
    candidates: list[dict[str, Any]]
    revision: int
    took_ms: float


class EntryVersions(TypedDict):
    """An entry of the knowledge base: its versions, the newest first, with their steps."""

    id: str
    spoken_version: int | None
    versions: list[dict[str, Any]]


class SurgeStatus(TypedDict):
    """Surge control by line, and the orders in force."""

    at: float
    lines: list[dict[str, Any]]
    orders: list[dict[str, Any]]


class SurgeDecision(TypedDict):
    """Why a call went where it went."""

    call_id: str
    line: str
    at: float
    destination: str
    reason: str
    mode: str
    because: str
    figures: dict[str, Any]


class IncidentRow(TypedDict):
    """An incident (同一件事) that is open."""

    incident: str
    title: str
    kind: str
    category: int | None
    regions: list[str]
    lines: list[str]
    callers: int
    with_a_person: int
    first_at: float | None
    last_at: float | None


class Incident(IncidentRow):
    """One with its members, announcements and what was done."""

    state: str
    opened_at: float
    closed_at: float | None
    merged_into: str | None
    members: list[dict[str, Any]]
    announcements: list[dict[str, Any]]
    history: list[dict[str, Any]]


class Announcement(TypedDict, total=False):
    """What became of a text for new callers."""

    announcement: int
    text: str
    approved: bool
    ended: bool


Figures = TypedDict(
    "Figures",
    {
        "from": str,
        "to": str,
        "by": str,
        "total": dict[str, Any],
        "rows": list[dict[str, Any]],
        "lowest_24h": dict[str, Any] | None,
    },
)
"""The figures of some days; `total` and each row's ``figures`` go by the names that
`Client.figures.definitions` explains."""


class Topic(TypedDict):
    """What callers called about."""

    topic: int
    label: str
    examples: list[str]
    count: int
    before: int
    days: dict[str, int]
    regions: dict[str, int]
    alarms: list[dict[str, Any]]


class Told(TypedDict):
    """What whoever wrote a matter is to be told."""

    outcome: str
    call_110: bool
    """Show `message` at once, and a button that dials 110."""
    message: str
    number: str
    entry: str
    region: str | None
    department: str


class Progress(Told):
    """How far a matter is."""

    at: float
    status: str
    handled_by: str
    due_at: float | None
    answer: str


class Alarm(TypedDict):
    """What has to be seen to."""

    code: str
    level: str
    count: int
    since: float | None
    about: str


class Board(TypedDict):
    """What is going on this second."""

    at: float
    calls: dict[str, int]
    lines: dict[str, int]
    surge: SurgeStatus
    waiting: list[dict[str, Any]]
    handoffs: list[HandoffRow]
    running: list[CallRow]
