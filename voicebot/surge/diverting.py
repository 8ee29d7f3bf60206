"""A caller who was given to seats unanswered: followed until a person has them, or missed."""

from __future__ import annotations

import time
from functools import partial

import structlog

from flows.surge import Destination
from telephony.call_control import CallInfo, Diversion, DivertibleCall, IncomingCall, Trunk
from voicebot.callers.missed_rules import Missed, Window, first_try
from voicebot.records.store import Records
from voicebot.surge.control import Routed, SurgeControl

log = structlog.get_logger()


class Diverting:
    """Parameters:
    window: when missed callers may be called back.
    """

    def __init__(self, records: Records, control: SurgeControl, window: Window) -> None:
        self._records, self._control, self._window = records, control, window

    async def give(
        self, call: IncomingCall, info: CallInfo, routed: Routed, offered_at: float
    ) -> None:
        """To the end of the call; `offered_at` is when it rang, seconds since the epoch.

        Who hangs up before a person is there was missed, and is called back. Where callers
        are told so, the number is on record before (nothing is announced that is not written).
        """
        assert isinstance(call, DivertibleCall)
        decision, began = routed.decision, time.time()
        noted = decision.destination is Destination.CALL_BACK and await self._note(info, "surge")
        self._control.gone_to_people(info.did, decision.region if routed.outside else "")
        log.info("call_to_people", destination=decision.destination.value)
        await call.divert(routed.queue, decision.region, call_back=noted)
        diverted = partial(
            self._records.note_diverted, info.call_id, info.did, offered_at, call_back=noted
        )
        diverted()
        became = await call.diverted_to()
        answered = time.time()
        diverted(became=became.value, became_at=answered)
        gave_up = became is Diversion.GONE
        self._control.measured.waited(info.did, answered - began, gave_up=gave_up)
        if became is Diversion.MET:
            if noted:
                await self._records.called_back(info.caller, answered, heard=True)
            await call.closed()
            self._control.measured.talked(info.did, time.time() - answered)
        elif gave_up and not noted:
            await self._note(info, "queue")

    async def _note(self, info: CallInfo, why: str) -> bool:
        """The number is on the list of missed calls."""
        if not info.caller or info.trunk is not Trunk.PUBLIC:
            return False
        at = time.time()
        return await self._records.note_missed(
            {
                "call_id": info.call_id,
                "number": info.caller,
                "did": info.did,
                "at": at,
                "why": why,
                "danger": False,
                "next_try_at": first_try(Missed(why), at, self._window),
            }
        )
