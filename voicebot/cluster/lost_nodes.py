"""The calls of a process that does not come back are ended on record, and 110 is told.

A job of the role `worker`. The process itself does it at its next start (`voicebot.left_open`);
this is for a machine that is gone. One that is only cut off goes on with its calls, and when it
is back what it has written counts (`voicebot.records.breaking_off`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from voicebot.callers.missed_rules import Window, first_after_break
from voicebot.cluster.lost_rules import Sign, Watch
from voicebot.cluster.signs_of_life import EVERY_S
from voicebot.cluster.tables import MediaRunRow
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.operations import break_off_call
from voicebot.records.store import Records
from voicebot.records.tables import CallRow

log = structlog.get_logger()


class LostNodes:
    """Parameters:
    after_s: without a sign of life for so long a process is lost.
    window: when callers who were not in danger may be called back.
    alive: runs of processes that are heard over NATS.
    """

    def __init__(
        self,
        records: Records,
        after_s: float,
        window: Window,
        alive: Callable[[], Collection[str]],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._records, self._window, self._alive = records, window, alive
        self._watch, self._every_s = Watch(after_s), every_s

    async def run(self) -> None:
        """Until it is cancelled. Who is lost is given up beside the watching: that may take long,
        and who does not look meanwhile would have to watch all others anew.
        """
        giving_up: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    signs = await self._records.read(signs_of_life)
                    lost = self._watch.look(signs, self._alive(), time.monotonic())
                    if lost and (giving_up is None or giving_up.done()):
                        giving_up = asyncio.create_task(self._give_up_all(lost), name="giving-up")
                except RecordsUnavailable as error:
                    log.warning("nodes_not_watched", reason=str(error))
                await asyncio.sleep(self._every_s)
        finally:
            if giving_up is not None:
                giving_up.cancel()
                await asyncio.gather(giving_up, return_exceptions=True)

    async def _give_up_all(self, lost: list[Sign]) -> None:
        """One after the other; what fails is begun again at a later look."""
        for each in lost:
            try:
                await self._give_up(each)
            except RecordsUnavailable as error:
                log.warning("node_not_given_up", node=each.node, reason=str(error))
                return
            except Exception:  # one node must not keep the others from being seen to
                log.exception("node_not_given_up", node=each.node)

    async def _give_up(self, lost: Sign) -> None:
        records = self._records
        calls = await records.in_background(give_up, lost)
        failed = False
        for call_id in calls:
            at = time.time()
            try:
                ended = await records.in_background(
                    end_call, lost, call_id, at, first_after_break(at, self._window)
                )
            except RecordsUnavailable:
                raise
            except Exception:  # one call must not keep the others from being seen to
                log.exception("call_not_ended", call_id=call_id, node=lost.node)
                failed = True
                continue
            if not ended:  # it is back
                return
            log.error("call_lost_with_its_node", call_id=call_id, node=lost.node)
        if calls:
            log.error("node_lost", node=lost.node, run=lost.run, calls=len(calls))
            records.audit(None, "node.lost", f"{lost.node} {len(calls)}")
        if not failed:
            await records.in_background(forget, lost)


def signs_of_life(session: Session) -> list[Sign]:
    """Of all runs; those that have running calls on record and no sign of life as well."""
    row = MediaRunRow
    found = session.execute(select(row.run, row.node, row.began_at, row.seen_at)).all()
    signs = [Sign(*each) for each in found]
    known = {each.run for each in signs}
    running = select(CallRow.run).where(CallRow.ended_at.is_(None), CallRow.run.is_not(None))
    return signs + [
        Sign(run, "", 0.0, 0.0)
        for run in session.scalars(running.distinct())
        if run is not None and run not in known
    ]


def give_up(session: Session, lost: Sign) -> list[str]:
    """From now on its calls are ended; their ids. None where it has just given a sign."""
    if lost.node:
        now = func.extract("epoch", func.clock_timestamp())
        given_up = session.execute(
            update(MediaRunRow)
            .where(MediaRunRow.run == lost.run, MediaRunRow.seen_at == lost.seen_at)
            .values(lost_at=now)
            .returning(MediaRunRow.run)
        ).first()
        if given_up is None:
            return []
    running = select(CallRow.id).where(CallRow.run == lost.run, CallRow.ended_at.is_(None))
    return list(session.scalars(running.order_by(CallRow.id)))


def end_call(session: Session, lost: Sign, call_id: str, at: float, call_back_at: float) -> bool:
    """End one of its calls; False where it has given a sign of life meanwhile.

    Parameters:
        call_back_at: as `breaking_off.break_off_call` has it.
    """
    of_run = select(MediaRunRow.lost_at).where(MediaRunRow.run == lost.run).with_for_update()
    row = session.execute(of_run).first()
    if (row is None) == bool(lost.node) or (row is not None and row.lost_at is None):
        return False
    break_off_call(session, call_id=call_id, at=at, own=False, call_back_at=call_back_at)
    return True


def forget(session: Session, lost: Sign) -> None:
    """Nothing of it is left to be done."""
    session.execute(
        delete(MediaRunRow).where(MediaRunRow.run == lost.run, MediaRunRow.lost_at.is_not(None))
    )
