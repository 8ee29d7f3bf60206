"""Brings events to their receivers: at least once, in order for each subject.

Each receiver has a task of its own, which waits for nobody else's. While one answers to nothing a
single event at a time tries whether it is back, with growing pauses; what is for it stays written
until its time is over ([retention] webhooks).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import httpx
import structlog

from voicebot.config_webhooks import Webhook
from voicebot.exchange.keys import KeyUnusable
from voicebot.exchange.outbox import LAST_RETRY_S, POLL_S, retry_after
from voicebot.metrics.instruments import Metrics
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.webhooks import queue
from voicebot.webhooks.posting import Receiver
from voicebot.webhooks.queue import Attempt, Due

log = structlog.get_logger()

AT_ONCE = 8
"""Events under way to one receiver."""
ALARM_S = 600.0
"""What a receiver has not taken for so long is an alarm for people, once in such a time."""


class WebhookWorker:
    """``asyncio.create_task(WebhookWorker(records, settings.webhooks, metrics).run())``.

    Several may work on one database: what one has claimed the others leave.

    Parameters:
        transport: instead of the network, for tests.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        records: Records,
        webhooks: Sequence[Webhook],
        metrics: Metrics,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._deliveries = [
            _Delivery(records, webhook, metrics, transport, clock) for webhook in webhooks
        ]

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for delivery in self._deliveries:
                tasks.create_task(delivery.run())


class _Delivery:
    """One receiver's."""

    def __init__(
        self,
        records: Records,
        webhook: Webhook,
        metrics: Metrics,
        transport: httpx.AsyncBaseTransport | None,
        clock: Callable[[], float],
    ) -> None:
        self._records, self._webhook, self._metrics = records, webhook, metrics
        self._transport, self._clock = transport, clock
        self._failures = 0
        """Rounds in a row of which nothing arrived."""
        self._alarmed_at = float("-inf")
        metrics.webhook_known(webhook.name)

    async def run(self) -> None:
        while True:
            try:
                async with Receiver(
                    self._webhook, transport=self._transport, clock=self._clock
                ) as receiver:
                    await self._serve(receiver)
            except (KeyUnusable, OSError) as error:
                # What is for it waits, which is an alarm of its own (`voicebot.alarms`).
                log.error("webhook_unusable", webhook=self._webhook.name, reason=str(error))
                await asyncio.sleep(LAST_RETRY_S)

    async def _serve(self, receiver: Receiver) -> None:
        while True:
            more = False
            try:
                more = await self._round(receiver)
                await self._alarm_if_due()
            except RecordsUnavailable:
                pass  # the records say so in the log themselves
            except Exception:
                log.exception("webhook_failed", webhook=self._webhook.name)
            if not more:
                await asyncio.sleep(self._pause_s())

    async def _round(self, receiver: Receiver) -> bool:
        """Sends what is due; True where more may be."""
        name, now = self._webhook.name, self._clock()
        if not await self._records.read(queue.is_due, name, now):
            return False
        at_once = 1 if self._failures else AT_ONCE
        due = await self._records.in_background(queue.claim, name, now, at_once)
        done = await asyncio.gather(*(self._attempt(receiver, each) for each in due))
        if not done:
            return False
        arrived = sum(not attempt.error for attempt in done)
        if arrived and self._failures:
            log.info("webhook_back", webhook=name)
        elif not arrived and not self._failures:
            log.warning("webhook_retry", webhook=name, reason=done[0].error)
        self._failures = 0 if arrived else self._failures + 1
        # Written down before anything else: until then these are claimed.
        await self._records.in_background(queue.settle, done)
        return bool(arrived)

    async def _attempt(self, receiver: Receiver, due: Due) -> Attempt:
        error = await receiver.post(due.event)
        self._metrics.webhook_sent(self._webhook.name, delivered=not error)
        now = self._clock()
        again = now + retry_after(due.attempts + 1, random.random())  # noqa: S311 - spreads load
        return Attempt(due.number, now, error, again)

    def _pause_s(self) -> float:
        return retry_after(self._failures, random.random()) if self._failures else POLL_S  # noqa: S311

    async def _alarm_if_due(self) -> None:
        loop_time = asyncio.get_running_loop().time()
        if loop_time - self._alarmed_at < ALARM_S:
            return
        self._alarmed_at = loop_time
        found = await self._records.read(queue.waits, self._webhook.name)
        now = self._clock()
        if found.oldest_at is not None and now - found.oldest_at >= ALARM_S:
            log.error(
                "webhook_not_delivered",
                webhook=self._webhook.name,
                count=found.count,
                oldest_s=round(now - found.oldest_at),
                reason=found.error,
            )
