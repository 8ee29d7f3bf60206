"""What a running service knows and does about callers, beside their calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from flows.events import CallStarted
from telephony.call_control import CallInfo, Rejection, Trunk
from telephony.numbers import caller_number
from voicebot.callers import evaluations, on_call
from voicebot.callers.asking import Asking
from voicebot.callers.calling import LOST, MISSED, CallingBack
from voicebot.callers.days import days_before, local
from voicebot.callers.evaluations import CALLED
from voicebot.callers.limited import LimitedNumbers
from voicebot.callers.missed_rules import Missed, Window
from voicebot.config import Settings
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import ASKED_S, Records

_MISSED = (Rejection.FULL, Rejection.STOPPING)
"""Nobody was there for the caller; who has several calls at a time has not been missed."""


class CallerService:
    """Parameters:
    is_calling: as for `voicebot.call_backs.CallBacks`.
    has_room: another call would be taken now.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        is_calling: Callable[[str, Collection[str]], bool],
        has_room: Callable[[], bool],
    ) -> None:
        self._settings, self._records = settings, records
        callers = settings.callers
        self.window = Window.of(callers)
        """When callers may be called."""
        self.limited = LimitedNumbers(records)
        trunk = settings.handoff.call_back_trunk if callers.call_back else ""
        self.calling = CallingBack(
            records, trunk, self.window, callers.call_back_tries, is_calling, has_room
        )
        self.asking = Asking(
            records,
            self.calling,
            settings.lines[0].did if settings.lines else "",
            callers.evaluate_every_days,
            lambda number, at: bool(self.limited.last_day(number, at)),
        )

    def take_settings(self, settings: Settings) -> None:
        """What new calls go by from now on; call-backs and their hours stay as they are."""
        self._settings = settings

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as work:
            work.create_task(self.limited.run())
            work.create_task(self.calling.run())
            if self._settings.callers.evaluate_call_backs:
                work.create_task(self.asking.run())

    async def known(self, started: CallStarted, info: CallInfo) -> CallStarted:
        """The start of a call with what is known of its caller and its line."""
        at = time.time()
        line = self._settings.line(info.did)
        last_day = ""
        if info.trunk is Trunk.PUBLIC:
            last_day = await self.limited.confirmed(info.caller, at)
        return replace(
            started,
            limited=bool(last_day),
            limited_until=last_day,
            closed=line is not None and line.closed_at(local(at)),
            today=local(at).date().isoformat(),
            serves_as=line.merged_into if line is not None else "",
            calling=_why_called(info.called),
            about=info.called.removeprefix(CALLED) if info.called.startswith(CALLED) else "",
            evaluates=await self._may_ask(info, at),
        )

    async def _may_ask(self, info: CallInfo, at: float) -> bool:
        """Asked by these settings, and not lately; with the database away nobody is."""
        settings = self._settings.callers
        if not settings.evaluate_calls or not info.caller:
            return False
        since = days_before(at, settings.evaluate_every_days)
        try:
            async with asyncio.timeout(ASKED_S):
                return not await self._records.read(evaluations.asked_since, info.caller, since)
        except (RecordsUnavailable, TimeoutError):
            return False

    def turned_away(self, info: CallInfo, why: Rejection) -> None:
        """A call was not answered: it is missed, if the service is why."""
        number = caller_number(info.caller).number
        if why in _MISSED and number and info.trunk is Trunk.PUBLIC and not info.called:
            missed, at = Missed("refused"), time.time()
            on_call.note_missed(
                self._records, missed, info.call_id, number, info.did, at, self.window
            )


def _why_called(reference: str) -> str:
    """What a call of ours is for, as `CallStarted.calling` has it."""
    if reference.startswith(MISSED):
        return "missed"
    if reference.startswith(LOST):
        return "danger"
    return "evaluation" if reference.startswith(CALLED) else ""
