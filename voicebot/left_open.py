"""Calls that a killed service left without an end are put on record at the next start.

    <state>/running/<name>     one file for each call that is running; its text is the call's id

Such a call is closed at its last event. A hand-off of it to 110 in which nobody was there yet
is marked 中断, and 110 is told: a carrier's media WebSocket breaks with the service.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import structlog

from telephony.recording import file_stem
from voicebot.callers.missed_rules import Window, first_after_break
from voicebot.records.store import Records

log = structlog.get_logger()


class RunningCalls:
    """The folder; every method blocks, and none raises."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, call_id: str) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file(call_id).write_text(call_id, "utf-8")
        except OSError as error:
            log.error("running_call_not_noted", reason=error.strerror)

    def end(self, call_id: str) -> None:
        with contextlib.suppress(OSError):
            self._file(call_id).unlink(missing_ok=True)

    def left(self) -> list[str]:
        """The ids of those that nobody has ended; before any call is running."""
        try:
            found = [path.read_text("utf-8") for path in self._folder.glob("*")]
        except (OSError, ValueError) as error:
            log.error("running_calls_unreadable", reason=str(error))
            return []
        return sorted(filter(None, found))  # an empty one: its disk was full

    def _file(self, call_id: str) -> Path:
        return self._folder / file_stem(call_id)


async def close_left_open(
    running: RunningCalls, left: list[str], records: Records, window: Window | None = None
) -> None:
    """Puts their ends on record; what cannot be written is tried again at the next start.

    Parameters:
        window: when callers may be called back who were not in danger; None: whom 110 had not
            reached is called back by 110 alone.
    """
    for call_id in left:
        at = time.time()
        call_back_at = first_after_break(at, window) if window is not None else None
        if await records.break_off_call(call_id, at, call_back_at=call_back_at):
            running.end(call_id)
            log.warning("call_had_broken_off", call_id=call_id)
