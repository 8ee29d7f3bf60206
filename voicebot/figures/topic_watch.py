"""The service's look at what callers call about: every quarter of an hour, beside the calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

import numpy as np
import structlog
from sqlalchemy.orm import Session

from kb import store
from voicebot.clock import now as beijing_now
from voicebot.figures.matters import Matter, read_matters
from voicebot.figures.rising import PAST_DAYS
from voicebot.figures.topic_store import Rising, keep, known_topics, raise_alarms
from voicebot.figures.topics import WAITS_S, Found, Topics
from voicebot.gap_list import day_of
from voicebot.records.store import Records

log = structlog.get_logger()

EVERY_S = 900.0
DAY_S = 24 * 3600.0
LONGEST_CALL_S = 2 * 3600.0
"""A call that has begun so long ago is over; longer ones are left out."""
LATE_S = 3600.0
"""So long after midnight the day before is looked at as well."""


class Embedder(Protocol):
    """`voicebot.embedder.SentenceEmbedder`."""

    def encode(self, texts: Sequence[str]) -> Any: ...
    def embed_corpus(self, texts: Sequence[str]) -> Any: ...


class TopicWatch:
    """Puts each finished call's matters to topics and raises alarms of rising ones.

    What it has in memory is made anew from the last day's calls after a start or a fault.
    """

    def __init__(self, records: Records, embedder: Embedder) -> None:
        self._records, self._embedder = records, embedder
        self._topics: Topics | None = None
        self._seen: dict[str, float] = {}
        """Begin of each call that was taken in."""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look(time.time())
            except Exception as error:
                # Never its text: it may hold what a caller has said.
                log.error("topics_not_found", reason=type(error).__name__)
                self._topics, self._seen = None, {}

    async def look(self, now: float) -> list[Rising]:
        """Take in what has come since the last look; the alarms that are new.

        Raises:
            RecordsUnavailable: the database cannot be read or written.
        """
        topics = self._topics
        if topics is None:
            topics = Topics(self._embedder.encode, await self._centre())
            since = now - WAITS_S
        else:
            since = max(self._seen.values(), default=now) - LONGEST_CALL_S
        matters = await self._records.read(_unseen, since, now, frozenset(self._seen))
        await self._know(topics, now)
        found = await asyncio.to_thread(topics.take, matters, now)
        rising = await self._records.in_background(_keep, found, now)
        await self._know(topics, now)
        self._topics = topics
        self._seen |= {matter.call_id: matter.at for matter in matters}
        self._seen = {call: at for call, at in self._seen.items() if at > now - WAITS_S}
        for each in rising:
            log.warning(
                "topic_rising",
                topic=each.topic,
                region=each.region,
                count=each.alarm.count,
                expected=round(each.alarm.expected, 1),
                new=each.alarm.new,
            )
        return rising

    async def _know(self, topics: Topics, now: float) -> None:
        known = await self._records.read(known_topics, now - PAST_DAYS * DAY_S)
        await asyncio.to_thread(topics.know, known)

    async def _centre(self) -> Any:
        """The middle of ordinary questions; nothing is taken off without any."""
        entries = await self._records.read(store.published, beijing_now())
        usual = [entry.question for entry in entries]
        if not usual:
            one = await asyncio.to_thread(self._embedder.encode, ["您好"])
            return np.zeros_like(one[0])
        rows = await asyncio.to_thread(self._embedder.embed_corpus, usual)
        return rows.mean(axis=0)


def _unseen(session: Session, since: float, until: float, seen: frozenset[str]) -> list[Matter]:
    return [each for each in read_matters(session, since, until) if each.call_id not in seen]


def _keep(session: Session, found: Sequence[Found], now: float) -> list[Rising]:
    keep(session, found)
    session.flush()
    days = dict.fromkeys((day_of(now - LATE_S), day_of(now)))
    return [each for day in days for each in raise_alarms(session, date.fromisoformat(day), now)]
