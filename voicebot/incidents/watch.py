"""The service's work for incidents, beside the calls: takes hand-offs in, tells the calls.

No call waits for it. What cannot be done now, because the database is away, is done as soon as it
is back: hand-offs are found on record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import structlog

from voicebot.call.audio_library import AudioLibrary
from voicebot.incidents.announcing import Announcement, in_force, text_for
from voicebot.incidents.reading import of_calls
from voicebot.incidents.taking_in import close_old, pending, take_in
from voicebot.records.store import Records

log = structlog.get_logger()

EVERY_S = 1.0
RETRY_S = 10.0
OLD_EVERY_S = 600.0


class IncidentWatch:
    """Of one service.

    Parameters:
        calls: ids of the calls that are running here.
        tell: told the incident of each hand-off of theirs: call, hand-off, incident.
    """

    def __init__(
        self,
        records: Records,
        library: AudioLibrary,
        calls: Callable[[], Collection[str]],
        tell: Callable[[str, str, str], None],
    ) -> None:
        self._records, self._library = records, library
        self._calls, self._tell = calls, tell
        self._announcements: tuple[Announcement, ...] = ()
        self._told: dict[str, str] = {}
        self._looked_for_old = 0.0

    def announcement(self, did: str, region: str | None) -> str:
        """What a new caller is told; "" for nothing."""
        return text_for(self._announcements, did, region, time.time())

    async def run(self) -> None:
        failing = False
        while True:
            await asyncio.sleep(RETRY_S if failing else EVERY_S)
            try:
                await self.look(time.time())
                failing = False
            except Exception as error:
                # Never its text: it may hold what a caller has said.
                if not failing:
                    log.error("incidents_not_followed", reason=type(error).__name__)
                failing = True

    async def look(self, now: float) -> None:
        """Take in what is new, tell the calls, take up what was announced.

        Raises:
            RecordsUnavailable: the database cannot be read or written.
        """
        announced = await self._records.read(in_force, now)
        # What was withdrawn is silent at once, whatever becomes of the rest.
        self._announcements = tuple(a for a in self._announcements if a in announced)
        if await self._records.read(pending, now):
            await self._records.in_background(take_in, now)
        if now - self._looked_for_old > OLD_EVERY_S:
            await self._records.in_background(close_old, now)
            self._looked_for_old = now
        await self._tell_calls()
        if announced != self._announcements:
            texts = [each.text for each in announced]
            await asyncio.to_thread(self._library.prepare, texts)
            self._announcements = announced

    async def _tell_calls(self) -> None:
        calls = tuple(self._calls())
        found = await self._records.read(of_calls, calls)
        for (call, handoff), incident in found.items():
            if self._told.get(handoff) != incident:
                self._tell(call, handoff, incident)
        self._told = {handoff: incident for (_, handoff), incident in found.items()}
