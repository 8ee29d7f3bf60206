"""GET /metrics   metrics, supervisor, admin: what the service measures, for Prometheus.

Nothing in it is about a person: it is not audited. A database that does not answer in time costs
its own figures alone.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI, Response
from fastapi.responses import PlainTextResponse

from voicebot.metrics.backlog import Backlog, backlog
from voicebot.metrics.exposition import CONTENT_TYPE, exposition
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.security import Principal
from voicebot.web.access import require
from voicebot.web.service import Service

log = structlog.get_logger()

Reader = Annotated[Principal, Depends(require("metrics", "admin", "supervisor"))]

DATABASE_S = 2.0
"""Prometheus waits ten seconds by default."""


def add_metrics(app: FastAPI, service: Service) -> None:
    """Adds the endpoint."""

    waits = _Waits(service.records)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics(_: Reader) -> Response:
        waiting = await waits.look()
        text = exposition(service.metrics, service.standing, waiting)
        return Response(text, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


class _Waits:
    """What waits in the database, asked once at a time: one that hangs holds one thread."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._asking: asyncio.Task[Backlog] | None = None

    async def look(self) -> Backlog | None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._records.read(backlog, time.time()))
        asking = self._asking
        await asyncio.wait((asking,), timeout=DATABASE_S)
        try:
            return asking.result()
        except (RecordsUnavailable, asyncio.InvalidStateError) as error:
            log.warning("backlog_unknown", reason=type(error).__name__)
            return None
