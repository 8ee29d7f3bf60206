"""Brings envelopes to 110's platform: at least once, and in order for each subject.

What is to be sent stands in the outbox, so a restart loses nothing; what is sent twice has
the same id, so 110 applies it once. An envelope is done when 110 has confirmed its id and
content, and not before; nothing is given up (no dead letters), and nothing deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

import structlog

import voicebot.tickets.exchange  # noqa: F401 - what is done with what comes in
from voicebot.exchange import due, nonces
from voicebot.exchange.due import Attempt, Due
from voicebot.exchange.inbox import apply_ready
from voicebot.exchange.outbox import LAST_RETRY_S, POLL_S, retry_after
from voicebot.exchange.platform import Platform, Posted
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

log = structlog.get_logger()

AT_ONCE = 16
"""Envelopes under way together."""
REST_S = 5.0
"""The longest pause between two tries of a platform that answers to nothing."""
SWEEP_S = 30.0
"""How often what came in and could not be applied is tried again."""


class EnvelopeWorker:
    """Sends what is due until it is cancelled: ``asyncio.create_task(worker.run())``.

    Parameters:
        platform: closed with it; None where no exchange is set up: envelopes wait, and what
            comes in is applied.
        alarm_s: what is not confirmed or not applied for so long is an alarm for people.
    """

    def __init__(
        self,
        records: Records,
        platform: Platform | None,
        *,
        alarm_s: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._platform = records, platform
        self._alarm_s, self._clock = alarm_s, clock
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._done: list[Attempt] = []
        self._failures = 0
        """In a row; from `AT_ONCE` on, one message at a time tries whether 110 is back."""
        self._rest_until = float("-inf")
        self._back = False
        self._swept_at = self._alarmed_at = float("-inf")
        self._swept_to = 0
        """Number of the message in the inbox behind which the next sweep goes on."""
        self._wake = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._wake.set)

        self._records.on_written(wake)
        async with self._platform or contextlib.nullcontext():
            try:
                while True:
                    try:
                        await self._round()
                    except RecordsUnavailable:
                        pass  # the records say so in the log themselves
                    except Exception:
                        log.exception("exchange_worker_failed")
                    await self._pause()
            finally:
                tasks = list(self._under_way.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _round(self) -> None:
        if self._done:
            written = list(self._done)
            await self._records.in_background(due.settle, written)
            del self._done[: len(written)]
        if self._back:
            await self._records.in_background(due.hurry, self._clock())
            self._back = False
        if self._platform is not None:
            await self._send(self._platform)
        loop_time = asyncio.get_running_loop().time()
        if loop_time - self._swept_at >= min(SWEEP_S, self._alarm_s):
            self._swept_at = loop_time
            await self._sweep(loop_time)

    async def _pause(self) -> None:
        try:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
            await asyncio.sleep(0.02)  # a burst of writes and answers is one round
        except TimeoutError:
            pass
        self._wake.clear()

    async def _send(self, platform: Platform) -> None:
        # What was sent and is not written down yet is not sent again meanwhile.
        skip = [*self._under_way, *(attempt.number for attempt in self._done)]
        at_once = AT_ONCE if self._failures < AT_ONCE else 1
        places, now = at_once - len(self._under_way), self._clock()
        if places <= 0 or asyncio.get_running_loop().time() < self._rest_until:
            return
        if not await self._records.read(due.is_due, now, skip):
            return
        for each in await self._records.in_background(due.claim, now, skip, places):
            self._under_way[each.number] = asyncio.create_task(self._attempt(platform, each))

    async def _attempt(self, platform: Platform, each: Due) -> None:
        try:
            posted = await platform.post(each.envelope)
            self._note(posted)
            now = self._clock()
            pause = retry_after(each.attempts + 1, random.random())  # noqa: S311 - spreads load
            if posted.state in ("refused", "conflict"):
                pause = LAST_RETRY_S
                log.error(
                    f"exchange_{posted.state}",
                    message=each.envelope["id"],
                    reason=posted.error,
                )
            elif posted.state != "applied" and each.attempts == 0:
                log.warning("exchange_retry", message=each.envelope["id"], reason=posted.error)
            self._done.append(Attempt(each.number, now, posted, now + pause))
        finally:
            self._under_way.pop(each.number, None)
            self._wake.set()

    def _note(self, posted: Posted) -> None:
        """A platform that is down is not asked for each of the messages that wait."""
        if posted.state != "failed":
            self._back = self._back or self._failures >= AT_ONCE
            self._failures, self._rest_until = 0, float("-inf")
            return
        self._failures += 1
        if self._failures >= AT_ONCE:
            pause = retry_after(self._failures - AT_ONCE + 1, random.random())  # noqa: S311
            self._rest_until = asyncio.get_running_loop().time() + min(REST_S, pause)

    async def _sweep(self, loop_time: float) -> None:
        if loop_time - self._alarmed_at >= self._alarm_s and await self._alarm():
            self._alarmed_at = loop_time
        while found := await self._records.read(due.appliable, self._swept_to):
            for number, subject in found:
                # Whatever is wrong with this one, the next sweep goes on behind it.
                self._swept_to = number
                await self._records.in_background(apply_ready, subject, at=self._clock())
        self._swept_to = 0
        await self._records.in_background(nonces.forget, self._clock())

    async def _alarm(self) -> bool:
        now = self._clock()
        out = await self._records.read(due.overdue, now - self._alarm_s)
        if out.count and self._platform is not None:
            log.error(
                "exchange_not_delivered",
                count=out.count,
                police_orders=out.police_orders,
                oldest_s=round(now - (out.oldest_at or now)),
                reason=out.error,
            )
        count, messages = await self._records.read(due.unapplied, now - self._alarm_s)
        if count:
            log.error("exchange_not_applied", count=count, oldest=messages)
        return bool(count or out.count)
