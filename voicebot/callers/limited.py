"""The limited numbers as the call path knows them: no call waits for the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog

from voicebot.callers import limits
from voicebot.callers.days import last_day_spoken
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import ASKED_S, Records

log = structlog.get_logger()

EVERY_S = 2.0
"""How soon a limit that was set counts in new calls; one that was lifted ends at once."""


class LimitedNumbers:
    """With the database away nobody is limited: a limit that was lifted must not go on."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._ends_at: Mapping[str, float] = {}

    def last_day(self, number: str, at: float) -> str:
        """The last day of the number's limit as it is said; "" for a number without one."""
        ends_at = self._ends_at.get(number, 0.0)
        return last_day_spoken(ends_at) if at < ends_at else ""

    async def confirmed(self, number: str, at: float) -> str:
        """As `last_day`, for a call that begins: what was lifted this moment is over at once."""
        if not self.last_day(number, at):
            return ""
        try:
            async with asyncio.timeout(ASKED_S):
                ends_at = await self._records.read(limits.ends_at, number, at)
        except (RecordsUnavailable, TimeoutError):
            return ""
        return last_day_spoken(ends_at) if ends_at is not None else ""

    async def refresh(self) -> None:
        try:
            async with asyncio.timeout(ASKED_S):
                self._ends_at = await self._records.read(limits.in_force, time.time())
        except (RecordsUnavailable, TimeoutError) as error:
            if self._ends_at:
                log.warning("limits_unknown", reason=str(error) or "the database does not answer")
            self._ends_at = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                log.exception("limits_unknown")
                self._ends_at = {}
            await asyncio.sleep(EVERY_S)
