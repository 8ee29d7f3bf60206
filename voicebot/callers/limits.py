"""Limits of numbers (骚扰限制, R11): proposed by rule, set by a person, over by themselves.

Functions of a session, in the caller's transaction. A limit is an entry of its own with its
steps; nothing is deleted. In force means: set, not lifted, and its last day not over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from voicebot.callers.days import end_of_limit
from voicebot.callers.errors import CallersError, NotKnown
from voicebot.callers.nuisance import REASONS
from voicebot.callers.tables import LimitRow, LimitStepRow
from voicebot.records.tables import CallRow

MOST_DAYS = 30
"""The plan allows no longer limit (30个自然日内)."""
MOST_WHY = 2000
_NUMBER = re.compile(r"\+?[0-9]{5,20}")


# ── set, reviewed, lifted ─────────────────────────────────────────────────────────


def set_limit(
    session: Session,
    number: str,
    *,
    reason: str,
    evidence: Sequence[str],
    who: str,
    why: str,
    at: float,
    days: int = MOST_DAYS,
) -> LimitRow:
    """Limit a number from now to the end of the last of `days` calendar days.

    Parameters:
        evidence: ids of calls of this number; those of its proposal are used where none are given.

    Raises:
        CallersError: no telephone number, no evidence, no reason, limited already.
    """
    check_reason(reason)
    if not _NUMBER.fullmatch(number):
        raise CallersError("Write the number as callers' numbers are kept: 13800138000, 0898…")
    if not 1 <= days <= MOST_DAYS:
        raise CallersError(f"A limit lasts 1 to {MOST_DAYS} calendar days, not {days}.")
    name, told = name_of(who), reason_of(why)
    row = newest(session, number)
    if row is not None and is_in_force(row, at):
        raise CallersError(f"This number is limited already, by limit {row.id}.")
    if row is None or row.state != "proposed":
        row = LimitRow(number=number, state="proposed", evidence=[], proposed_at=at, reason=reason)
        session.add(row)
    calls = list(dict.fromkeys(evidence)) or row.evidence
    _check_evidence(session, number, calls)
    row.state, row.reason, row.evidence = "in_force", reason, calls
    row.set_at, row.set_by, row.ends_at = at, name, end_of_limit(at, days)
    session.flush()
    add_step(session, row, "set", name, told, at)
    return row


def review(
    session: Session, limit: int, *, who: str, why: str, at: float, lift: bool = False
) -> LimitRow:
    """Somebody else looks at a limit again, on an appeal or without one, and keeps or lifts it.

    Raises:
        NotKnown: no such limit.
        CallersError: it is not in force; the reviewer is who set it.
    """
    row = _in_force(session, limit, at)
    name, told = name_of(who), reason_of(why)
    if name == row.set_by:
        raise CallersError("Who has set a limit does not review it; ask somebody else.")
    if row.appeal == "open":
        row.appeal = "granted" if lift else "rejected"
    add_step(session, row, "reviewed", name, told, at)
    if lift:
        _lift(session, row, name, told, at)
    return row


def lift(session: Session, limit: int, *, who: str, why: str, at: float) -> LimitRow:
    """Take a limit back at once; anyone entitled may, who set it too.

    Raises:
        NotKnown: no such limit.
        CallersError: it is not in force.
    """
    name, told = name_of(who), reason_of(why)
    row = _in_force(session, limit, at)
    if row.appeal == "open":
        row.appeal = "granted"
    _lift(session, row, name, told, at)
    return row


def appeal(
    session: Session, number: str, *, who: str, why: str, at: float, ticket: str = ""
) -> LimitRow | None:
    """The caller does not agree (申诉); None where the number was not limited then. Idempotent.

    Parameters:
        ticket: the work order that holds the appeal, where it was made by telephone.
    """
    row = newest(session, number)
    if row is None or not is_in_force(row, at):
        return None
    key = f"{row.id}:appealed:{ticket or at}"
    if session.scalars(select(LimitStepRow.id).filter_by(key=key)).first() is None:
        row.appeal = "open"
        text = f"工单 {ticket}：{why}" if ticket else why
        add_step(session, row, "appealed", who, text[:MOST_WHY], at, key=key)
    return row


def appeal_of(session: Session, number: str, *, who: str, why: str, at: float) -> LimitRow:
    """As `appeal`, for a person who has taken it down.

    Raises:
        NotKnown: the number is not limited.
    """
    row = appeal(session, number, who=name_of(who), why=reason_of(why), at=at)
    if row is None:
        raise NotKnown("This number is not limited; `voicebot callers limits` lists all.")
    return row


# ── reading ───────────────────────────────────────────────────────────────────────


def is_in_force(row: LimitRow, at: float) -> bool:
    return row.state == "in_force" and row.ends_at is not None and at < row.ends_at


def in_force(session: Session, at: float) -> dict[str, float]:
    """The limited numbers, and when each is limited no more."""
    rows = session.execute(
        select(LimitRow.number, LimitRow.ends_at).where(
            LimitRow.state == "in_force", LimitRow.ends_at > at
        )
    )
    return {number: ends_at for number, ends_at in rows if ends_at is not None}


def ends_at(session: Session, number: str, at: float) -> float | None:
    """When the number is limited no more; None: it is not limited."""
    return session.scalars(
        select(LimitRow.ends_at)
        .where(LimitRow.number == number, LimitRow.state == "in_force", LimitRow.ends_at > at)
        .order_by(LimitRow.ends_at.desc())
    ).first()


def listed(session: Session, at: float, *, everything: bool = False) -> list[dict[str, Any]]:
    """Proposals and limits in force, open appeals first; `everything`: those that are over too."""
    rows = session.scalars(select(LimitRow).order_by(LimitRow.id))
    found = [values(row, at) for row in rows]
    if not everything:
        found = [each for each in found if each["state"] in ("proposed", "in_force")]
    return sorted(found, key=lambda each: (each["appeal"] != "open", each["id"]))


def page(
    session: Session,
    at: float,
    *,
    which: Literal["open", "appeals", "all"] = "open",
    before: int | None = None,
    most: int = 50,
) -> list[dict[str, Any]]:
    """Limits, the newest first; `values` of each, with its ``steps``.

    Parameters:
        which: proposals and limits in force; those in force with an open appeal; all.
        before: only limits older than this one: the last of the page before.
    """
    found = select(LimitRow)
    in_force_now = and_(LimitRow.state == "in_force", LimitRow.ends_at > at)
    if which == "open":
        found = found.where(or_(LimitRow.state == "proposed", in_force_now))
    elif which == "appeals":
        found = found.where(in_force_now, LimitRow.appeal == "open")
    if before is not None:
        found = found.where(LimitRow.id < before)
    return _with_steps(session, found.order_by(LimitRow.id.desc()).limit(most), at)


def history(session: Session, number: str, at: float) -> list[dict[str, Any]]:
    """All limits that a number has had, each with its ``steps``."""
    mine = select(LimitRow).where(LimitRow.number == number).order_by(LimitRow.id)
    return _with_steps(session, mine, at)


def _with_steps(session: Session, chosen: Select[LimitRow], at: float) -> list[dict[str, Any]]:
    rows = session.scalars(chosen).all()
    steps = session.scalars(
        select(LimitStepRow)
        .where(LimitStepRow.limit_id.in_([row.id for row in rows]))
        .order_by(LimitStepRow.at, LimitStepRow.id)
    ).all()
    return [
        {
            **values(row, at),
            "steps": [
                {"at": step.at, "step": step.step, "who": step.who, "why": step.why}
                for step in steps
                if step.limit_id == row.id
            ],
        }
        for row in rows
    ]


def values(row: LimitRow, at: float) -> dict[str, Any]:
    """A limit as plain values; `state` is ``expired`` once its last day is over."""
    over = row.state == "in_force" and not is_in_force(row, at)
    return {
        "id": row.id,
        "number": row.number,
        "state": "expired" if over else row.state,
        "reason": row.reason,
        "evidence": list(row.evidence),
        "proposed_at": row.proposed_at,
        "set_at": row.set_at,
        "set_by": row.set_by,
        "ends_at": row.ends_at,
        "appeal": row.appeal,
        "reported": row.reported,
    }


# ── how ───────────────────────────────────────────────────────────────────────────


def newest(session: Session, number: str) -> LimitRow | None:
    return session.scalars(
        select(LimitRow).where(LimitRow.number == number).order_by(LimitRow.id.desc()).limit(1)
    ).first()


def known(session: Session, limit: int) -> LimitRow:
    row = session.get(LimitRow, limit)
    if row is None:
        raise NotKnown(f"There is no limit {limit}; `voicebot callers limits` lists them.")
    return row


def _in_force(session: Session, limit: int, at: float) -> LimitRow:
    row = known(session, limit)
    if not is_in_force(row, at):
        raise CallersError(f"Limit {limit} is not in force: {values(row, at)['state']}.")
    return row


def _lift(session: Session, row: LimitRow, who: str, why: str, at: float) -> None:
    row.state = "lifted"
    add_step(session, row, "lifted", who, why, at)


def add_step(
    session: Session, row: LimitRow, step: str, who: str, why: str, at: float, key: str = ""
) -> None:
    session.add(
        LimitStepRow(
            limit_id=row.id, at=at, step=step, who=who, why=why, key=key or f"{row.id}:{step}:{at}"
        )
    )


def check_reason(reason: str) -> None:
    if reason not in REASONS:
        choice = ", ".join(f"{name} ({said})" for name, said in REASONS.items())
        raise CallersError(f"{reason!r} is no reason; use one of {choice}.")


def _check_evidence(session: Session, number: str, calls: Sequence[str]) -> None:
    if not calls:
        raise CallersError("Name at least one call as evidence; `voicebot callers counts` helps.")
    theirs = set(
        session.scalars(select(CallRow.id).where(CallRow.id.in_(calls), CallRow.caller == number))
    )
    strange = [call for call in calls if call not in theirs]
    if strange:
        raise CallersError(f"No call of this number on record: {', '.join(strange)}.")


def name_of(who: str) -> str:
    name = who.strip()[:64]
    if not name:
        raise CallersError("Whoever decides about a limit has to have a name.")
    return name


def reason_of(why: str) -> str:
    text = why.strip()[:MOST_WHY]
    if not text:
        raise CallersError("Say why; the reason is kept with the limit.")
    return text
