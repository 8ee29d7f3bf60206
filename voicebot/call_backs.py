"""Calls numbers back whose callers were gone while danger was open.

`flows.call_back` decides whether and when; the telephone endpoint makes the call. Whoever
answers is served like any caller, and is put through to 110 at once. What became of each try
is noted in the police order (警单).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from flows import call_back
from flows.actions import CallBack
from flows.events import Interrupted
from telephony.call_control import CallControl, Capability
from telephony.errors import TelephonyError
from telephony.numbers import NumberKind, caller_number

log = structlog.get_logger()

RING_S = 20.0
"""How long the number rings; an answering machine takes over after that."""

KEPT_S = 30.0
"""How long it is known what a call was about that is answered or given up."""

_CALLABLE = (NumberKind.MOBILE, NumberKind.FIXED)
"""Never a short number or one abroad (toll fraud)."""

_ENDED = {"busy": "占线", "no_answer": "无人接听", "no_such_trunk": "没有设置这条中继"}

Note = Callable[[str], Awaitable[None]]


class CallBacks:
    """Parameters:
    trunk: of the telephone endpoint's settings, towards the public network; "" for none.
    is_calling: a call of this number is running, beside those with these ids.
    """

    def __init__(self, trunk: str, is_calling: Callable[[str, Collection[str]], bool]) -> None:
        self._trunk, self._is_calling = trunk, is_calling
        self._matters: dict[str, Interrupted] = {}
        """By hand-off: what is being called about."""
        self._tasks: set[asyncio.Task[None]] = set()

    def possible(self, line: CallControl, caller: str) -> bool:
        """The caller's number can be called from the endpoint of this line."""
        able = bool(self._trunk) and Capability.CALLS_OUT in line.capabilities
        return able and caller_number(caller).kind in _CALLABLE

    def begin(self, line: CallControl, did: str, wanted: CallBack, note: Note) -> None:
        """Calls, a few times if need be; `did` is what the called person sees."""
        self._matters[wanted.matter.handoff] = wanted.matter
        task = asyncio.create_task(self._run(line, did, wanted, note), name="call-back")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def matter(self, reference: str) -> Interrupted | None:
        """What an answered call of ours is about; None for none that is known."""
        return self._matters.get(reference)

    async def close(self) -> None:
        """Gives up what is not answered, and notes it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, line: CallControl, did: str, wanted: CallBack, note: Note) -> None:
        handoff = wanted.matter.handoff
        try:
            await note(await self._outcome(line, did, wanted, note))
        except asyncio.CancelledError:
            await note("系统停止服务，没有回拨成，请110回拨")
            raise
        except Exception:
            log.exception("call_back_failed")
            await note("回拨出错，请110回拨")
        finally:
            # Who has answered may be offered only after the line has told us of it.
            asyncio.get_running_loop().call_later(KEPT_S, self._matters.pop, handoff, None)

    async def _outcome(self, line: CallControl, did: str, wanted: CallBack, note: Note) -> str:
        tries, ended = 0, ""
        while (pause := call_back.next_try(tries, ended)) is not None:
            await asyncio.sleep(pause)
            # An interrupted call keeps its place while its legs are told.
            if self._is_calling(wanted.number, {_call(handoff) for handoff in self._matters}):
                return "来电人已再次打进来，不再回拨"
            tries += 1
            try:
                await line.call_out(
                    self._trunk, wanted.number, did, wanted.matter.handoff, ring_s=RING_S
                )
            except TelephonyError as error:
                ended = error.code
                log.warning("call_back_not_answered", tries=tries, reason=ended)
                await note(f"第{tries}次回拨：{_ENDED.get(ended, '打不通')}")
            else:
                return f"第{tries}次回拨已接通，正在转110"
        return f"回拨{tries}次没有接通，请110回拨"


def _call(handoff: str) -> str:
    """The call that a hand-off belongs to."""
    return handoff.rpartition("-h")[0]
