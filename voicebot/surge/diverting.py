"""A caller who was given to seats unanswered: followed until a person has them, or missed."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import structlog

from flows.surge import Destination
from telephony.call_control import CallInfo, Diversion, DivertibleCall, IncomingCall, Trunk
from voicebot.callers.missed_rules import QUEUED, Missed, Window
from voicebot.callers.on_call import note_missed
from voicebot.records.store import Records
from voicebot.surge.control import Routed, SurgeControl

log = structlog.get_logger()

NOTED_S = 0.1
"""How long a caller who is promised nothing waits for his number to be on record; longer, and
the figures of a queue could be taken to have him already (`control.QUEUE_SETTLES_S`)."""


class Diverting:
    """Parameters:
    window: when missed callers may be called back.
    """

    def __init__(self, records: Records, control: SurgeControl, window: Window) -> None:
        self._records, self._control, self._window = records, control, window
        self._told: set[str] = set()
        """Calls that came back from the queue and have heard that they will be called back."""

    async def give(
        self, call: IncomingCall, info: CallInfo, routed: Routed, offered_at: float
    ) -> None:
        """To the end of the call; `offered_at` is when it rang, seconds since the epoch.

        The number is on the list of missed calls before the caller is in the queue, so that who
        is there when this process dies is not lost; whoever meets a person, or comes back, is
        taken off. What callers are told is on record first, and told once.
        """
        assert isinstance(call, DivertibleCall)
        decision, began = routed.decision, time.time()
        told = info.call_id in self._told
        self._control.gone_to_people(info.did, decision.region if routed.outside else "")
        promised = decision.destination is Destination.CALL_BACK and await self._note(info, "surge")
        if not promised:
            noting = asyncio.create_task(self._note(info, QUEUED))
            await asyncio.wait((noting,), timeout=NOTED_S)  # it goes on beyond that
        log.info("call_to_people", destination=decision.destination.value)
        await call.divert(routed.queue, decision.region, call_back=promised and not told)
        diverted = partial(
            self._records.note_diverted, info.call_id, info.did, offered_at, call_back=promised
        )
        diverted()
        became = await call.diverted_to()
        answered = time.time()
        diverted(became=became.value, became_at=answered)
        gave_up = became is Diversion.GONE
        self._control.measured.waited(info.did, answered - began, gave_up=gave_up)
        promised = promised or told
        if became is Diversion.RETURNED:
            if promised:
                self._told.add(info.call_id)
            return
        self._told.discard(info.call_id)
        if became is Diversion.MET:
            if promised:
                await self._records.called_back(info.caller, answered, heard=True)
            await call.closed()
            self._control.measured.talked(info.did, time.time() - answered)
        elif not promised:
            await self._note(info, "queue")

    def forget(self, call_id: str) -> None:
        """The bot has the call, or it was turned away."""
        self._told.discard(call_id)

    async def _note(self, info: CallInfo, why: str) -> bool:
        """The number is on the list of missed calls."""
        if not info.caller or info.trunk is not Trunk.PUBLIC:
            return False
        missed, at = Missed(why), time.time()
        return await note_missed(
            self._records, missed, info.call_id, info.caller, info.did, at, self._window
        )
