"""One run of the retention: batches, each with its audit row in the same transaction."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, SQLColumnExpression, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from voicebot.agents.tables import AgentDraftRow
from voicebot.callers.tables import LimitRow
from voicebot.clock import BEIJING
from voicebot.config_retention import Retention
from voicebot.duty.tables import DutyNoticeRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow
from voicebot.figures.tables import TopicRow
from voicebot.records.database import open_engine
from voicebot.records.tables import AuditRow, CallEventRow, CallRow, TicketRow, TurnRow
from voicebot.retention import beside, recordings, removing
from voicebot.retention.batches import BATCH, Batches, N
from voicebot.retention.holds import held, held_tickets
from voicebot.retention.mark import REMOVED
from voicebot.tickets.states import FINISHED
from voicebot.tickets.tables import TicketStepRow
from voicebot.webhooks.tables import WebhookEventRow

DAY_S = 86400.0
KINDS = (
    "recordings", "transcripts", "events", "personal", "exchange", "limits", "notices", "topics",
    "webhooks", "audit",
)  # fmt: skip

Remove = Callable[[Session, Collection[N]], Counter[str]]
Holds = Callable[[Session, Collection[N], float], set[N]]
What = tuple[InstrumentedAttribute[N], SQLColumnExpression[float], ColumnElement[bool]]
"""Names, when their matter was over, and which are due."""

NOBODY = ("", REMOVED)
"""No number."""

_OVER = func.coalesce(CallRow.ended_at, CallRow.started_at)
_LAST_STEP = (
    select(func.max(TicketStepRow.at)).where(TicketStepRow.ticket == TicketRow.id).scalar_subquery()
)
_DONE = func.coalesce(TicketRow.closed_at, TicketRow.answered_at, _LAST_STEP, TicketRow.updated_at)
"""A ticket that was withdrawn has neither of the first two: it is over since that step."""


@dataclass
class Outcome:
    """What a run has deleted, or would: counts by kind. `held`: calls and tickets past their time
    that something open still needs."""

    removed: dict[str, Counter[str]] = field(
        default_factory=lambda: {kind: Counter() for kind in KINDS}
    )
    held: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        return {
            kind: {**{k: v for k, v in counts.items() if v}, "held": self.held[kind]}
            for kind, counts in self.removed.items()
        }


class Run:
    """Deletes what is past its time; blocking.

    Parameters:
        engine: made by `open_engine(url, writes=True)`.
        folder: that of the recordings on this machine.
        who: ``{"principal", "role", "client"}`` for the audit rows.
        now: seconds since the epoch.
        exchange: ledgers are compared with 110's; dossiers are held until they were.
        dry: count, and delete nothing.
        go_on: called before each batch; what it raises ends the run.
        pause: waits so many seconds between two transactions.
    """

    def __init__(
        self,
        engine: Engine,
        rules: Retention,
        folder: Path,
        who: dict[str, Any],
        now: float,
        *,
        exchange: bool = False,
        dry: bool = False,
        go_on: Callable[[], None] = lambda: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rules, self._folder = rules, folder
        self._who, self._now = who, now
        reader = open_engine(engine.url.render_as_string(hide_password=False))
        self._batches = Batches(reader, engine, dry, go_on, pause)
        self._held = partial(held, exchange=exchange)
        self._held_tickets = partial(held_tickets, exchange=exchange)
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """All kinds that have a time.

        Raises:
            SQLAlchemyError: the database takes no write; what was committed stays so.
        """
        try:
            self._all()
        finally:
            self._batches.reader.dispose()
        return self._outcome

    def _all(self) -> None:
        if self._rules.recordings:
            self._recordings(self._cutoff(self._rules.recordings))
        if self._rules.transcripts:
            spoken = exists().where(TurnRow.call_id == CallRow.id)
            self._calls("transcripts", self._rules.transcripts, spoken, removing.transcripts)
        if self._rules.events:
            logged = exists().where(CallEventRow.call_id == CallRow.id)
            self._calls("events", self._rules.events, logged, removing.events)
        if self._rules.personal:
            self._tickets(self._cutoff(self._rules.personal))
            typed = exists().where(AgentDraftRow.call_id == CallRow.id)
            named = or_(CallRow.caller.not_in(NOBODY), typed)
            self._calls("personal", self._rules.personal, named, removing.numbers)
            self._of_no_call(self._cutoff(self._rules.personal))
        self._beside()
        if self._rules.audit:
            self._acts(self._cutoff(self._rules.audit))

    def _cutoff(self, days: int) -> float:
        return self._now - days * DAY_S

    def _calls(self, kind: str, days: int, there: ColumnElement[bool], remove: Remove[str]) -> None:
        cutoff = self._cutoff(days)
        due = and_(cutoff > _OVER, there)
        self._sweep(kind, cutoff, (CallRow.id, _OVER, due), self._held, remove)

    def _of_no_call(self, cutoff: float) -> None:
        """Numbers beside a call that never came to be, or of which they stood there later on."""
        for table, at in removing.BESIDE_CALLS.items():
            named = exists().where(CallRow.id == table.call_id, CallRow.caller.not_in(NOBODY))
            due = and_(at < cutoff, table.number.not_in(NOBODY), ~named)
            remove = partial(removing.numbers_beside, table=table)
            self._sweep("personal", cutoff, (table.call_id, at, due), self._held, remove)

    def _beside(self) -> None:
        """Envelopes, limits, notices, topics and events for webhooks."""
        rules = self._rules
        if rules.exchange:
            cutoff = self._cutoff(rules.exchange)
            for table in (EnvelopeRow, InboxRow):
                what = (
                    table.number,
                    beside.envelope_over(table),
                    beside.envelope_due(table, cutoff),
                )
                held = partial(beside.envelopes_held, table)
                self._sweep("exchange", cutoff, what, held, partial(beside.envelopes, table))
        if rules.limits:
            cutoff = self._cutoff(rules.limits)
            limits = (LimitRow.id, beside.LIMIT_OVER, beside.limit_due(cutoff))
            self._sweep("limits", cutoff, limits, beside.limits_held, beside.limits)
        if rules.notices:
            cutoff = self._cutoff(rules.notices)
            notices = (DutyNoticeRow.id, beside.NOTICE_OVER, beside.notice_due(cutoff))
            self._sweep("notices", cutoff, notices, beside.notices_held, beside.notices)
        if rules.topics:
            cutoff = self._cutoff(rules.topics)
            topics = (TopicRow.id, TopicRow.last_at, beside.topic_due(cutoff))
            self._sweep("topics", cutoff, topics, beside.nothing_held, beside.topics)
        if rules.webhooks:
            cutoff = self._cutoff(rules.webhooks)
            over = beside.EVENT_OVER
            events = (WebhookEventRow.number, over, over < cutoff)
            self._sweep("webhooks", cutoff, events, beside.nothing_held, beside.events)

    def _tickets(self, cutoff: float) -> None:
        due = and_(cutoff > _DONE, TicketRow.status.in_(FINISHED), TicketRow.matter != REMOVED)
        what = (TicketRow.id, _DONE, due)
        self._sweep("personal", cutoff, what, self._held_tickets, removing.tickets)

    def _sweep(
        self, kind: str, cutoff: float, what: What[N], holds: Holds[N], remove: Remove[N]
    ) -> None:
        name, _, due = what
        for names in self._batches.due(*what):
            with self._batches.transaction() as session:
                # What was read may have been taken up again since.
                still = session.scalars(select(name).where(name.in_(names), due)).all()
                kept = holds(session, still, self._now)
                self._outcome.held[kind] += len(kept)
                free = [each for each in still if each not in kept]
                if free:
                    self._audit(session, kind, cutoff, remove(session, free))

    def _acts(self, cutoff: float) -> None:
        with Session(self._batches.reader) as session:
            end = removing.audit_end(session, cutoff)
        gone = removing.ACTS if end is not None else 0
        while end is not None and gone == removing.ACTS:
            self._batches.go_on()
            with self._batches.transaction() as session:
                gone = removing.audit(session, end, self._who, self._now)
            self._outcome.removed["audit"]["acts"] += gone
            if self._batches.dry:
                return

    def _recordings(self, cutoff: float) -> None:
        """Files of this machine, by when their call ended; those of no call by their own time."""
        due = self._due(recordings.files(self._folder), cutoff)
        for start in range(0, len(due), BATCH):
            self._batches.go_on()
            with self._batches.transaction() as session:
                gone, paths = self._forget(session, dict(due[start : start + BATCH]), cutoff)
            # Only what is committed as gone: a file cannot be rolled back.
            left = [] if self._batches.dry else [f for f in gone if not recordings.unlink(f)]
            if left:
                with self._batches.transaction() as session:
                    removing.put_back(session, {gone[f]: paths.get(gone[f], "") for f in left})
                    self._audit(session, "recordings", cutoff, Counter(not_removed=len(left)))
                self._outcome.removed["recordings"]["files"] -= len(left)

    def _due(self, files: Sequence[Path], cutoff: float) -> list[tuple[Path, str]]:
        """Those of these files that are past their time, with their calls; "": of none."""
        with Session(self._batches.reader) as session:
            calls = recordings.of_calls(session, files)
        due = []
        for file in files:
            call, ended = calls[file] if file in calls else ("", recordings.modified(file))
            if ended is not None and ended < cutoff:
                due.append((file, call))
        return due

    def _forget(
        self, session: Session, due: Mapping[Path, str], cutoff: float
    ) -> tuple[dict[Path, str], dict[str, str]]:
        """Those of these files that go, with their calls; and these calls' paths on record."""
        kept = self._held(session, set(due.values()), self._now)
        gone = {file: call for file, call in due.items() if call not in kept}
        self._outcome.held["recordings"] += len(due) - len(gone)
        paths = removing.paths(session, gone.values())
        if gone:
            counts = removing.recordings(session, set(paths))
            counts["files"] = len(gone)
            self._audit(session, "recordings", cutoff, counts)
        return gone, paths

    def _audit(self, session: Session, kind: str, cutoff: float, counts: Counter[str]) -> None:
        self._outcome.removed[kind] += counts
        until = datetime.fromtimestamp(cutoff, BEIJING).date().isoformat()
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        subject = f"until {until}: {told}"
        session.add(
            AuditRow(at=self._now, action=f"retention.{kind}", subject=subject, **self._who)
        )
