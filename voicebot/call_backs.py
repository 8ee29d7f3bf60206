"""Calls numbers back whose callers were gone while danger was open.

`flows.call_back` decides whether and when; the telephone endpoint makes the call. Whoever
answers is served like any caller, and is put through to 110 at once. What became of each try
is noted in the police order (警单). One number is called for one matter at a time: the newest, at
whichever node. That is settled in the records (`voicebot.callers.missed_claims`) beside the calls,
which wait for nothing: within the time before the first ring, or later if the database is slow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

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

LOOK_S = 1.0
"""How often it is asked whether the call-back is still ours: at least once before it first rings,
which happens all the same where that could not be asked by then."""

_CALLABLE = (NumberKind.MOBILE, NumberKind.FIXED)
"""Never a short number or one abroad (toll fraud)."""

_ENDED = {"busy": "占线", "no_answer": "无人接听", "no_such_trunk": "没有设置这条中继"}

_STOPPED = "系统停止服务，没有回拨成，请110回拨"
_REPLACED = "来电人又打进来并再次挂断，由新的警单回拨"
_ELSEWHERE = "已由另一台服务器接着回拨"

Note = Callable[[str], Awaitable[None]]


class Claim(Protocol):
    """A call-back where other nodes see it (`voicebot.callers.missed_claims.Claim`)."""

    def put_down(self) -> None: ...

    async def ours(self) -> bool | None: ...

    async def over(self, *, at_once: bool, gave_way: bool = False) -> None: ...


@dataclass(slots=True, eq=False)
class _CallBack:
    wanted: CallBack
    claim: Claim
    began_at: float
    """As the `stamp` of `CallBacks` has it."""
    served: asyncio.Future[bool] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Whether the answered call was served."""
    calling: asyncio.Task[str] = field(init=False)
    """Its result is what is noted at the end."""
    seen_to: asyncio.Task[None] = field(init=False)
    going_on: bool = True
    claimed: bool = False
    """Once it was ours in the records they alone say whose it is."""
    given_up: str = _STOPPED
    """What is noted where `calling` was cancelled."""

    def give_up(self, why: str) -> None:
        if self.going_on and not self.calling.cancelling():
            self.given_up = why
            self.calling.cancel()


class CallBacks:
    """Parameters:
    trunk: of the telephone endpoint's settings, towards the public network; "" for none.
    is_calling: a call of this number is running, beside those with these ids.
    claim: makes one of a call's id, the number that is called and what its owner sees.
    newer_elsewhere: another node calls the number back over a matter later than this moment.
    stamp: when a matter of this number begins, in seconds since the epoch, and later than any that
        other nodes have told of.
    told: whom we call back has changed; quick.
    """

    def __init__(
        self,
        trunk: str,
        is_calling: Callable[[str, Collection[str]], bool],
        claim: Callable[[str, str, str], Claim],
        newer_elsewhere: Callable[[str, float], bool] = lambda number, began_at: False,
        stamp: Callable[[str], float] = lambda number: time.time(),
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._trunk, self._is_calling, self._claim = trunk, is_calling, claim
        self._newer_elsewhere, self._stamp, self._told = newer_elsewhere, stamp, told
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
        number, handoff = wanted.number, wanted.matter.handoff
        for older in self._known.values():
            if older.wanted.number == number:
                older.give_up(_REPLACED)
        new = _CallBack(wanted, self._claim(_call(handoff), number, did), self._stamp(number))
        new.calling = asyncio.create_task(self._outcome(new, line, did, note), name="call-back")
        new.calling.add_done_callback(lambda _: self._ended(new))
        new.seen_to = asyncio.create_task(self._see_to(new, note), name="call-back-seen-to")
        self._known[handoff] = new
        new.claim.put_down()
        self._told()

    @property
    def going_on(self) -> list[tuple[str, float]]:
        """Numbers that are being called back, and since when (seconds since the epoch)."""
        return [(each.wanted.number, each.began_at) for each in self._going_on]

    @property
    def _going_on(self) -> list[_CallBack]:
        return [each for each in self._known.values() if each.going_on]

    def give_way(self) -> None:
        """Other nodes may have told us of a later matter: over ours nobody is called any more, if
        the records have not said that it is ours.
        """
        for each in self._going_on:
            if not each.claimed and self._newer_elsewhere(each.wanted.number, each.began_at):
                each.give_up(_REPLACED)

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
        """Gives up what is not answered, notes it, and leaves it to other nodes."""
        for each in self._going_on:
            each.give_up(_STOPPED)
        seen_to = [each.seen_to for each in self._known.values()]
        await asyncio.gather(*seen_to, return_exceptions=True)

    def _ended(self, this: _CallBack) -> None:
        this.going_on = False
        # Who has answered may be offered only after the line has told us of it.
        handoff = this.wanted.matter.handoff
        asyncio.get_running_loop().call_later(KEPT_S, self._known.pop, handoff, None)
        self._told()

    async def _see_to(self, this: _CallBack, note: Note) -> None:
        """Until it is over, whatever ends it; then it is noted, and what is left is others'."""
        looking = asyncio.create_task(_look(this), name="call-back-claim")
        await asyncio.wait((this.calling,))
        looking.cancel()
        (looked,) = await asyncio.gather(looking, return_exceptions=True)
        if isinstance(looked, Exception):
            log.error("call_back_not_looked_after", exc_info=looked)
        outcome, at_once = this.given_up, this.given_up == _STOPPED
        if not this.calling.cancelled():
            error = this.calling.exception()
            if error is not None:
                log.error("call_back_failed", exc_info=error)
            outcome = "回拨出错，请110回拨" if error is not None else this.calling.result()
            at_once = error is not None
        await _put_down(note, outcome)
        gave_way = this.calling.cancelled() and this.given_up == _REPLACED
        await this.claim.over(at_once=at_once, gave_way=gave_way)

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


async def _look(this: _CallBack) -> None:
    """Gives way to whoever else calls the number, by the records."""
    while True:
        ours = await this.claim.ours()
        if ours is False:
            this.give_up(_ELSEWHERE)
            return
        this.claimed = this.claimed or ours is True
        await asyncio.sleep(LOOK_S)


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
