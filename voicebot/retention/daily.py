"""The retention of each day, run by the service; and the day's anchor of the audit."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from datetime import date, datetime

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from voicebot import clock
from voicebot.auditing.chain import Anchor
from voicebot.auditing.checking import anchors_file, keep_anchor
from voicebot.config import Settings
from voicebot.records.database import open_engine, reason
from voicebot.records.tables import AuditHeadRow
from voicebot.retention.running import Outcome, Run
from voicebot.security import WRITE_PATIENCE_S

log = structlog.get_logger()

SERVICE = {"principal": "service", "role": "service", "client": ""}
LOOK_S = 60.0
AGAIN_S = 600.0
"""After a failure."""


class Stopped(Exception):
    """The service ends; what was not deleted is deleted the next time."""


class DailyRetention:
    """Runs once a day on each machine, for its recordings are its own:
    ``asyncio.create_task(daily.run())``.

    Parameters:
        now: the time in Hainan.
        name: of the file in the state folder that keeps its last day.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], datetime] = clock.now,
        name: str = "retention-last",
    ) -> None:
        self._settings, self._now = settings, now
        self._file = settings.paths.state / name
        self._ends = threading.Event()

    async def run(self) -> None:
        try:
            while True:
                pause = LOOK_S
                try:
                    await asyncio.to_thread(self.look)
                except SQLAlchemyError as error:
                    log.error("retention_failed", reason=reason(error))
                    pause = AGAIN_S
                except Exception as error:
                    log.error("retention_failed", reason=type(error).__name__)
                    pause = AGAIN_S
                await asyncio.sleep(pause)
        finally:
            self._ends.set()

    def look(self) -> Outcome | None:
        """Run if that is due; what came of it.

        Raises:
            SQLAlchemyError: the database takes no write.
            OSError: the state folder takes none.
            Stopped: the service ended meanwhile.
        """
        now = self._now()
        if now.time() < self._settings.retention.at or self._last() == now.date():
            return None
        outcome = run_retention(self._settings, SERVICE, now.timestamp(), go_on=self._go_on)
        head = self._head()
        if head is not None:
            # In the log as well, which is kept elsewhere.
            keep_anchor(anchors_file(self._settings.paths), head, now.timestamp())
            log.info("audit_anchor", row=head.id, hash=head.hash)
        self._remember(now.date())
        log.info("retention_done", **outcome.as_dict())
        return outcome

    def _go_on(self) -> None:
        if self._ends.is_set():
            raise Stopped

    def _last(self) -> date | None:
        try:
            return date.fromisoformat(self._file.read_text("ascii").strip())
        except (OSError, ValueError):
            return None

    def _remember(self, day: date) -> None:
        part = self._file.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(day.isoformat())
        part.replace(self._file)

    def _head(self) -> Anchor | None:
        engine = open_engine(self._settings.database_url)
        try:
            with Session(engine) as session:
                row = session.execute(select(AuditHeadRow.last, AuditHeadRow.hash)).first()
        finally:
            engine.dispose()
        return Anchor(row.last, row.hash) if row is not None and row.last else None


def run_retention(
    settings: Settings,
    who: dict[str, str],
    now: float,
    *,
    dry: bool = False,
    go_on: Callable[[], None] = lambda: None,
) -> Outcome:
    """One run over the settings' database and this machine's recordings.

    Raises:
        SQLAlchemyError: the database takes no write.
    """
    engine = open_engine(settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S)
    try:
        folder = settings.paths.state / "recordings"
        exchange = bool(settings.exchange.url)
        run = Run(
            engine, settings.retention, folder, who, now, exchange=exchange, dry=dry, go_on=go_on
        )
        return run.run()
    finally:
        engine.dispose()
