"""Approved entries become spoken, with progress: vectors and audio first, then the decision.

A publication that breaks off before the decision has changed nothing; the decision itself is one
transaction. Afterwards the service takes it up as it does any other (`voicebot.app`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sqlalchemy.orm import Session

from kb import ledger, lifecycle, store
from kb.entry import Entry, Status
from kb.errors import KbError, StepRefused
from kb.index import texts_of as embedded
from kb.ledger import Act
from kb.rules import effective_from
from kb.slot_store import with_slots
from voicebot.clock import now
from voicebot.errors import VoicebotError
from voicebot.knowledge_speech import rendered_of
from voicebot.records.tables import AuditRow

if TYPE_CHECKING:
    from voicebot.call.engines import Engines
    from voicebot.records.store import Records

log = structlog.get_logger()

State = Literal["waiting", "preparing", "deciding", "taking_up", "done", "failed"]
OVER: tuple[State, ...] = ("done", "failed")

MOST_ENTRIES = 200
"""In one publication at the desk; a file of more is published at the command line."""
KEPT = 50
"""Publications that can still be asked about."""
BATCH = 16
"""Texts embedded at a time: calls get the encoders in between."""
LOOK_S = 0.2
TAKEN_UP_S = 180.0
"""How long the desk waits for the service to search in what was published."""


@dataclass(slots=True)
class Publication:
    """One publication on its way; `done` of `total` texts are embedded or rendered.

    `effective` is when it is spoken from, where that is to come; `fault` a code and a sentence.
    """

    id: str
    entries: tuple[str, ...]
    who: str
    began_at: float
    state: State = "waiting"
    done: int = 0
    total: int = 0
    effective: datetime | None = None
    fault: tuple[str, str] | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "entries": list(self.entries),
            "who": self.who,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "effective_at": self.effective.isoformat() if self.effective else None,
            "code": self.fault[0] if self.fault else None,
            "message": self.fault[1] if self.fault else None,
        }


class Publications:
    """One at a time, in the order in which they were asked for. Belongs to one event loop.

    Args:
        engines: the service's, as they are now.
        executor: does the embedding and rendering.
        taken_up_s: see `TAKEN_UP_S`.
    """

    def __init__(
        self,
        records: Records,
        engines: Callable[[], Engines],
        executor: Executor,
        *,
        taken_up_s: float = TAKEN_UP_S,
    ) -> None:
        self._records, self._engines, self._executor = records, engines, executor
        self._taken_up_s = taken_up_s
        self._known: OrderedDict[str, Publication] = OrderedDict()
        self._one = asyncio.Lock()

    def get(self, name: str) -> Publication | None:
        return self._known.get(name)

    async def begin(
        self, names: Sequence[str], act: Act, audit: AuditRow, at: datetime | None = None
    ) -> Publication:
        """Start to publish the approved versions of these entries, all or none.

        Args:
            audit: put on record with the decision, an entry at a time.
            at: the minute from which they are spoken; None: now.

        Raises:
            UnknownEntry, StepRefused: one of them is not there, or has nothing approved.
        """
        names = tuple(dict.fromkeys(names))
        await self._records.read(approved, names)
        made = Publication(secrets.token_hex(8), names, act.who, time.time())
        self._known[made.id] = made
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        made.task = asyncio.create_task(self._run(made, act, audit, at))
        return made

    async def _run(self, made: Publication, act: Act, audit: AuditRow, at: datetime | None) -> None:
        try:
            async with self._one:
                await self._publish(made, act, audit, at)
        except (KbError, VoicebotError) as error:
            made.state, made.fault = "failed", (error.code, str(error))
        except Exception as error:
            log.exception("publication_failed", reason=type(error).__name__)
            made.state, made.fault = "failed", ("internal", type(error).__name__)

    async def _publish(
        self, made: Publication, act: Act, audit: AuditRow, at: datetime | None
    ) -> None:
        made.state = "preparing"
        ready = await self._records.read(approved, made.entries)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._prepare, made, ready)
        made.state = "deciding"
        decide = partial(_decide, names=made.entries, act=act, audit=audit, at=at)
        effective, revision = await self._records.transact(decide)
        made.effective = effective if effective > act.at else None
        made.state = "taking_up"
        await self._taken_up(revision)
        made.state = "done"

    def _prepare(self, made: Publication, ready: Sequence[Entry]) -> None:
        """Vectors and audio, so that calls find both ready. Blocking."""
        engines = self._engines()
        texts = list(dict.fromkeys(embedded(ready)))
        spoken = rendered_of(ready, now())
        made.total = len(texts) + len(spoken)
        for start in range(0, len(texts), BATCH):
            engines.embedder.embed_corpus(texts[start : start + BATCH])
            made.done = min(len(texts), start + BATCH)

        def rendered(done: int, _: int) -> None:
            made.done = len(texts) + done

        engines.library.prepare(spoken, rendered)

    async def _taken_up(self, revision: int) -> None:
        """Until calls search in it. If that takes too long it is on record all the same."""
        until = time.monotonic() + self._taken_up_s
        while self._engines().knowledge.revision < revision:
            if time.monotonic() > until:
                return
            await asyncio.sleep(LOOK_S)


def approved(session: Session, names: Sequence[str]) -> list[Entry]:
    """The version of each entry that a publication would take, its slots filled in.

    Raises:
        UnknownEntry, StepRefused: one of them is not there, or has nothing approved.
    """
    found: list[Entry] = []
    for name in names:
        known = ledger.versions_of(session, name)
        waiting = [v.entry for v in known if v.entry.status is Status.APPROVED]
        if not waiting:
            raise StepRefused(
                f"No version of {name} is approved: somebody who did not write it has to review "
                "it first."
            )
        found.append(waiting[-1])
    return with_slots(session, found)


def _decide(
    session: Session, names: Sequence[str], act: Act, audit: AuditRow, at: datetime | None
) -> tuple[datetime, int]:
    """When the last of them is spoken from, and the published revision that this has made."""
    effective = act.at
    for name in names:
        entry = lifecycle.publish(session, name, act, effective_at=at)
        effective = max(effective, effective_from(entry, act.at, at))
        session.add(
            AuditRow(
                at=audit.at,
                principal=audit.principal,
                role=audit.role,
                action=audit.action,
                subject=f"{name} v{entry.version}",
                client=audit.client,
                allowed=True,
            )
        )
    session.flush()
    return effective, store.published_revision(session)
