"""What callers asked in vain, put together in the background, ready when somebody looks.

Going through the calls of a month takes seconds to minutes, so a page shows what was last put
together and says when. Only masked questions are held.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from kb import summary
from kb.clusters import cluster
from kb.index import Index
from kb.tables import entries
from kb.vectors import Floats
from voicebot.asked import BAD, Asked, read_asked
from voicebot.gap_list import GapLine, gap_lines
from voicebot.records.tables import CallRow

if TYPE_CHECKING:
    from voicebot.call.engines import Engines
    from voicebot.knowledge import Knowledge
    from voicebot.records.store import Records

log = structlog.get_logger()

DAY_S = 24 * 3600.0
DAYS = (1, 7, 30)
"""Over how many days questions are put together."""
MOST_CALLS = 20_000
"""Calls that are gone through, the newest."""
MOST_LINES = 200
FRESH_S = 15 * 60.0
"""How long what was put together is not done again by itself."""
BATCH = 16
USUAL = 200
"""Questions of a large knowledge base that stand for all of them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One meaning that callers asked for in vain; `key` names it in addresses.

    `written` is the entry that asks just that by now, on its way or spoken.
    """

    key: str
    line: GapLine
    written: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"key": self.key, **self.line.as_dict(), "written": self.written}


@dataclass(frozen=True, slots=True)
class GapList:
    """Gaps, the most frequent first, of the calls since a moment (seconds since the epoch)."""

    gaps: tuple[Gap, ...]
    since: float
    made_at: float
    calls: int


class GapWatch:
    """Belongs to one event loop.

    Args:
        engines: the service's, as they are now.
        executor: goes through the calls and compares.
    """

    def __init__(
        self,
        records: Records,
        engines: Callable[[], Engines],
        executor: Executor,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._engines, self._executor = records, engines, executor
        self._clock = clock
        self._made: dict[int, GapList] = {}
        self._working: dict[int, asyncio.Task[None]] = {}

    def working(self, days: int) -> bool:
        """Whether the list of so many days is being put together."""
        return days in self._working

    async def lately(self, days: int) -> GapList | None:
        """The list of so many days as it was last put together; one that is old is made anew
        beside. None: there is none yet."""
        found = self._made.get(days)
        if found is None or found.made_at < self._clock() - FRESH_S:
            self.renew(days)
        if found is None:
            return None
        written = await self._records.read(_written, [each.line.question for each in found.gaps])
        gaps = tuple(
            replace(each, written=written.get(each.line.question, "")) for each in found.gaps
        )
        return replace(found, gaps=gaps)

    def renew(self, days: int) -> asyncio.Task[None]:
        """Begin to put the list together, unless that is being done already."""
        if days not in self._working:
            self._working[days] = asyncio.create_task(self._put_together(days))
        return self._working[days]

    def find(self, key: str) -> Gap | None:
        """A gap of any of the lists."""
        every = chain.from_iterable(made.gaps for made in self._made.values())
        return next((gap for gap in every if gap.key == key), None)

    async def _put_together(self, days: int) -> None:
        try:
            at = self._clock()
            since, calls, asked = await self._records.read(_asked, at - days * DAY_S, at)
            loop = asyncio.get_running_loop()
            lines = await loop.run_in_executor(self._executor, self._lines, asked)
            gaps = tuple(Gap(_key(line.question), line) for line in lines[:MOST_LINES])
            self._made[days] = GapList(gaps, since, at, calls)
        except Exception as error:
            # Never its text: it may hold what a caller has said.
            log.error("gaps_not_put_together", reason=type(error).__name__)
        finally:
            del self._working[days]

    def _lines(self, asked: Sequence[Asked]) -> list[GapLine]:
        engines = self._engines()

        def embed(texts: Sequence[str]) -> Floats:
            # Never `embed_corpus`: it keeps on disk what it embeds.
            starts = range(0, len(texts), BATCH)
            return np.concatenate([engines.embedder.embed(texts[at : at + BATCH]) for at in starts])

        centre = _centre(engines.knowledge, embed)
        return gap_lines(asked, cluster([each.query for each in asked], embed, centre))


def _centre(knowledge: Knowledge, embed: Callable[[Sequence[str]], Floats]) -> Floats | None:
    """The middle of ordinary questions; None where nothing is published."""
    index = knowledge.searcher.index if knowledge.searcher is not None else None
    if index is None or not index.entries:
        return None
    if isinstance(index, Index):
        middle: Floats = index.vectors[: len(index.wordings)].mean(axis=0)
        return middle
    some = index.entries[:: max(1, len(index.entries) // USUAL)]
    return np.asarray(embed([entry.question for entry in some]).mean(axis=0), np.float32)


def _asked(session: Session, since: float, until: float) -> tuple[float, int, list[Asked]]:
    """Since when, how many calls, and what was asked in vain."""
    newest = sa.select(CallRow.started_at).where(CallRow.started_at >= since)
    oldest_taken = session.scalar(
        newest.order_by(CallRow.started_at.desc()).offset(MOST_CALLS).limit(1)
    )
    since = since if oldest_taken is None else float(oldest_taken)
    calls = session.scalar(
        sa.select(sa.func.count()).select_from(newest.where(CallRow.started_at >= since).subquery())
    )
    asked = [each for each in read_asked(session, since, until) if each.outcome in BAD]
    return since, calls or 0, asked


def _written(session: Session, questions: Sequence[str]) -> dict[str, str]:
    """Of these questions, the entries whose newest version asks just that: question → id."""
    found: dict[str, str] = {}
    for some in summary.portions(questions):
        rows = session.execute(
            sa.select(entries.c.question, entries.c.id).where(entries.c.question.in_(some))
        )
        found |= {row.question: row.id for row in rows}
    return found


def _key(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()[:16]
