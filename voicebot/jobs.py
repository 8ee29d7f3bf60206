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
from typing import TYPE_CHECKING, Any

import structlog

from voicebot.agents.links import open_links
from voicebot.callers.missed_rules import Window
from voicebot.cluster.leader import Leader
from voicebot.cluster.lost_nodes import LostNodes
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

if TYPE_CHECKING:
    from voicebot.cluster.member import Member

log = structlog.get_logger()

AGAIN_S = 5.0

Job = Callable[[], Coroutine[Any, Any, None]]


async def jobs_of(
    settings: Settings,
    records: Records,
    embedder: SentenceEmbedder,
    metrics: Metrics,
    member: Member | None = None,
) -> None:
    """The jobs that are this process's by its roles, until cancelled.

    Recordings lie where their calls were: each node with calls deletes its own by their time,
    whether or not it is the one that does the jobs.

    Parameters:
        member: what it is among the others; None: the only one, or without NATS.
    """
    async with asyncio.TaskGroup() as work:
        if "media" in settings.server.roles:
            alone = partial(_recordings, settings)
            work.create_task(_kept_up("recordings", alone), name="recordings")
        if "worker" in settings.server.roles:
            leader = Leader(settings.database_url)
            jobs = partial(_all, settings, records, embedder, metrics, member)
            work.create_task(_kept_up("jobs", partial(leader.run, jobs)), name="jobs")


async def _all(
    settings: Settings,
    records: Records,
    embedder: SentenceEmbedder,
    metrics: Metrics,
    member: Member | None,
) -> None:
    async with asyncio.TaskGroup() as work:
        for name, job in _jobs(settings, records, embedder, metrics, member):
            work.create_task(_kept_up(name, job), name=name)


def _jobs(
    settings: Settings,
    records: Records,
    embedder: SentenceEmbedder,
    metrics: Metrics,
    member: Member | None,
) -> Iterator[tuple[str, Job]]:
    token, notice_key = desk_token(settings), notice_secret(settings)
    link = open_links(settings).url
    exchange = settings.exchange

    def envelopes() -> Coroutine[Any, Any, None]:
        platform = Platform(exchange) if exchange.url else None
        return EnvelopeWorker(records, platform, alarm_s=exchange.alarm_s).run()

    def lost_nodes() -> Coroutine[Any, Any, None]:
        return LostNodes(
            records,
            settings.server.lost_after_s,
            Window.of(settings.callers),
            partial(_alive, records.run_id, member),
        ).run()

    if settings.on_postgresql:
        yield "lost_nodes", lost_nodes
    yield "outbox", lambda: OutboxWorker(records, token, link=link).run()
    yield "exchange", envelopes
    if exchange.url and exchange.reconcile_at is not None:
        yield "reconciliation", lambda: DailyReconciliation(settings, records).run()
    yield "reminding", lambda: Reminding(records).run()
    yield "retention", lambda: DailyRetention(_without_recordings(settings)).run()
    yield "topics", lambda: TopicWatch(records, embedder).run()
    yield "notices", lambda: NoticeWorker(records, settings.notices, notice_key).run()
    if settings.webhooks:
        yield "webhooks", lambda: WebhookWorker(records, settings.webhooks, metrics).run()


async def _kept_up(name: str, job: Job) -> None:
    """Until this task is cancelled; a future that is cancelled within the job ends it no more than
    a failure does.
    """
    this = asyncio.current_task()
    assert this is not None
    while True:
        try:
            await job()
        except asyncio.CancelledError:
            if this.cancelling():
                raise
            log.exception("job_failed", job=name)
        except Exception:
            log.exception("job_failed", job=name)
        await asyncio.sleep(AGAIN_S)


def _alive(own: str, member: Member | None) -> frozenset[str]:
    """Runs of this process and of those that are heard over NATS."""
    others = member.nodes.all if member is not None else ()
    return frozenset((own, *(node.run for node in others)))


async def _recordings(settings: Settings) -> None:
    """The worker sees to what is in the database."""
    rules = settings.retention
    others = {name: 0 for name in type(rules).model_fields if name not in ("recordings", "at")}
    alone = settings.model_copy(update={"retention": rules.model_copy(update=others)})
    await DailyRetention(alone, name="retention-last-recordings").run()


def _without_recordings(settings: Settings) -> Settings:
    """Where calls are there is a job of its own for them."""
    if "media" not in settings.server.roles:
        return settings
    rules = settings.retention.model_copy(update={"recordings": 0})
    return settings.model_copy(update={"retention": rules})
