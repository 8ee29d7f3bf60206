"""The reconciliation of each day (每日对账), run by the service itself.

When it is due is read from the reconciliations on record, so that neither a restart nor a clock
that jumps leaves out a day; of several services on one database one does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import structlog
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from voicebot import clock
from voicebot.config import Settings
from voicebot.errors import VoicebotError
from voicebot.exchange.platform import Platform
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.other_side import PlatformLedger
from voicebot.exchange.reconciliation.running import Outcome, Reconciliation
from voicebot.exchange.reconciliation.tables import ReconciliationRow
from voicebot.records.database import open_engine
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.security import WRITE_PATIENCE_S

log = structlog.get_logger()

PRINCIPAL = "service"
DAYS = 3
"""How many days up to yesterday are compared: what came late is seen the day after."""
MOST_RUNS = 3
"""Of one day: the first repairs, the next proves it."""
AGAIN_S = 600.0
"""Between two of one day; after a failure as well."""
LOOK_S = 60.0
_RECONCILING = 12345111
"""PostgreSQL's advisory lock of who reconciles."""


class Stopped(Exception):
    """The service ends; what was not compared is compared the next time."""


@dataclass(frozen=True, slots=True)
class Run:
    """One reconciliation of the service's that has ended."""

    ended_at: float
    unsettled: int


def is_due(now: datetime, at: time, runs: Sequence[Run]) -> bool:
    """Whether yesterday is to be reconciled, now. Pure.

    Parameters:
        now: in Hainan.
        at: from when on, each day.
        runs: the ended ones of yesterday, in order.
    """
    if now.time() < at:
        return False
    if not runs:
        return True
    last = runs[-1]
    rested = abs(now.timestamp() - last.ended_at) >= AGAIN_S
    return rested and last.unsettled > 0 and len(runs) < MOST_RUNS


def runs_of(session: Session, last_day: date) -> list[Run]:
    """The service's own reconciliations up to a day, those that have ended."""
    rows = session.execute(
        select(ReconciliationRow.ended_at, ReconciliationRow.unsettled)
        .where(
            ReconciliationRow.principal == PRINCIPAL,
            ReconciliationRow.last_day == last_day.isoformat(),
            ReconciliationRow.ended_at.is_not(None),
        )
        .order_by(ReconciliationRow.number)
    )
    return [Run(ended_at or 0.0, unsettled) for ended_at, unsettled in rows]


class DailyReconciliation:
    """Reconciles yesterday each day: ``asyncio.create_task(daily.run())``.

    Parameters:
        settings: with `exchange.url`; its `reconcile_at` says when.
        now: the time in Hainan.
    """

    def __init__(
        self, settings: Settings, records: Records, *, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._settings, self._records, self._now = settings, records, now
        self._ends = threading.Event()

    async def run(self) -> None:
        try:
            while True:
                pause = LOOK_S
                try:
                    await self.look()
                except RecordsUnavailable:
                    pass  # the records say so in the log themselves
                except VoicebotError as error:
                    log.error("reconciliation_failed", reason=str(error))
                    pause = AGAIN_S
                except Exception as error:
                    log.error("reconciliation_failed", reason=type(error).__name__)
                    pause = AGAIN_S
                await asyncio.sleep(pause)
        finally:
            self._ends.set()

    async def look(self) -> Outcome | None:
        """Reconcile if that is due; what came of it.

        Raises:
            RecordsUnavailable: the database cannot be read.
            VoicebotError: 110's ledger cannot be read; nothing is changed.
        """
        at, now = self._settings.exchange.reconcile_at, self._now()
        if at is None:
            return None
        yesterday = now.date() - timedelta(days=1)
        runs = await self._records.read(runs_of, yesterday)
        if not is_due(now, at, runs):
            return None
        outcome = await asyncio.to_thread(self._reconcile, yesterday, runs)
        if outcome is not None and outcome.unsettled and len(runs) + 1 >= MOST_RUNS:
            log.error(
                "reconciliation_unsettled",
                number=outcome.number,
                unsettled=outcome.unsettled,
                hint="voicebot exchange differences, voicebot exchange decide",
            )
        return outcome

    def _reconcile(self, last_day: date, before: Sequence[Run]) -> Outcome | None:
        """None: another service does so, or has since `before`."""
        url = self._settings.database_url
        reader = open_engine(url)
        writer = open_engine(url, writes=True, patience_s=WRITE_PATIENCE_S)
        try:
            with _alone(reader) as alone:
                if not alone:
                    return None
                with Session(reader) as session:
                    if runs_of(session, last_day) != before:
                        return None
                with PlatformLedger(Platform(self._settings.exchange)) as other:
                    run = Reconciliation(
                        reader,
                        writer,
                        other,
                        principal=PRINCIPAL,
                        clock=lambda: self._now().timestamp(),
                        progress=self._go_on,
                    )
                    return run.run(Days.until(last_day, DAYS), repair=True)
        finally:
            reader.dispose()
            writer.dispose()

    def _go_on(self, count: int) -> None:
        if self._ends.is_set():
            raise Stopped


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[bool]:
    """Whether no other service reconciles on this database meanwhile."""
    if engine.dialect.name != "postgresql":
        yield True
        return
    with engine.connect() as connection:
        alone = bool(connection.scalar(select(func.pg_try_advisory_lock(_RECONCILING))))
        connection.commit()
        try:
            yield alone
        finally:
            connection.invalidate()  # its end is the lock's
