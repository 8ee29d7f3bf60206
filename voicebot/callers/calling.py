"""Calls missed callers back (漏接电话回拨), one number after the other.

`missed` says whom and in what order, `missed_rules` when, the telephone endpoint of the newest
call makes the call. Whoever answers is served like any caller, and the call itself says at its
end whether anybody was reached (`on_call.ended`). Danger is heard as ever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import structlog

from telephony.call_control import CallControl, Capability
from telephony.errors import CallError, TelephonyError
from telephony.numbers import NumberKind, caller_number
from voicebot.callers import missed, missed_claims
from voicebot.callers.missed_rules import Due, Window, next_try
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

log = structlog.get_logger()

EVERY_S = 5.0
RING_S = 25.0
LOOK_S = 1.0
"""How often it is asked while a number rings whether it is called over danger."""
OFFERED_S = 10.0
"""How long an answered call may take until it is offered and served."""

MISSED, LOST = "missed:", "lost:"
"""Before the missed call's id: the reference of a call that we make; of one lost in danger."""

_CALLABLE = (NumberKind.MOBILE, NumberKind.FIXED)
"""Never a short number or one abroad (toll fraud)."""
_ENDED = {
    "busy": "占线",
    "no_answer": "无人接听",
    "no_such_trunk": "没有设置这条中继",
    "gave_way": "让给险情回拨",
}


class CallingBack:
    """Parameters:
    trunk: towards the public network; "" for none: the list is for agents then.
    window: when callers may be called who are not in danger.
    tries: so many, then a person decides.
    is_calling: a call of this number is running.
    has_room: another call would be taken, with what is kept for hand-offs left alone.
    """

    def __init__(
        self,
        records: Records,
        trunk: str,
        window: Window,
        tries: int,
        is_calling: Callable[[str, Collection[str]], bool],
        has_room: Callable[[], bool],
    ) -> None:
        self._records, self._trunk = records, trunk
        self._window, self._tries = window, tries
        self._is_calling, self._has_room = is_calling, has_room
        self._line: CallControl | None = None
        self._served: dict[str, asyncio.Future[bool]] = {}
        """By reference: calls that we are making."""

    def seen(self, line: CallControl) -> None:
        """A call was answered; its endpoint may be able to call out."""
        if Capability.CALLS_OUT in line.capabilities:
            self._line = line

    def offered(self, reference: str, *, served: bool) -> None:
        """What became of an answered call; harmless for any other."""
        waiting = self._served.get(reference)
        if waiting is not None and not waiting.done():
            waiting.set_result(served)

    def line_at(self, at: float) -> CallControl | None:
        """The endpoint over which callers may be called now, danger aside; None: not now."""
        able = self._trunk and self._window.open_at(at) and self._has_room()
        return self._line if able else None

    def may_call(self, number: str) -> bool:
        """It is a number to call, and nobody calls from it just now."""
        return caller_number(number).kind in _CALLABLE and not self._is_calling(number, ())

    async def call_out(self, line: CallControl, number: str, did: str, reference: str) -> None:
        """Rings the number, unless a node calls it back over danger: nobody has two calls of ours.

        Errors as `CallControl.call_out`; CallError `gave_way`.
        """
        ringing = asyncio.create_task(
            line.call_out(self._trunk, number, did, reference, ring_s=RING_S)
        )
        try:
            while not (await asyncio.wait((ringing,), timeout=LOOK_S))[0]:
                if await self._called_over_danger(number):
                    ringing.cancel()
                    await asyncio.wait((ringing,))
                    if ringing.cancelled():
                        raise CallError("gave_way", "The number is called back over danger.")
            await ringing
        finally:
            ringing.cancel()

    async def _called_over_danger(self, number: str) -> bool:
        try:
            return await self._records.read(missed_claims.claimed, number, time.time())
        except RecordsUnavailable:
            return False

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.once(time.time())
            except RecordsUnavailable as error:
                log.warning("missed_calls_unknown", reason=str(error))
            except Exception:
                log.exception("call_back_failed")
            await asyncio.sleep(EVERY_S)

    async def once(self, at: float) -> None:
        """Take off the list who got through meanwhile, and call the first who is due."""
        if await self._records.read(missed.called_again):
            await self._records.in_background(missed.settle_called_again, at)
        if not self._trunk or self._line is None:
            return
        for due in await self._records.read(missed.due, at):
            if not (due.danger or self._window.open_at(at)) or self._is_calling(due.number, ()):
                continue
            if caller_number(due.number).kind not in _CALLABLE:
                await self._in_vain(due, "这个号码不能回拨", at, last=True)
            elif self._has_room():
                await self._call(self._line, due)
                return

    async def _call(self, line: CallControl, due: Due) -> None:
        at, tries = time.time(), due.tries + 1
        again = next_try(tries, self._tries, at, danger=due.danger, window=self._window)
        begun = await self._records.in_background(
            missed.begin, due.number, tries=tries, next_try_at=again, at=at
        )
        if not begun:
            return
        reference = (LOST if due.danger else MISSED) + due.call_id
        served = self._served[reference] = asyncio.get_running_loop().create_future()
        try:
            await self.call_out(line, due.number, due.did, reference)
            async with asyncio.timeout(OFFERED_S):
                taken = await served
        except TelephonyError as error:
            last = error.code == "no_such_trunk"
            await self._in_vain(due, _ENDED.get(error.code, "打不通"), at, last=last)
            return
        except TimeoutError:
            taken = False
        finally:
            del self._served[reference]
        if not taken:
            await self._in_vain(due, "有人接听，但没有接进来", at)

    async def _in_vain(self, due: Due, why: str, at: float, *, last: bool = False) -> None:
        log.warning("missed_call_not_reached", tries=due.tries, reason=why)
        await self._records.in_background(missed.in_vain, due.number, why=why, at=at, last=last)
