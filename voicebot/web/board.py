"""The duty board (值班台): what is going on this second, of the service and of the database.

However many desks look, it is put together at most once a second.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sqlalchemy.orm import Session

from voicebot.alarms import Alarm, in_order, of_records, of_service
from voicebot.cluster.everywhere import lost_nodes
from voicebot.records.searching import open_handoffs, running_calls
from voicebot.web.service import Service

EVERY_S = 1.0
ALARMS_EVERY_S = 5.0
HANDOFFS_S = 2 * 3600.0
"""A hand-off that was requested longer ago has an end that was not put on record."""
CALLS_S = 6 * 3600.0
MOST = 50
"""Calls, and hand-offs, on the board."""


class Board:
    """Parameters:
    service: whose calls, lines and surge control it shows.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lines = sorted(line.did for line in service.settings.lines)
        self._names = {line.did: line.name for line in service.settings.lines}
        self._looking: asyncio.Task[dict[str, Any]] | None = None
        self._looked_at = self._alarms_at = float("-inf")
        self._alarms: list[Alarm] = []

    async def now(self) -> dict[str, Any]:
        """``{"at", "calls", "lines", "surge", "waiting", "handoffs", "running"}``; not older than
        `EVERY_S`.

        ``calls`` and ``lines``: in use, and room; ``surge`` as GET /v1/surge has it, each line with
        its ``name``; ``waiting``: callers in danger without a line to 110, the most urgent first;
        ``handoffs`` and ``running`` as in `voicebot.records.searching`.

        Raises:
            RecordsUnavailable: the database cannot be read.
        """
        looking = self._looking
        if looking is None or (looking.done() and time.monotonic() - self._looked_at >= EVERY_S):
            looking = self._looking = asyncio.create_task(self._look())
        # Who leaves while it is put together leaves the others their board.
        return await asyncio.shield(looking)

    async def alarms(self) -> list[Alarm]:
        """What stands, the worst first; what the database knows is not older than
        `ALARMS_EVERY_S`.

        Raises:
            RecordsUnavailable: the database cannot be read.
        """
        at = time.time()
        if time.monotonic() - self._alarms_at >= ALARMS_EVERY_S:
            self._alarms = await self._service.records.read(of_records, at)
            self._alarms_at = time.monotonic()
        waiting = len(self._service.waiting.waiting(time.monotonic()))
        lost = lost_nodes(self._service.member)
        own = of_service(self._service.installation, waiting, self._stale(at), lost)
        return in_order([*self._alarms, *own])

    async def _look(self) -> dict[str, Any]:
        at, standing = time.time(), self._service.installation
        kept = await self._service.records.read(_kept, at)
        surge = self._service.surge_status()
        for line in surge["lines"]:
            line["name"] = self._names[line["line"]]
        self._looked_at = time.monotonic()
        return {
            "at": at,
            "calls": {"in_use": standing.calls, "room": standing.room},
            "lines": {"in_use": standing.lines, "room": standing.lines_room},
            "surge": surge,
            "waiting": self._service.waiting.waiting(time.monotonic()),
            **kept,
        }

    def _stale(self, at: float) -> list[str]:
        control = self._service.surge
        return [
            self._names[line]
            for line in self._lines
            if control.board.knows(line)
            and not control.asks_queues(line)
            and control.figures(line, at).seats_age_s > control.policy(line).stale_after_s
        ]


def _kept(session: Session, at: float) -> dict[str, Any]:
    return {
        "handoffs": open_handoffs(session, at - HANDOFFS_S, MOST),
        "running": running_calls(session, at - CALLS_S, MOST),
    }
