"""Calls the callers of finished tickets and asks how content they are (办结回访)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from telephony.errors import TelephonyError
from voicebot.callers.calling import CallingBack
from voicebot.callers.days import days_before
from voicebot.callers.evaluations import CALLED, Ask, called, to_ask
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

log = structlog.get_logger()

EVERY_S = 60.0


class Asking:
    """Parameters:
    calling: over whose endpoint, in whose hours; missed calls go first there.
    did: our number that the called person sees.
    every_days: a number is not asked more often.
    is_limited: this number is limited; nobody asks it.
    """

    def __init__(
        self,
        records: Records,
        calling: CallingBack,
        did: str,
        every_days: int,
        is_limited: Callable[[str, float], bool],
    ) -> None:
        self._records, self._calling, self._did = records, calling, did
        self._every_days, self._is_limited = every_days, is_limited

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.once(time.time())
            except RecordsUnavailable as error:
                log.warning("finished_tickets_unknown", reason=str(error))
            except Exception:
                log.exception("evaluation_not_asked")
            await asyncio.sleep(EVERY_S)

    async def once(self, at: float) -> None:
        """Call the first caller who can be called; put down before, so that it is once only."""
        line = self._calling.line_at(at)
        ask = await self._next(at) if line is not None else None
        if line is None or ask is None or not await self._records.in_background(called, ask, at):
            return
        try:
            await self._calling.call_out(line, ask.number, self._did, CALLED + ask.ticket)
        except TelephonyError as error:
            log.info("evaluation_not_asked", reason=error.code)

    async def _next(self, at: float) -> Ask | None:
        """Whoever cannot be called, ever or just now, holds up nobody."""
        since, after = days_before(at, self._every_days), None
        while page := await self._records.read(to_ask, at, since, after):
            for ask in page:
                if self._calling.may_call(ask.number) and not self._is_limited(ask.number, at):
                    return ask
            after = page[-1]
        return None
