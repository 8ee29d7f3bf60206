"""What the call path writes about callers: `voicebot.records.operations` of this area."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from voicebot.callers import evaluations, limits, missed, proposing


def note_nuisance(session: Session, *, call_id: str, number: str, reason: str, at: float) -> None:
    """The call counts as nuisance; enough of them make a proposal."""
    proposing.note_call(session, call_id=call_id, number=number, reason=reason, at=at)


def appeal_limit(session: Session, *, number: str, ticket: str, words: str, at: float) -> None:
    """A limited caller appeals, in this work order."""
    limits.appeal(session, number, who="", why=words, at=at, ticket=ticket)


def note_missed(session: Session, **values: Any) -> None:
    """A call was missed (`missed.note`)."""
    missed.note(session, **values)


def called_back(session: Session, *, number: str, at: float, heard: bool) -> None:
    """A call-back that was answered at `at` is over."""
    if heard:
        missed.reached(session, number, at=at)
    else:
        missed.in_vain(session, number, why="有人接听，没有说话", at=at)


def save_evaluation(session: Session, **values: Any) -> None:
    """A caller was asked, or has judged (`evaluations.save`)."""
    evaluations.save(session, **values)
