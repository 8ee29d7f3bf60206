"""What callers asked and what became of it, from the event log of their calls.

The log holds all that is needed: each search with its place (`Search`), its result
(`SearchResult`), what was said (`Say`), decided (`Decide`) and heard next (`Heard`). Nothing is
masked here; what is shown of a question goes through `voicebot.masking` first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Any

from rapidfuzz import fuzz
from sqlalchemy import select
from sqlalchemy.orm import Session

from flows.answering import NO_ANSWER
from kb.wording import characters, without_fillers
from voicebot.records.tables import CallEventRow, CallRow

SAME_QUESTION = 65.0
"""rapidfuzz's ratio, 0…100, from which a caller's next question is the last one again."""
_KINDS = ("Search", "SearchResult", "Say", "Decide", "Heard")
_REJECTED = re.compile(
    r"不是(?:这个|问这个|这件事|这意思|我要?问的|我想问的)|不对|答非所问|没(?:有)?回答|听不懂|"
    r"你?没听懂|不是说这个|我问的(?:不是|是)"
)
_LONGEST_REJECTION = 20


class Outcome(StrEnum):
    """What became of a question."""

    ANSWERED = "answered"
    """已答: an approved answer, and no objection."""
    CLARIFIED = "clarified"
    """追问: the caller was asked which of two was meant."""
    ABSTAINED = "abstained"
    """未答: there was no approved answer; a ticket was opened."""
    REJECTED = "rejected"
    """答错: the caller said that this was not it (不是这个)."""
    ASKED_AGAIN = "asked_again"
    """重问: the caller asked the same once more after the answer."""


BAD = (Outcome.ABSTAINED, Outcome.REJECTED, Outcome.ASKED_AGAIN, Outcome.CLARIFIED)
"""The outcomes that a better knowledge base would have spared the caller, the worst first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of one call.

    `at` is in seconds since the epoch, `entry` what was answered, `nearest` what the search put
    first, sure or not.
    """

    call_id: str
    at: float
    query: str
    outcome: Outcome
    region: str = ""
    did: str = ""
    entry: str = ""
    nearest: str = ""


def read_asked(session: Session, since: float, until: float) -> Iterator[Asked]:
    """The questions of the calls that began in [since, until), by call; streamed."""
    rows = session.execute(
        select(CallEventRow, CallRow.started_at, CallRow.region, CallRow.did)
        .join(CallRow, CallRow.id == CallEventRow.call_id)
        .where(
            CallRow.started_at >= since,
            CallRow.started_at < until,
            CallEventRow.kind.in_(_KINDS),
        )
        .order_by(CallRow.started_at, CallEventRow.call_id, CallEventRow.seq)
        .execution_options(yield_per=1000)
    )
    for call_id, events in groupby(rows, key=lambda row: row[0].call_id):
        found = list(events)
        _, started, region, did = found[0]
        log = ((row[0].kind, row[0].at, row[0].payload) for row in found)
        for asked in questions(log):
            yield replace(
                asked,
                call_id=call_id,
                at=(started or 0.0) + asked.at,
                region=asked.region or region or "",
                did=did,
            )


def questions(log: Iterable[tuple[str, float, Mapping[str, Any]]]) -> list[Asked]:
    """The questions of one call's log, (kind, seconds, payload) in order; pure."""
    call = _Call()
    for kind, at, payload in log:
        if kind == "Search":
            call.region = payload.get("region") or call.region
        elif kind == "SearchResult":
            call.searched(payload)
        elif kind == "Say" and payload.get("entry") and payload.get("purpose") == "answer":
            call.answered(at, str(payload["entry"]))
        elif kind == "Decide":
            call.decided(at, str(payload.get("what")), str(payload.get("why")))
        elif kind == "Heard" and payload.get("final") and payload.get("text"):
            call.heard(str(payload["text"]))
    return [asked for asked in call.asked if asked.query]


class _Call:
    """The questions so far; the last of them may still change."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.region = ""
        self._turns: list[int] = []
        self._result: Mapping[str, Any] = {}

    def searched(self, result: Mapping[str, Any]) -> None:
        turn = int(result["turn"])
        if self._turns and self._turns[-1] == turn and result.get("final"):
            # Answered while the caller still spoke: these are the whole words.
            self.asked[-1] = replace(self.asked[-1], query=str(result["query"]))
        self._result = result

    def answered(self, at: float, entry: str) -> None:
        if self._open_clarification(at):
            self.asked[-1] = replace(self.asked[-1], entry=entry)
        elif self._same_turn():
            self.asked[-1] = replace(self.asked[-1], entry=entry, outcome=Outcome.ANSWERED)
        else:
            self._add(at, Outcome.ANSWERED, entry)

    def decided(self, at: float, what: str, why: str) -> None:
        if what == "clarify":
            self._add(at, Outcome.CLARIFIED)
        elif what == "ticket" and why == NO_ANSWER:
            if self._open_clarification(at):
                self.asked[-1] = replace(self.asked[-1], outcome=Outcome.ABSTAINED)
            else:
                self._add(at, Outcome.ABSTAINED)

    def heard(self, text: str) -> None:
        """Whether the caller objects to the answer that was given last."""
        last = self.asked[-1] if self.asked else None
        if last is not None and last.outcome is Outcome.ANSWERED and _rejects(text):
            self.asked[-1] = replace(last, outcome=Outcome.REJECTED)

    def _add(self, at: float, outcome: Outcome, entry: str = "") -> None:
        query = str(self._result.get("query", ""))
        if not entry and _rejects(query):
            return  # about the last answer, and no question of its own
        last = self.asked[-1] if self.asked else None
        if (
            last is not None
            and last.outcome is Outcome.ANSWERED
            and (entry == last.entry or _alike(query, last.query))
        ):
            self.asked[-1] = replace(last, outcome=Outcome.ASKED_AGAIN)
        candidates = self._result.get("candidates") or [("", 0.0)]
        nearest = str(candidates[0][0])
        self.asked.append(Asked("", at, query, outcome, self.region, entry=entry, nearest=nearest))
        self._turns.append(int(self._result.get("turn", -1)))

    def _same_turn(self) -> bool:
        """The answer of this turn is corrected: the final words meant another entry."""
        return bool(self._turns) and self._turns[-1] == self._result.get("turn")

    def _open_clarification(self, at: float) -> bool:
        last = self.asked[-1] if self.asked else None
        return last is not None and last.outcome is Outcome.CLARIFIED and not last.entry


def _rejects(text: str) -> bool:
    return len(text) <= _LONGEST_REJECTION and _REJECTED.search(text) is not None


def _alike(first: str, second: str) -> bool:
    plain = [characters(without_fillers(text)) for text in (first, second)]
    return bool(plain[0] and plain[1]) and fuzz.ratio(*plain) >= SAME_QUESTION
