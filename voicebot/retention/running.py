"""One run of the retention: batches, each with its audit row in the same transaction."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Engine, SQLColumnExpression, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.config_retention import Retention
from voicebot.records.tables import AuditRow, CallEventRow, CallRow, TicketRow, TurnRow
from voicebot.retention import removing
from voicebot.retention.holds import held, held_tickets
from voicebot.retention.mark import REMOVED
from voicebot.tickets.states import FINISHED
from voicebot.tickets.tables import TicketStepRow

log = structlog.get_logger()

BATCH = 200
"""Calls or tickets in one transaction: other writers wait meanwhile."""
DAY_S = 86400.0
KINDS = ("recordings", "transcripts", "events", "personal", "audit")

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
        recordings: the folder of recordings on this machine.
        who: ``{"principal", "role", "client"}`` for the audit rows.
        now: seconds since the epoch.
        dry: count, and delete nothing.
        go_on: called before each batch; what it raises ends the run.
    """

    def __init__(
        self,
        engine: Engine,
        rules: Retention,
        recordings: Path,
        who: dict[str, Any],
        now: float,
        *,
        dry: bool = False,
        go_on: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine, self._rules, self._folder = engine, rules, recordings
        self._who, self._now, self._dry, self._go_on = who, now, dry, go_on
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """All kinds that have a time.

        Raises:
            SQLAlchemyError: the database takes no write; what was committed stays so.
        """
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
            named = CallRow.caller.not_in(NOBODY)
            self._calls("personal", self._rules.personal, named, removing.numbers)
            self._of_no_call(self._cutoff(self._rules.personal))
        if self._rules.audit:
            with Session(self._engine) as session:
                gone = removing.audit(
                    session, self._cutoff(self._rules.audit), self._who, self._now
                )
                self._end(session)
            self._outcome.removed["audit"]["acts"] += gone
        return self._outcome

    def _cutoff(self, days: int) -> float:
        return self._now - days * DAY_S

    def _calls(
        self,
        kind: str,
        days: int,
        there: ColumnElement[bool],
        remove: Callable[[Session, Collection[str]], Counter[str]],
    ) -> None:
        cutoff = self._cutoff(days)
        for names, session in self._batches(CallRow.id, _OVER, and_(cutoff > _OVER, there)):
            kept = held(session, names, self._now)
            self._note(session, kind, cutoff, remove, names, kept)

    def _of_no_call(self, cutoff: float) -> None:
        """Numbers beside a call that never came to be, or of which they stood there later on."""
        for table, at in removing.BESIDE_CALLS.items():
            named = exists().where(CallRow.id == table.call_id, CallRow.caller.not_in(NOBODY))
            due = and_(at < cutoff, table.number.not_in(NOBODY), ~named)
            remove = partial(removing.numbers_beside, table=table)
            for names, session in self._batches(table.call_id, at, due):
                kept = held(session, names, self._now)
                self._note(session, "personal", cutoff, remove, names, kept)

    def _tickets(self, cutoff: float) -> None:
        due = and_(cutoff > _DONE, TicketRow.status.in_(FINISHED), TicketRow.matter != REMOVED)
        for names, session in self._batches(TicketRow.id, _DONE, due):
            kept = held_tickets(session, names, self._now)
            self._note(session, "personal", cutoff, removing.tickets, names, kept)

    def _recordings(self, cutoff: float) -> None:
        """Files of this machine, by when their call ended; those of no call by their own time."""
        files = _files(self._folder)
        for start in range(0, len(files), BATCH):
            self._go_on()
            some = files[start : start + BATCH]
            with Session(self._engine) as session:
                calls = self._recorded(session, some)
                kept = held(session, {call for call, _ in calls.values()}, self._now)
                gone, spared, names = [], 0, set()
                for file in some:
                    call, ended = calls[file] if file in calls else ("", _modified(file))
                    if ended is None or ended >= cutoff:
                        continue
                    if call in kept:
                        spared += 1
                        continue
                    gone.append(file)
                    names.add(call)
                self._outcome.held["recordings"] += spared
                if not gone:
                    continue
                counts = removing.recordings(session, names - {""})
                counts["files"] = sum(self._unlink(file) for file in gone)
                self._audit(session, "recordings", cutoff, counts)
                self._end(session)

    def _recorded(
        self, session: Session, files: Collection[Path]
    ) -> dict[Path, tuple[str, float | None]]:
        """Call and end by file; one that a crash left unsealed is on record by its sealed name."""
        by_name = {str(file): file for file in files}
        by_name |= {f"{file}.age": file for file in files if file.suffix == ".wav"}
        rows = session.execute(
            select(CallRow.recording, CallRow.id, CallRow.ended_at, CallRow.started_at).where(
                CallRow.recording.in_(by_name)
            )
        )
        return {by_name[name]: (call, ended or began) for name, call, ended, began in rows}

    def _unlink(self, file: Path) -> bool:
        if self._dry:
            return True
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            log.error("recording_not_removed", file=file.name, reason=error.strerror)
            return False
        return True

    def _batches(
        self, name: Any, when: SQLColumnExpression[float], due: ColumnElement[bool]
    ) -> Iterator[tuple[list[str], Session]]:
        """Names that are due, the oldest first, each batch in a session of its own."""
        after: tuple[float, str] | None = None
        while True:
            self._go_on()
            with Session(self._engine) as session:
                query = select(when, name).where(due).order_by(when, name).limit(BATCH)
                if after is not None:
                    at, last = after
                    query = query.where(or_(when > at, and_(when == at, name > last)))
                rows = session.execute(query).all()
                if not rows:
                    return
                after = rows[-1]
                yield [row[1] for row in rows], session
                self._end(session)
            if len(rows) < BATCH:
                return

    def _note(
        self,
        session: Session,
        kind: str,
        cutoff: float,
        remove: Callable[[Session, Collection[str]], Counter[str]],
        due: Collection[str],
        kept: Collection[str],
    ) -> None:
        self._outcome.held[kind] += len(kept)
        free = [name for name in due if name not in kept]
        if free:
            self._audit(session, kind, cutoff, remove(session, free))

    def _audit(self, session: Session, kind: str, cutoff: float, counts: Counter[str]) -> None:
        self._outcome.removed[kind] += counts
        until = datetime.fromtimestamp(cutoff, BEIJING).date().isoformat()
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        subject = f"until {until}: {told}"
        session.add(
            AuditRow(at=self._now, action=f"retention.{kind}", subject=subject, **self._who)
        )

    def _end(self, session: Session) -> None:
        if self._dry:
            session.rollback()
        else:
            session.commit()


def _files(folder: Path) -> list[Path]:
    """Recordings, sealed or not; what is being written is none yet."""
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if each.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return sorted(folder / each for each in names if ".wav" in each and not each.endswith(".part"))


def _modified(file: Path) -> float | None:
    """None: it has been sealed meanwhile, or is gone."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return None
