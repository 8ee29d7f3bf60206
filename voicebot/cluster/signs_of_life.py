"""A process with calls says in PostgreSQL that it lives: where its calls are on record as well.

Heartbeats over NATS are for screens; that NATS is away ends nobody's calls on record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from voicebot.cluster.tables import MediaRunRow
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

log = structlog.get_logger()

EVERY_S: Final = 5.0


async def tell_life(records: Records, node: str, calls: Callable[[], Collection[str]]) -> None:
    """Until it is cancelled. Where the others gave this process up meanwhile, the calls that still
    run here go on on record too.

    Parameters:
        calls: the ids of those that are running here.
    """
    doubtful = False  # the last sign may have been written, and its answer lost on the way
    while True:
        try:
            new = await records.in_background(sign, records.run_id, node)
        except RecordsUnavailable as error:
            doubtful = True
            log.warning("no_sign_of_life", reason=str(error))
        except Exception:  # whatever it was: who gives no sign any more loses his calls on record
            doubtful = True
            log.exception("no_sign_of_life")
        else:
            going_on = list(calls()) if new or doubtful else []
            if new and going_on:
                log.warning("node_had_been_given_up", calls=len(going_on))
            for call_id in going_on:
                records.call_goes_on(call_id, time.time())
            doubtful = False
        await asyncio.sleep(EVERY_S)


def sign(session: Session, run: str, node: str) -> bool:
    """One sign of life; whether this run was not known, or was given up."""
    now = func.extract("epoch", func.clock_timestamp())
    row = session.execute(
        select(MediaRunRow.lost_at).where(MediaRunRow.run == run).with_for_update()
    ).first()
    if row is None:
        session.execute(
            insert(MediaRunRow)
            .values(run=run, node=node, began_at=now, seen_at=now)
            .on_conflict_do_nothing()
        )
        return True
    session.execute(
        update(MediaRunRow).where(MediaRunRow.run == run).values(seen_at=now, lost_at=None)
    )
    return row.lost_at is not None
