"""Reports of figures, kept for a while: a month of calls is not counted anew at every click."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from voicebot.figures.counting import By
from voicebot.figures.report import Period, Report, report
from voicebot.web.service import Service

KEPT_S = 300.0
WAITED_S = 0.12
"""A page comes without its figures rather than later."""
MOST = 64
"""Reports; those that were asked for the longest ago go first."""

_Key = tuple[Period, By]


class KeptReports:
    """Parameters:
    service: whose calls are counted.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: OrderedDict[_Key, tuple[float, asyncio.Task[Report]]] = OrderedDict()

    async def report(self, period: Period, by: By) -> tuple[Report, float] | None:
        """The report, and when it was counted: at most `KEPT_S` ago; None: it is being counted,
        and will be there when it is asked for again.

        Raises:
            RecordsUnavailable: the database cannot be read.
        """
        at, key = time.time(), (period, by)
        known = self._kept.get(key)
        if known is None or at - known[0] >= KEPT_S or _failed(known[1]):
            lines = {line.did: line.name for line in self._service.settings.lines}
            counting = self._service.records.read(report, period, by, at, lines)
            known = self._kept[key] = at, asyncio.create_task(counting)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        # Whoever leaves meanwhile leaves the others their report.
        done, _ = await asyncio.wait({known[1]}, timeout=WAITED_S)
        return (known[1].result(), known[0]) if done else None


def _failed(task: asyncio.Task[Report]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
