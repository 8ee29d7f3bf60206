"""What an installation needs once, however many processes it has: the role `worker`.

Dossiers and notices to desks, 110's exchange and its reconciliation, reminders, duty notices,
events for webhooks, topics and the retention of what is in the database. Of several workers one
does them at a time (`voicebot.cluster.leader`); each job goes on beside the others, and begins
again where it fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import structlog

from voicebot.agents.links import open_links
from voicebot.cluster.leader import Leader
from voicebot.config import Settings
from voicebot.duty.notices.secret import notice_secret
from voicebot.duty.notices.worker import NoticeWorker
from voicebot.embedder import SentenceEmbedder
from voicebot.exchange.outbox import OutboxWorker
from voicebot.exchange.platform import Platform
from voicebot.exchange.reconciliation.daily import DailyReconciliation
from voicebot.exchange.worker import EnvelopeWorker
from voicebot.figures.topic_watch import TopicWatch
from voicebot.metrics.instruments import Metrics
from voicebot.records.store import Records
from voicebot.retention.daily import DailyRetention
from voicebot.security import desk_token
from voicebot.tickets.reminding import Reminding
from voicebot.webhooks.worker import WebhookWorker

log = structlog.get_logger()

AGAIN_S = 5.0

Job = Callable[[], Coroutine[Any, Any, None]]


async def jobs_of(
    settings: Settings, records: Records, embedder: SentenceEmbedder, metrics: Metrics
) -> None:
    """The jobs that are this process's by its roles, until cancelled.

    Recordings lie where their calls were: each node with calls deletes its own by their time.
    """
    if "worker" in settings.server.roles:
        leader = Leader(settings.database_url)
        await leader.run(partial(_all, settings, records, embedder, metrics))
    elif "media" in settings.server.roles:
        await _kept_up("retention", lambda: DailyRetention(_recordings_alone(settings)).run())


async def _all(
    settings: Settings, records: Records, embedder: SentenceEmbedder, metrics: Metrics
) -> None:
    async with asyncio.TaskGroup() as work:
        for name, job in _jobs(settings, records, embedder, metrics):
            work.create_task(_kept_up(name, job), name=name)


def _jobs(
    settings: Settings, records: Records, embedder: SentenceEmbedder, metrics: Metrics
) -> Iterator[tuple[str, Job]]:
    token, notice_key = desk_token(settings), notice_secret(settings)
    link = open_links(settings).url
    exchange = settings.exchange

    def envelopes() -> Coroutine[Any, Any, None]:
        platform = Platform(exchange) if exchange.url else None
        return EnvelopeWorker(records, platform, alarm_s=exchange.alarm_s).run()

    yield "outbox", lambda: OutboxWorker(records, token, link=link).run()
    yield "exchange", envelopes
    if exchange.url and exchange.reconcile_at is not None:
        yield "reconciliation", lambda: DailyReconciliation(settings, records).run()
    yield "reminding", lambda: Reminding(records).run()
    yield "retention", lambda: DailyRetention(settings).run()
    yield "topics", lambda: TopicWatch(records, embedder).run()
    yield "notices", lambda: NoticeWorker(records, settings.notices, notice_key).run()
    if settings.webhooks:
        yield "webhooks", lambda: WebhookWorker(records, settings.webhooks, metrics).run()


async def _kept_up(name: str, job: Job) -> None:
    while True:
        try:
            await job()
        except Exception:
            log.exception("job_failed", job=name)
        await asyncio.sleep(AGAIN_S)


def _recordings_alone(settings: Settings) -> Settings:
    """The same retention, of recordings alone: the worker sees to what is in the database."""
    rules = settings.retention
    others = {name: 0 for name in type(rules).model_fields if name not in ("recordings", "at")}
    return settings.model_copy(update={"retention": rules.model_copy(update=others)})
