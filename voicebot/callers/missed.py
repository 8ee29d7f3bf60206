"""The list of missed calls (漏接电话), until each number was reached or somebody has settled it.

Functions of a session, in the caller's transaction. One call-back answers all missed calls of a
number.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, or_, select, tuple_, update
from sqlalchemy.orm import Session

from voicebot.callers.errors import NotKnown
from voicebot.callers.limits import name_of
from voicebot.callers.missed_rules import BROKEN, QUEUED, Due, is_surer
from voicebot.callers.tables import MissedCallRow
from voicebot.figures.refusals import served_elsewhere
from voicebot.figures.tables import DivertedCallRow
from voicebot.records.reading import plain
from voicebot.records.tables import CallRow
from voicebot.retention.mark import REMOVED

GOT_THROUGH = ("answered", "ticket", "human", "handed_off", "guided")
"""Outcomes of a later call after which nobody need be called back."""
OPEN = ("waiting", "given_up")
CLOCKS_DIFFER_S = 10.0
"""Who is refused at one node may be served at once by the next, whose clock is behind."""
MOST_NOTE = 500


def note(
    session: Session,
    *,
    call_id: str,
    number: str,
    did: str,
    at: float,
    why: str,
    danger: bool,
    next_try_at: float,
) -> None:
    """Put a missed call on the list; one that is there stays as it is, and one that was settled.

    A guess becomes what is noted next (`missed_rules.is_surer`); over danger that came after it was
    settled the caller is called anew.
    """
    row = session.get(MissedCallRow, call_id)
    if why == QUEUED and _left(session, call_id, at):
        return
    if row is not None and is_surer(why, row.why):
        anew = danger and (row.settled_at or 0.0) < at
        if row.state != "waiting" and anew:
            row.state, row.tries, row.settled_at, row.settled_by = "waiting", 0, None, ""
        if row.state == "waiting":
            row.at, row.why, row.danger, row.next_try_at = at, why, danger, next_try_at
    elif row is None:
        session.add(
            MissedCallRow(
                call_id=call_id,
                number=number,
                did=did,
                at=at,
                why=why,
                danger=danger,
                next_try_at=next_try_at,
            )
        )


def left_queue(session: Session, call_id: str, *, at: float) -> None:
    """Who was in the queue has a person, or is offered to us again: nobody was missed."""
    session.execute(
        delete(MissedCallRow).where(
            MissedCallRow.call_id == call_id,
            MissedCallRow.why == QUEUED,
            MissedCallRow.state == "waiting",
            MissedCallRow.at <= at,
        )
    )


def went_on(session: Session, call_id: str) -> None:
    """The call that was believed to have broken off had not; who has been called, was."""
    session.execute(
        delete(MissedCallRow).where(
            MissedCallRow.call_id == call_id,
            MissedCallRow.why == BROKEN,
            MissedCallRow.state == "waiting",
            MissedCallRow.tries == 0,
        )
    )


def called_again(session: Session) -> list[str]:
    """Waiting missed calls whose caller has called since and got through, or whom the next node
    has served when one had refused him: what came of that call is the call's own to tell.
    """
    since_refused = and_(
        MissedCallRow.why == "refused", CallRow.started_at > MissedCallRow.at - CLOCKS_DIFFER_S
    )
    later = exists().where(
        CallRow.caller == MissedCallRow.number,
        or_(CallRow.started_at > MissedCallRow.at, since_refused),
        CallRow.outcome.in_(GOT_THROUGH),
    )
    served = and_(MissedCallRow.why == "refused", served_elsewhere(MissedCallRow.call_id))
    got_through = or_(later.correlate(MissedCallRow), served)
    waiting = MissedCallRow.state == "waiting"
    return list(session.scalars(select(MissedCallRow.call_id).where(waiting, got_through)))


def settle_called_again(session: Session, at: float) -> int:
    """Take them off the list; how many that were."""
    calls = called_again(session)
    session.execute(
        update(MissedCallRow)
        .where(MissedCallRow.call_id.in_(calls))
        .values(state="called_again", settled_at=at)
    )
    return len(calls)


def due(session: Session, at: float) -> list[Due]:
    """Numbers to call now: danger first, then who has waited longest; each number once.

    A number is called for all its missed calls together, once the newest of them is due, and over
    none while a node calls it over one (`missed_claims`).
    """
    rows = session.scalars(
        select(MissedCallRow).where(MissedCallRow.state == "waiting").order_by(MissedCallRow.at)
    )
    by_number: dict[str, list[MissedCallRow]] = {}
    for row in rows:
        by_number.setdefault(row.number, []).append(row)
    found = [
        Due(
            number,
            calls[0].did,
            any(call.danger for call in calls),
            max(call.tries for call in calls),
            calls[0].call_id,
        )
        for number, calls in by_number.items()
        if not _called_now(calls, at)
        and (
            max(call.next_try_at for call in calls) <= at
            or any(call.danger and call.next_try_at <= at for call in calls)
        )
    ]
    age = {number: calls[0].at for number, calls in by_number.items()}
    return sorted(found, key=lambda each: (not each.danger, age[each.number]))


def begin(
    session: Session, number: str, *, tries: int, next_try_at: float | None, at: float
) -> bool:
    """Put down that the number is called now, for the `tries`-th time; False: do not call it.

    It counts as called in vain until it turns out otherwise, whatever becomes of this process;
    False where another one was first, or somebody has settled it.

    Parameters:
        next_try_at: None: it is not called again, and a person decides.
    """
    waiting = select(MissedCallRow).where(_waiting(number, at)).order_by(MissedCallRow.call_id)
    calls = list(session.scalars(waiting.with_for_update()))
    if max((call.tries for call in calls), default=tries) != tries - 1 or _called_now(calls, at):
        return False
    for call in calls:
        call.tries, call.note, call.calling = tries, f"第{tries}次回拨", False
        if next_try_at is None:
            call.state = "given_up"
        else:
            call.next_try_at = next_try_at
    return True


def in_vain(session: Session, number: str, *, why: str, at: float, last: bool = False) -> None:
    """Why a call-back that was begun by `at` has not reached anybody; `last`: the last one."""
    for call in session.scalars(select(MissedCallRow).where(_open(number, at))):
        call.note = f"第{call.tries}次回拨：{why}"[:MOST_NOTE] if call.tries else why[:MOST_NOTE]
        if last:
            call.state = "given_up"


def reached(session: Session, number: str, *, at: float) -> None:
    """Somebody has answered the call-back that was begun by `at`, and was heard."""
    session.execute(
        update(MissedCallRow)
        .where(_open(number, at))
        .values(state="reached", settled_at=at, settled_by="")
    )


def done(session: Session, call_id: str, *, who: str, note: str, at: float) -> list[str]:
    """An agent has called the number, or decided not to: all its missed calls are settled.

    Raises:
        NotKnown: no such missed call.
    """
    row = session.get(MissedCallRow, call_id)
    if row is None:
        raise NotKnown("There is no missed call of this id; `voicebot callers missed` lists them.")
    same = _open(row.number, at)
    if row.number in ("", REMOVED):  # which may be several callers'
        same = and_(MissedCallRow.call_id == call_id, MissedCallRow.state.in_(OPEN))
    rows = session.scalars(select(MissedCallRow).where(same)).all()
    for each in rows:
        each.state, each.settled_at, each.settled_by = "done", at, name_of(who)
        each.note = note.strip()[:MOST_NOTE]
    return [each.call_id for each in rows]


def listed(
    session: Session, at: float, *, everything: bool = False, most: int = 1000
) -> list[dict[str, Any]]:
    """Open missed calls, danger first and the oldest before the newest; `everything`: all.

    Who waits in a queue at `at`, as far as is known, is not among the open ones.
    """
    chosen = select(MissedCallRow) if everything else _to_call_back(at)
    return _told(session, chosen.order_by(*_URGENT_FIRST).limit(most))


def page(
    session: Session,
    *,
    at: float | None = None,
    everything: bool = False,
    after: tuple[float, str] | None = None,
    most: int = 50,
) -> list[dict[str, Any]]:
    """A page of `listed`, after the `page_key` of the last of the page before; `everything`: all,
    the newest first. `at`: None for now.
    """
    place = tuple_(MissedCallRow.at, MissedCallRow.call_id)
    if everything:
        chosen = select(MissedCallRow)
        if after is not None:
            chosen = chosen.where(MissedCallRow.at <= after[0], place < (after[0], after[1][1:]))
        chosen = chosen.order_by(MissedCallRow.at.desc(), MissedCallRow.call_id.desc())
    else:
        chosen = _to_call_back(time.time() if at is None else at)
        if after is not None:
            later = place > (after[0], after[1][1:])
            calm = MissedCallRow.danger.is_(False)
            in_danger = after[1].startswith("1")
            chosen = chosen.where(
                or_(calm, and_(MissedCallRow.danger, later)) if in_danger else and_(calm, later)
            )
        chosen = chosen.order_by(*_URGENT_FIRST)
    return _told(session, chosen.limit(most))


def page_key(missed: Mapping[str, Any]) -> tuple[float, str]:
    """Where the page after this missed call begins."""
    return missed["at"], f"{int(missed['danger'])}{missed['call_id']}"


_URGENT_FIRST = (MissedCallRow.danger.desc(), MissedCallRow.at, MissedCallRow.call_id)


def _told(session: Session, chosen: Select[MissedCallRow]) -> list[dict[str, Any]]:
    return [plain(row, "calling") for row in session.scalars(chosen)]


def _called_now(calls: Iterable[MissedCallRow], at: float) -> bool:
    """A node calls the number, or has died less than `missed_claims.LEASE_S` ago."""
    return any(call.calling and call.next_try_at > at for call in calls)


def _to_call_back(at: float) -> Select[MissedCallRow]:
    in_queue = and_(MissedCallRow.why == QUEUED, MissedCallRow.next_try_at > at)
    return select(MissedCallRow).where(MissedCallRow.state.in_(OPEN), ~in_queue)


def _left(session: Session, call_id: str, at: float) -> bool:
    """What was noted at `at` comes late: the caller has left that queue since."""
    diverted = session.get(DivertedCallRow, call_id)
    return diverted is not None and diverted.became_at is not None and diverted.became_at >= at


def _waiting(number: str, at: float) -> ColumnElement[bool]:
    return and_(
        MissedCallRow.number == number, MissedCallRow.state == "waiting", MissedCallRow.at <= at
    )


def _open(number: str, at: float) -> ColumnElement[bool]:
    return and_(
        MissedCallRow.number == number, MissedCallRow.state.in_(OPEN), MissedCallRow.at <= at
    )
