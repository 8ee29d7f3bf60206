"""Running calls have a change of the directory within seconds, without a restart (R8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from telephony.dialing import DutyDirectory
from voicebot.clock import now
from voicebot.records.duty import in_force, sound
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

log = structlog.get_logger()

CHECK_S = 1.0
"""How often the directory is looked at."""


async def follow_directory(
    records: Records,
    current: DutyDirectory,
    take: Callable[[DutyDirectory], None],
    *,
    every_s: float = CHECK_S,
) -> None:
    """Hands each change of what may be dialled to `take`, until it is cancelled.

    Hours that begin and end are changes too. While the database is away, or holds no number
    that can stand, what is known stays.
    """
    seen: list[dict[str, Any]] | None = None
    while True:
        try:
            found = await records.duty_numbers()
        except RecordsUnavailable:
            found = []
        at = now()
        rows = [row for row in found if in_force(row, at)]
        if rows and rows != seen:
            seen = rows
            newest = DutyDirectory(sound(rows))
            if len(newest) and set(newest) != set(current):
                current = newest
                take(newest)
                log.info("duty_directory_changed", numbers=len(newest))
        await asyncio.sleep(every_s)
