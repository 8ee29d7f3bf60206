"""What is due of notices and messages; each function is one transaction of the worker's.

A message that is claimed comes up again after `LEASE_S`: whoever claimed it may be dead.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.config_notices import Notices
from voicebot.duty import directory
from voicebot.duty.notices.content import REMINDER_ALARM_S, acknowledge_s, facts
from voicebot.duty.notices.receipts import receipt_id
from voicebot.duty.notices.telling import Alarm, Channel, DeskAlone, Tell, next_step
from voicebot.duty.rota import on_duty
from voicebot.duty.tables import DutyMessageRow, DutyNoticeRow

LEASE_S = 60.0
AT_A_LOOK = 50
OPEN = ("open", "alarm")


@dataclass(frozen=True, slots=True)
class Step:
    """What came next of a notice."""

    notice: str
    line: str
    region: str
    subject: str
    waited_s: float
    what: Tell | Alarm | DeskAlone


def due_notices(session: Session, now: float) -> list[str]:
    """Those to be looked at, the oldest first."""
    query = (
        select(DutyNoticeRow.id)
        .where(DutyNoticeRow.state.in_(OPEN), DutyNoticeRow.due_at <= now)
        .order_by(DutyNoticeRow.due_at)
        .limit(AT_A_LOOK)
    )
    return list(session.scalars(query))


def advance(
    session: Session, notice: str, now: float, settings: Notices, channels: Collection[Channel]
) -> Step | None:
    """Tell the next person, or find that nobody is left; None: somebody else has done it."""
    row = session.get(DutyNoticeRow, notice, with_for_update=True)
    if row is None or row.state not in OPEN or row.due_at > now:
        return None
    rota = directory.shifts(session, row.line)
    told = set(
        session.scalars(
            select(DutyMessageRow.person).where(DutyMessageRow.notice == notice).distinct()
        )
    )
    people = on_duty(rota, row.line, row.region or None, datetime.fromtimestamp(now, BEIJING))
    what = next_step(people, told, has_rota=bool(rota), channels=channels)
    match what:
        case Tell():
            row.told += 1
            row.state = "open"
            row.due_at = now + acknowledge_s(settings, reminder=bool(row.text))
            _write_messages(session, row, what, now)
        case Alarm():
            row.state = "alarm"
            row.due_at = now + (REMINDER_ALARM_S if row.text else settings.alarm_every_s)
        case DeskAlone():
            row.state = "desk"
    return Step(notice, row.line, row.region, row.subject, now - row.created_at, what)


def due_messages(session: Session, now: float, skip: Collection[str], limit: int) -> list[str]:
    """Messages whose time has come but for those of `skip`, the oldest first."""
    query = (
        select(DutyMessageRow.id)
        .where(
            DutyMessageRow.state == "waiting",
            DutyMessageRow.next_attempt_at <= now,
            DutyMessageRow.id.not_in(skip),
        )
        .order_by(DutyMessageRow.next_attempt_at)
        .limit(limit)
    )
    return list(session.scalars(query))


def claim(session: Session, message: str, now: float) -> dict[str, Any] | None:
    """The message, ours for `LEASE_S`; None: it is somebody else's, or not needed any more."""
    row = session.get(DutyMessageRow, message, with_for_update=True)
    if row is None or row.state != "waiting" or row.next_attempt_at > now:
        return None
    row.next_attempt_at = now + LEASE_S
    return {
        "id": row.id,
        "notice": row.notice,
        "channel": row.channel,
        "address": row.address,
        "facts": dict(row.payload),
        "attempts": row.attempts,
    }


def delivered(session: Session, message: str, now: float) -> None:
    row = session.get(DutyMessageRow, message, with_for_update=True)
    if row is not None and row.delivered_at is None:
        row.state, row.delivered_at, row.last_error = "delivered", now, ""
        row.attempts += 1


def failed(session: Session, message: str, attempts: int, again: float, error: str) -> None:
    row = session.get(DutyMessageRow, message, with_for_update=True)
    if row is not None and row.state == "waiting":
        row.attempts, row.next_attempt_at, row.last_error = attempts, again, error


def _write_messages(session: Session, row: DutyNoticeRow, tell: Tell, now: float) -> None:
    receipt = receipt_id(row.id, row.told)
    known = facts(
        line=row.line,
        region=row.region,
        subject=row.subject,
        caller=row.caller,
        receipt=receipt,
        own_line=tell.own_line,
        text=row.text,
    )
    for channel, address in tell.channels.items():
        session.add(
            DutyMessageRow(
                id=f"{receipt}-{channel}",
                notice=row.id,
                channel=channel,
                person=tell.person.person,
                address=address,
                payload=known,
                state="waiting",
                attempts=0,
                created_at=now,
                next_attempt_at=now,
                last_error="",
            )
        )
