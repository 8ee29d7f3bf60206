"""What a supervisor (值班长) has to see to now: what waits for people, and what does not work.

Nothing is kept: an alarm stands as long as its cause does. `of_records` reads the database,
`of_service` what the service knows of itself; both only say what is, a person decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from voicebot.callers.missed import OPEN as MISSED_OPEN
from voicebot.callers.tables import LimitRow, MissedCallRow
from voicebot.duty.tables import DutyNoticeRow
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow
from voicebot.figures.tables import TopicAlarmRow
from voicebot.incidents.announcing import LASTS_S
from voicebot.incidents.tables import AnnouncementRow
from voicebot.metrics.backlog import NOT_TAKEN
from voicebot.metrics.standing import Standing
from voicebot.records.tables import Base, OutboxRow, TicketRow
from voicebot.webhooks.tables import WebhookEventRow

Level = Literal["danger", "warn", "note"]
MOST_COUNTED = 1_000
"""More of a kind are told as so many and more."""
DOSSIER_S, ENVELOPE_S = 30.0, 600.0
"""A message that waits longer has not got through."""
RUN_S = 3_600.0
"""A reconciliation that has no end by then was broken off."""
LOOKED_BACK_S = 7 * 86_400.0
TOPICS_S = 86_400.0
LAG_MS = 200.0
_ORDER: tuple[Level, ...] = ("danger", "warn", "note")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One cause.

    Parameters:
        code: what it is, for the catalogue of messages.
        count: how many of them, at most `MOST_COUNTED`.
        since: when the oldest began, seconds since the epoch; None where that is not known.
        about: a line, a place, a topic; "" for none.
    """

    code: str
    level: Level
    count: int = 1
    since: float | None = None
    about: str = ""


def in_order(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Danger first, then the oldest."""
    return sorted(
        alarms, key=lambda each: (_ORDER.index(each.level), each.since or float("inf"), each.code)
    )


def of_records(session: Session, at: float) -> list[Alarm]:
    """What waits in the database at `at` (seconds since the epoch)."""

    def waiting(
        code: str,
        level: Level,
        table: type[Base],
        since: InstrumentedAttribute[float] | InstrumentedAttribute[float | None],
        *which: ColumnElement[bool],
    ) -> Iterable[Alarm]:
        some = select(since.label("since")).select_from(table).where(*which).limit(MOST_COUNTED)
        rows = some.subquery()
        count, oldest = session.execute(select(func.count(), func.min(rows.c.since))).one()
        if count:
            yield Alarm(code, level, count, oldest)

    recent = at - LOOKED_BACK_S
    unsent = EnvelopeRow.state == "waiting"
    return [
        *waiting(
            "dossier_waits", "danger", OutboxRow, OutboxRow.created_at,
            OutboxRow.state == "waiting", OutboxRow.created_at < at - DOSSIER_S,
        ),
        *waiting(
            "missed_in_danger", "danger", MissedCallRow, MissedCallRow.at,
            MissedCallRow.state.in_(MISSED_OPEN), MissedCallRow.danger.is_(True),
        ),
        *waiting(
            "notice_unanswered", "danger", DutyNoticeRow, DutyNoticeRow.created_at,
            DutyNoticeRow.state == "alarm",
        ),
        *waiting(
            "police_order_waits", "danger", EnvelopeRow, EnvelopeRow.created_at,
            unsent, EnvelopeRow.priority == 0, EnvelopeRow.created_at < at - DOSSIER_S,
        ),
        *waiting(
            "envelope_waits", "warn", EnvelopeRow, EnvelopeRow.created_at,
            unsent, EnvelopeRow.priority != 0, EnvelopeRow.created_at < at - ENVELOPE_S,
        ),
        *waiting(
            "webhook_waits", "warn", WebhookEventRow, WebhookEventRow.at,
            WebhookEventRow.waiting_for.is_not(None), WebhookEventRow.at < at - ENVELOPE_S,
        ),
        *waiting(
            "message_not_taken", "warn", InboxRow, InboxRow.received_at,
            InboxRow.state.in_(NOT_TAKEN), InboxRow.received_at > recent,
        ),
        *waiting(
            "ticket_overdue", "warn", TicketRow, TicketRow.awaited_by, TicketRow.awaited_by < at,
        ),
        *waiting(
            "difference_open", "warn", DifferenceRow, DifferenceRow.found_at,
            DifferenceRow.state == "open",
        ),
        *waiting(
            "appeal_open", "warn", LimitRow, LimitRow.set_at,
            LimitRow.state == "in_force", LimitRow.ends_at > at, LimitRow.appeal == "open",
        ),
        *waiting(
            "limit_proposed", "note", LimitRow, LimitRow.proposed_at, LimitRow.state == "proposed",
        ),
        *waiting(
            "announcement_to_approve", "note", AnnouncementRow, AnnouncementRow.proposed_at,
            AnnouncementRow.approved_at.is_(None), AnnouncementRow.ended_at.is_(None),
            AnnouncementRow.proposed_at > at - LASTS_S,
        ),
        *_topics(session, at),
        *_reconciliation(session, at),
    ]  # fmt: skip


def of_service(
    standing: Standing,
    waiting: int,
    stale: Iterable[str] = (),
    lost: Mapping[str, float] | None = None,
) -> list[Alarm]:
    """What the service knows of itself. Pure.

    Parameters:
        waiting: callers in danger who wait for a line to 110.
        stale: names of lines whose seats were told once, and not any more.
        lost: nodes with calls that have fallen silent, and since when (seconds since the epoch).
    """
    found: list[Alarm] = []
    if waiting:
        found.append(Alarm("waits_for_police", "danger", waiting))
    if not standing.available:
        found.append(Alarm("records_away", "danger"))
    if standing.stopping:
        found.append(Alarm("stopping", "warn"))
    if standing.lines_room and standing.lines >= standing.lines_room:
        found.append(Alarm("lines_full", "danger"))
    if standing.room and standing.calls >= standing.room:
        found.append(Alarm("calls_full", "warn"))
    if standing.lag.p99 > LAG_MS:
        found.append(Alarm("slow", "warn"))
    found += [Alarm("figures_stale", "warn", about=line) for line in stale]
    found += [
        Alarm("node_lost", "danger", since=since, about=node)
        for node, since in (lost or {}).items()
    ]
    return found


def _topics(session: Session, at: float) -> Iterable[Alarm]:
    raised = session.execute(
        select(TopicAlarmRow.topic, func.min(TopicAlarmRow.raised_at))
        .where(TopicAlarmRow.raised_at > at - TOPICS_S)
        .group_by(TopicAlarmRow.topic)
    ).all()
    if raised:
        yield Alarm("topic_rising", "warn", len(raised), min(since for _, since in raised))


def _reconciliation(session: Session, at: float) -> Iterable[Alarm]:
    newest = session.scalars(
        select(ReconciliationRow).order_by(ReconciliationRow.number.desc()).limit(1)
    ).first()
    if newest is not None and newest.ended_at is None and newest.began_at < at - RUN_S:
        yield Alarm("reconciliation_broken_off", "warn", since=newest.began_at)
