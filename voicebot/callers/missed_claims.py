"""Whose the call-back of a caller in danger is, on record while it is made.

`voicebot.call_backs` calls at once, at the node that had the call. From the first moment the call
is on the list of missed ones; while that node lives it keeps its time ahead of the clock, and a
node that dies leaves it to whoever works through the list. Of two matters of one number the one
that was put down last is called about: the order is the database's, not that of two clocks.
"""

from __future__ import annotations

import asyncio
import time

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from voicebot.callers.missed_rules import DANGER_FIRST_S, Missed, Window
from voicebot.callers.on_call import note_missed
from voicebot.callers.tables import MissedCallRow
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import ASKED_S, Records

log = structlog.get_logger()

LEASE_S = 30.0
"""So long after a node's last word others call: well more than clocks of nodes differ by."""


class Claim:
    """One call-back's. No method raises, and nobody in danger is kept waiting by one.

    Parameters:
        did: what the called person sees.
    """

    def __init__(self, records: Records, call_id: str, number: str, did: str) -> None:
        self._records, self._call_id = records, call_id
        self._number, self._did = number, did
        self._at = time.time()
        self._written: asyncio.Future[bool] | None = None
        self._asked: asyncio.Future[bool] | None = None
        """Goes on where nobody waits for it any more: a thread is not cancelled."""
        self._taken = False

    def put_down(self) -> None:
        """The call is missed, and nobody else's for now; returns at once."""
        missed = Missed("danger", danger=True)
        written = note_missed(
            self._records, missed, self._call_id, self._number, self._did, self._at, Window()
        )
        self._written = asyncio.ensure_future(written)

    async def ours(self) -> bool | None:
        """Nobody else calls the number over a later matter, nor over this one; None: that cannot
        be asked just now.
        """
        try:
            if self._written is not None:
                await asyncio.shield(self._written)
            work = keep if self._taken else take
            asked = self._records.in_background(work, self._call_id, time.time() + LEASE_S)
            self._asked = asyncio.ensure_future(asked)
            ours = await asyncio.shield(self._asked)
        except RecordsUnavailable as error:
            log.warning("call_back_not_claimed", reason=str(error))
            return None
        except Exception:
            log.exception("call_back_not_claimed")
            return None
        if self._taken:
            return ours
        self._taken = ours
        return ours or None

    async def over(self, *, at_once: bool, gave_way: bool = False) -> None:
        """From now on it is like any other missed call, until its number was reached.

        Parameters:
            at_once: nobody has tried to the end, so that the next may begin.
            gave_way: another node was heard to call the number. Where it has become ours
                meanwhile, that one gives way as well, and the next may begin.
        """
        now = time.time()
        later = max(self._at + DANGER_FIRST_S, now + LEASE_S)
        try:
            async with asyncio.timeout(ASKED_S):
                under_way = [work for work in (self._written, self._asked) if work is not None]
                await asyncio.gather(*map(asyncio.shield, under_way), return_exceptions=True)
                again_at = now if at_once or (gave_way and self._taken_late) else later
                await self._records.in_background(leave, self._call_id, again_at)
        except (RecordsUnavailable, TimeoutError) as error:
            log.warning("call_back_not_left", reason=str(error))

    @property
    def _taken_late(self) -> bool:
        """The records said that it is ours when nobody waited for their answer any more."""
        asked = self._asked
        if asked is None or self._taken or asked.cancelled():
            return False
        return asked.exception() is None and asked.result()


def take(session: Session, call_id: str, until: float) -> bool:
    """From now on the number is called over this missed call alone; False: it is not on the list
    yet.

    Parameters:
        until: when others call, unless `keep` says otherwise; seconds since the epoch.
    """
    own = MissedCallRow.call_id == call_id
    number = session.scalar(select(MissedCallRow.number).where(own))
    if number is None:
        return False
    concerned = or_(own, MissedCallRow.state == "waiting", MissedCallRow.calling)
    rows = session.scalars(
        select(MissedCallRow)
        .where(MissedCallRow.number == number, concerned)
        .order_by(MissedCallRow.call_id)
        .with_for_update()
    )
    for row in rows:
        row.calling = row.call_id == call_id
        if row.calling:
            row.next_try_at = until
    return True


def keep(session: Session, call_id: str, until: float) -> bool:
    """The call-back goes on; False: another has begun to call since."""
    kept = session.execute(
        update(MissedCallRow)
        .where(MissedCallRow.call_id == call_id, MissedCallRow.calling)
        .values(next_try_at=until)
        .returning(MissedCallRow.call_id)
    )
    return kept.first() is not None


def claimed(session: Session, number: str, at: float) -> bool:
    """A node calls the number back over danger, or has died less than `LEASE_S` ago."""
    row = MissedCallRow
    found = select(row.call_id).where(row.number == number, row.calling, row.next_try_at > at)
    return session.scalar(found.limit(1)) is not None


def leave(session: Session, call_id: str, again_at: float) -> None:
    """The call-back is over, if no other has taken it."""
    untouched = or_(MissedCallRow.calling, MissedCallRow.tries == 0)
    session.execute(
        update(MissedCallRow)
        .where(MissedCallRow.call_id == call_id, untouched)
        .values(calling=False, next_try_at=again_at)
    )
