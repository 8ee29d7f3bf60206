"""Whether the invariants held, from what callers heard and what is on record. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SILENT_S = 4.5
"""Longer than this without a sound is silence: 4 s (DESIGN.md, Hand-off), after which the
dialogue speaks, and the moment that a prompt takes to be heard."""
PERSON_S = 0.5
"""A person was heard by the caller for at least so long."""
AFTER_S = 2.0
"""What a call has heard so long before its service died is on record."""
UNDERSTOOD_S = 8.0
"""A caller whose call goes on so long after the last word has been understood, or asked again."""

DANGER, QUESTION, MATTER = "danger", "question", "matter"
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Told:
    """One call as its caller saw it; times are seconds since the epoch.

    Parameters:
        role: `DANGER`, `QUESTION` or `MATTER`.
        answered: the service took it; what follows counts only then.
        broke: the service, not the caller, ended it.
        ended_at: its end.
        spoke_until: the end of the last words that were said completely; None without any.
        utterances: ends of what the bot was heard to say from its beginning to its end.
        person_s: seconds of a person's voice.
        silence_s: the longest time without a sound that no fault excuses.
    """

    call: str
    role: str
    answered: bool
    broke: bool = False
    ended_at: float = 0.0
    spoke_until: float | None = None
    utterances: tuple[float, ...] = ()
    person_s: float = 0.0
    silence_s: float = 0.0

    @property
    def reached(self) -> bool:
        """A person was there."""
        return self.person_s >= PERSON_S


@dataclass(frozen=True, slots=True)
class CallOnRecord:
    """Parameters:
    open: nobody has written down its end.
    backwards: its end lies before its beginning.
    missing: rows of its event log, which counts its rows, that are not there.
    bot_turns, caller_turns: of the transcript.
    handoffs, tickets: ids that its event log decided to write.
    """

    open: bool
    backwards: bool = False
    missing: int = 0
    bot_turns: int = 0
    caller_turns: int = 0
    handoffs: frozenset[str] = frozenset()
    tickets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HandoffOnRecord:
    """Parameters:
    connected: a person was there.
    settled: it is connected, or the desk is told that the call was interrupted.
    """

    call: str
    connected: bool
    settled: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All that is on record after a run.

    Parameters:
        waiting: messages to desks that have not arrived.
        spooled, rejected: writes still in the spool; writes that the database refused.
        desk: ids of hand-offs of which a desk had a line or a dossier.
        dossiers: ids of hand-offs whose dossier a desk has.
    """

    calls: Mapping[str, CallOnRecord] = field(default_factory=dict)
    handoffs: Mapping[str, HandoffOnRecord] = field(default_factory=dict)
    tickets: Mapping[str, str] = field(default_factory=dict)
    """The call of each."""
    waiting: int = 0
    spooled: int = 0
    rejected: int = 0
    desk: frozenset[str] = frozenset()
    dossiers: frozenset[str] = frozenset()


def broken(
    told: Sequence[Told],
    found: Found,
    died_at: float | None = None,
    frozen: Collection[Span] = (),
) -> list[str]:
    """The invariants that did not hold, a sentence each: ``name: what``.

    Parameters:
        died_at: when the service was killed, seconds since the epoch; None if it was not.
        frozen: when it was frozen: a carrier whose pings nobody answers ends the call itself.
    """
    sentences: list[str] = []
    for call in told:
        if call.answered:
            sentences += of_call(call, found, died_at, frozen)
    return sentences + of_records(found) + of_danger(told)


def of_records(found: Found) -> list[str]:
    """What is decided is on record, and has arrived; a sentence for each that is not."""
    sentences = _handoffs(found) + _tickets(found)
    if found.waiting:
        sentences.append(f"message_lost: {found.waiting} have not reached a desk")
    if found.spooled:
        sentences.append(f"spool_left: {found.spooled} writes are still in the spool")
    if found.rejected:
        sentences.append(f"write_rejected: {found.rejected} writes were refused for good")
    return sentences


def of_call(
    told: Told, found: Found, died_at: float | None, frozen: Collection[Span] = ()
) -> list[str]:
    """An answered call, and what is on record of it; a sentence for each that does not fit.

    Parameters:
        died_at, frozen: of its service, as in `broken`.
    """
    record = found.calls.get(told.call)
    if record is None:
        return [f"call_lost: {told.call} ({told.role}) is not on record"]
    sentences = []
    if record.open:
        sentences.append(f"call_left_open: {told.call} ({told.role}) has no end on record")
    if record.backwards:
        sentences.append(f"time_backwards: {told.call} ended before it began")
    if record.missing:
        sentences.append(f"log_lost: {record.missing} rows of the event log of {told.call}")
    until = told.ended_at if died_at is None else min(told.ended_at, died_at - AFTER_S)
    heard = sum(end <= until for end in told.utterances)
    if record.bot_turns < heard:
        sentences.append(
            f"transcript_lost: {told.call} heard {heard} utterances, "
            f"{record.bot_turns} are on record"
        )
    if (
        told.spoke_until is not None
        and until - told.spoke_until > UNDERSTOOD_S
        and not record.caller_turns
    ):
        sentences.append(f"transcript_lost: nothing that {told.call} said is on record")
    if told.silence_s > SILENT_S:
        sentences.append(f"silent: {told.call} ({told.role}) heard {told.silence_s:.1f} s of it")
    away = died_at is not None or any(begin <= told.ended_at <= end for begin, end in frozen)
    if told.broke and told.role == DANGER and not told.reached and not away:
        sentences.append(f"hung_up: {told.call} in danger")
    return sentences


def _handoffs(found: Found) -> list[str]:
    decided = {each: call for call, row in found.calls.items() for each in row.handoffs}
    lost = (set(decided) | found.desk) - set(found.handoffs)
    sentences = [f"handoff_lost: {each} is not on record" for each in sorted(lost)]
    for name, row in sorted(found.handoffs.items()):
        if name not in found.dossiers:
            sentences.append(f"dossier_lost: no desk has that of {name}")
        call = found.calls.get(row.call)
        if not row.settled and call is not None:
            sentences.append(
                f"handoff_forgotten: {name} reached nobody, and no desk was told that it broke off"
            )
    return sentences


def _tickets(found: Found) -> list[str]:
    decided = {each for row in found.calls.values() for each in row.tickets}
    return [f"ticket_lost: {each}" for each in sorted(decided - set(found.tickets))]


def of_danger(told: Sequence[Told]) -> list[str]:
    """A caller who is cut off calls again: one of the calls must reach a person."""
    calls = [each for each in told if each.role == DANGER]
    if calls and not any(each.reached for each in calls):
        return [f"danger_unreached: nobody came in {len(calls)} calls"]
    return []


def longest_silence(
    said: NDArray[np.bool_],
    heard: NDArray[np.bool_],
    excused: Collection[Span] = (),
    step_s: float = 0.02,
) -> float:
    """Seconds of the longest stretch in which nobody is heard, less what is excused.

    Parameters:
        said, heard: for each window of `step_s`: is there sound of the caller, at the caller?
        excused: seconds of the call, such as those in which the service was frozen, or a person
            was there, who may let the caller talk to the end.
    """
    size = min(len(said), len(heard))
    loud = np.flatnonzero(said[:size] | heard[:size])
    if len(loud) == 0:
        return size * step_s
    edges = [0, *loud.tolist()]
    if said[loud[-1]]:  # nothing came after the caller's last word
        edges.append(size)
    longest = 0.0
    for begin, end in pairwise(edges):
        if end - begin > 1:
            span = (begin * step_s, end * step_s)
            longest = max(longest, _left(span, excused))
    return longest


def _left(span: Span, excused: Collection[Span]) -> float:
    """The longest part of a span that lies in none of the others."""
    longest, begin = 0.0, span[0]
    for start, end in sorted(excused):
        if end <= begin or start >= span[1]:
            continue
        longest, begin = max(longest, start - begin), end
    return max(longest, span[1] - begin)
