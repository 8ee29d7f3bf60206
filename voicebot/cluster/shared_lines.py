"""One count of 110's lines for all nodes: this process's part of it.

What its calls have and want is put into PostgreSQL whenever it changes, and every `RENEW_S`
besides; free lines for its callers come back with it. NATS tells the others that a line is free;
while somebody waits here it is asked for every `POLL_S` all the same.

Nobody in danger waits for the database: what it has not answered within `LEASE_ANSWER_S` this
process's own list decides at once, as if it were the only one, and so do all calls after it until
the database is quick again. A line that is given too late is given back; one that was dialled
meanwhile is counted as soon as that can be done.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import structlog
from sqlalchemy.orm import Session

from flows.waiting_list import Wish
from voicebot.cluster.free_lines import FreeLines
from voicebot.cluster.line_leases import KEPT_S, Heard, Here, Pair, Told, leave, tell
from voicebot.cluster.line_turns import Given, give_out, take
from voicebot.cluster.lines_heard import LinesHeard
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

if TYPE_CHECKING:
    from voicebot.cluster.member import Member

log = structlog.get_logger()

LEASE_ANSWER_S: Final = 0.3
RENEW_S: Final = 2.0
POLL_S: Final = 1.0
QUICK_S: Final = 1.0
"""A database that takes longer for all that this process has is too slow to be asked."""
SETTLED_S: Final = 2.0
"""Once the database answers again the others are given so long to tell what they have dialled:
before, nobody who waits is given a line."""
LEAVING_S: Final = 1.0
"""How long the end of the process may wait for the database."""
AnyFuture = TypeVar("AnyFuture", bound=asyncio.Future[Any])


class Callers(Protocol):
    """The calls of this process (`voicebot.call.waiting_lines.WaitingLines`)."""

    @property
    def taken(self) -> frozenset[Pair]:
        """Lines that they have, or that are kept for them."""
        ...

    def wishes(self, at: float) -> tuple[Wish, ...]:
        """Who waits for a line (`flows.waiting_list.WaitingList.wishes`)."""
        ...

    def given(self, call: str, destination: str, at: float, *, sure: bool) -> bool:
        """A line is free for this call; False: it wants it no more."""
        ...


class SharedLines:
    """Parameters:
    lines: how many lines each number has; where nodes differ the greatest number counts.
    alone: told of each line about which this process decides alone.
    """

    def __init__(
        self,
        records: Records,
        lines: Mapping[str, int],
        alone: Callable[[], None],
        member: Member | None = None,
    ) -> None:
        self._records, self._lines, self.alone = records, lines, alone
        self._elsewhere: tuple[Mapping[str, int], float] = ({}, 0.0)
        """Of each number how many lines calls of other processes have, and when that was told."""
        self._said = {number: (count, count) for number, count in lines.items()}
        self.numbers = frozenset(lines)
        self.in_touch = False
        """The database answers, and knows what is held here: it says who has the next line."""
        self._callers: Callers | None = None
        self._asked: Counter[Pair] = Counter()
        self._taking = 0
        self._heard = LinesHeard()
        self._under_way: set[asyncio.Future[Any]] = set()
        self._settled_at = 0.0
        self._told: object = None
        self._reason = ""
        self._stirred = asyncio.Event()
        self._free = FreeLines(member, self._free_elsewhere) if member is not None else None

    def elsewhere(self, at: float) -> Mapping[str, int]:
        """Of each number how many lines calls of other nodes have, while they may have them yet.

        Parameters:
            at: seconds of this process's monotonic clock.
        """
        lines, told_at = self._elsewhere
        return lines if at < told_at + KEPT_S else {}

    async def take(self, call: str, destination: str) -> bool | None:
        """Whether the call has a line now; None, after `LEASE_ANSWER_S` at most: the database does
        not say.
        """
        if not self.in_touch:
            self.alone()
            return None
        pair = call, destination
        self._taking += 1
        self._asked[pair] += 1
        until = time.monotonic() + LEASE_ANSWER_S
        count = self._counts[destination]
        given = self._records.promptly(
            _take_in_time, until, self._records.run_id, self._taking, *pair, count
        )
        asked = self._begin(asyncio.ensure_future(given))
        answered = False
        try:
            await asyncio.wait((asked,), timeout=LEASE_ANSWER_S)
            answered = asked.done()
        finally:
            if answered:
                self._answered(pair)
            else:
                asked.add_done_callback(partial(self._late, pair))
        error = asked.exception() if answered else None
        mine = asked.result() if answered and error is None else None
        if mine is None:
            self._lose_touch(str(error or "slow"), error)
            self.alone()
        else:
            self._told = None  # a line that is given up before it was told is free at once, too
        return mine

    def give_back(self) -> None:
        """A line that was taken is not wanted any more."""
        self._stirred.set()

    def busy(self, call: str, destination: str) -> None:
        """A number that the call had a line to is busy."""
        self._heard.add(Heard(call, destination, busy=True), time.monotonic())
        self._stirred.set()

    def reached(self, call: str, destination: str, *, answered: bool) -> None:
        """The call's line rings, or has been answered."""
        heard = Heard(call, destination, busy=False, answered=answered)
        self._heard.add(heard, time.monotonic())

    def look(self, at: float) -> None:
        """What the calls have and want may have changed."""
        if self._callers is not None and _as_it_stands(self._callers, at) != self._told:
            self._stirred.set()

    async def run(self, callers: Callers) -> None:
        """Until it is cancelled, or closed."""
        self._callers = callers
        while self._callers is not None:
            self._stirred.clear()
            waits = await self._tell(callers)
            if not self.in_touch:
                await asyncio.sleep(POLL_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if waits else RENEW_S):
                    await self._stirred.wait()

    async def close(self) -> None:
        """What this process has is free at once."""
        self.in_touch, self._callers = False, None
        try:
            async with asyncio.timeout(LEAVING_S):
                if self._under_way:  # what is asked for now would be given to nobody
                    await asyncio.wait(self._under_way)
                await self._records.promptly(leave, self._records.run_id)
        except (RecordsUnavailable, TimeoutError) as error:
            log.warning("police_lines_not_left", reason=str(error))

    async def _tell(self, callers: Callers) -> bool:
        """All that this process has and wants, and what comes back; whether somebody waits."""
        waits = False
        try:
            at = time.monotonic()
            self._told = _as_it_stands(callers, at)
            here = Here(
                self._records.run_id,
                self._taking,
                callers.taken,
                frozenset(self._asked),
                callers.wishes(at),
                self._heard.newest(at),
            )
            waits = bool(here.wishes)
            telling = self._begin(asyncio.create_task(self._exchange(here), name="police-lines"))
            await asyncio.wait((telling,), timeout=QUICK_S)
            quick = telling.done()
            if not quick:
                self._lose_touch("slow")
                await asyncio.wait((telling,))
            told, given = telling.result()
            self._take_in(callers, told, given)
            if quick and not self.in_touch:
                self.in_touch, self._reason = True, ""
                self._settled_at = time.monotonic() + SETTLED_S
                log.info("police_lines_shared")
        except Exception as error:  # whatever it was: the calls' own list goes on
            self._lose_touch(str(error), error)
        return waits

    async def _exchange(self, here: Here) -> tuple[Told, tuple[Given, ...]]:
        told = await self._records.promptly(tell, self._lines, here)
        self._heard.told(len(here.heard))
        self._heard_of(told)
        if not (here.wishes and self.in_touch and time.monotonic() >= self._settled_at):
            return told, ()
        # After the wishes are there for all to see: of two nodes one knows of the other's.
        return told, await self._records.promptly(
            give_out, self._counts, here.run, self._taking, here.wishes
        )

    @property
    def _counts(self) -> dict[str, int]:
        """How many lines each number has."""
        return {number: most for number, (_, most) in self._said.items()}

    def _heard_of(self, told: Told) -> None:
        differ = {number: said for number, said in told.said.items() if said[0] != said[1]}
        if differ and told.said != self._said:
            log.warning("police_lines_differ", numbers=differ, own=dict(self._lines))
        self._said = dict(told.said)
        self._elsewhere = told.elsewhere, time.monotonic()

    def _take_in(self, callers: Callers, told: Told, given: tuple[Given, ...]) -> None:
        if not told.complete:
            self._stirred.set()
        if told.freed and self._free is not None:
            self._free.tell(told.freed)
        at = time.monotonic()
        for each in given:
            if not callers.given(each.call, each.destination, at, sure=each.sure):
                self.give_back()

    def _free_elsewhere(self, numbers: Collection[str]) -> None:
        if self._callers is not None:
            wishes = self._callers.wishes(time.monotonic())
            if any(wish.destination in numbers for wish in wishes):
                self._stirred.set()

    def _begin(self, asked: AnyFuture) -> AnyFuture:
        self._under_way.add(asked)
        asked.add_done_callback(self._ended)
        return asked

    def _ended(self, asked: asyncio.Future[Any]) -> None:
        self._under_way.discard(asked)
        if not asked.cancelled():
            asked.exception()  # whoever waits for it knows

    def _answered(self, pair: Pair) -> None:
        self._asked[pair] -= 1
        if not self._asked[pair]:
            del self._asked[pair]

    def _late(self, pair: Pair, _: asyncio.Future[bool | None]) -> None:
        """Nobody waits for this answer any more: a line that it brings is given back, or is that
        of a call which was dialled meanwhile.
        """
        self._answered(pair)
        self.give_back()

    def _lose_touch(self, reason: str, error: BaseException | None = None) -> None:
        self.in_touch = False
        if reason != self._reason:
            self._reason = reason
            unforeseen = None if isinstance(error, RecordsUnavailable) else error
            log.warning("police_lines_counted_alone", reason=reason, exc_info=unforeseen)


def _take_in_time(
    session: Session, until: float, *asked: *tuple[str, int, str, str, int]
) -> bool | None:
    """None: nobody waits for the answer any more, and whoever is next need not wait for it."""
    return take(session, *asked) if time.monotonic() < until else None


def _as_it_stands(callers: Callers, at: float) -> object:
    """What the others have to know."""
    wishes = callers.wishes(at)
    return callers.taken, {(each.call, each.destination, each.score, each.idle) for each in wishes}
