"""Calls numbers back whose callers were gone while danger was open.

`flows.call_back` decides whether and when; the telephone endpoint makes the call. Whoever
answers is served like any caller, and is put through to 110 at once. What became of each try
is noted in the police order (警单). One number is called for one matter at a time: the newest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

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

OFFERED_S = 10.0
"""How long an answered call may take until it is offered and served (Asterisk: 5 s to answer)."""

KEPT_S = 30.0
"""How long it is known what a call was about that is answered or given up."""

_CALLABLE = (NumberKind.MOBILE, NumberKind.FIXED)
"""Never a short number or one abroad (toll fraud)."""

_ENDED = {"busy": "占线", "no_answer": "无人接听", "no_such_trunk": "没有设置这条中继"}

_STOPPED = "系统停止服务，没有回拨成，请110回拨"
_REPLACED = "来电人又打进来并再次挂断，由新的警单回拨"

Note = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class _CallBack:
    wanted: CallBack
    served: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Whether the answered call was served."""
    began_at: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    task: asyncio.Task[None] | None = None
    given_up: str = _STOPPED
    """What is noted when its task is cancelled."""


class CallBacks:
    """Parameters:
    trunk: of the telephone endpoint's settings, towards the public network; "" for none.
    is_calling: a call of this number is running, beside those with these ids.
    newer_elsewhere: another node calls the number back over a matter later than this moment.
    told: whom we call back has changed; quick.
    """

    def __init__(
        self,
        trunk: str,
        is_calling: Callable[[str, Collection[str]], bool],
        newer_elsewhere: Callable[[str, float], bool] = lambda number, began_at: False,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._trunk, self._is_calling = trunk, is_calling
        self._newer_elsewhere, self._told = newer_elsewhere, told
        self._known: dict[str, _CallBack] = {}
        """By hand-off; for a while after their end too."""

    def possible(self, line: CallControl, caller: str) -> bool:
        """The caller's number can be called from the endpoint of this line."""
        able = bool(self._trunk) and Capability.CALLS_OUT in line.capabilities
        return able and caller_number(caller).kind in _CALLABLE

    def begin(self, line: CallControl, did: str, wanted: CallBack, note: Note) -> None:
        """Calls, a few times if need be; `did` is what the called person sees.

        An older matter of the same number is not called about any more.
        """
        for older in self._known.values():
            if older.wanted.number == wanted.number:
                _replace(older)
        new = self._known[wanted.matter.handoff] = _CallBack(wanted)
        new.task = asyncio.create_task(self._run(new, line, did, note), name="call-back")
        self._told()

    @property
    def going_on(self) -> list[tuple[str, float]]:
        """Numbers that are being called back, and since when (seconds since the epoch)."""
        return [
            (each.wanted.number, each.began_at)
            for each in self._known.values()
            if each.task is not None
        ]

    def give_way(self) -> None:
        """Other nodes may have told us of a later matter: over ours nobody is called any more."""
        for each in self._known.values():
            if self._newer_elsewhere(each.wanted.number, each.began_at):
                _replace(each)

    def pending(self, number: str) -> bool:
        """A call of this number broke off in danger, and it is being called back."""
        return any(number == each for each, _ in self.going_on)

    def matter(self, reference: str) -> Interrupted | None:
        """What an answered call of ours is about; None for none that is known."""
        known = self._known.get(reference)
        return known.wanted.matter if known is not None else None

    def offered(self, reference: str, *, served: bool) -> None:
        """What became of an answered call; harmless for any other."""
        known = self._known.get(reference)
        if known is not None and not known.served.done():
            known.served.set_result(served)

    async def close(self) -> None:
        """Gives up what is not answered, and notes it."""
        tasks = [known.task for known in self._known.values() if known.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, this: _CallBack, line: CallControl, did: str, note: Note) -> None:
        try:
            outcome = await self._outcome(this, line, did, note)
        except asyncio.CancelledError:
            outcome = this.given_up
        except Exception:
            log.exception("call_back_failed")
            outcome = "回拨出错，请110回拨"
        # Who has answered may be offered only after the line has told us of it.
        handoff = this.wanted.matter.handoff
        asyncio.get_running_loop().call_later(KEPT_S, self._known.pop, handoff, None)
        this.task = None
        self._told()
        await _put_down(note, outcome)

    async def _outcome(self, this: _CallBack, line: CallControl, did: str, note: Note) -> str:
        tries, ended = 0, ""
        number, handoff = this.wanted.number, this.wanted.matter.handoff
        while (pause := call_back.next_try(tries, ended)) is not None:
            await asyncio.sleep(pause)
            # An interrupted call keeps its place while its legs are told.
            if self._is_calling(number, {_call(known) for known in self._known}):
                return "来电人已再次打进来，不再回拨"
            tries += 1
            try:
                await line.call_out(self._trunk, number, did, handoff, ring_s=RING_S)
            except TelephonyError as error:
                ended = error.code
                log.warning("call_back_not_answered", tries=tries, reason=ended)
                await _put_down(note, f"第{tries}次回拨：{_ENDED.get(ended, '打不通')}")
            else:
                if await _within(this.served):
                    return f"第{tries}次回拨已接通，正在转110"
                log.error("call_back_not_served", tries=tries)
                return f"第{tries}次回拨有人接听，但没有转到110，请110回拨"
        return f"回拨{tries}次没有接通，请110回拨"


def _replace(older: _CallBack) -> None:
    if older.task is not None:
        older.given_up = _REPLACED
        older.task.cancel()


async def _within(served: asyncio.Future[bool]) -> bool:
    try:
        async with asyncio.timeout(OFFERED_S):
            return await served
    except TimeoutError:
        return False


async def _put_down(note: Note, text: str) -> None:
    """Calling waits for no storage."""
    try:
        await note(text)
    except Exception:
        log.exception("call_back_not_noted")


def _call(handoff: str) -> str:
    """The call that a hand-off belongs to."""
    return handoff.rpartition("-h")[0]
