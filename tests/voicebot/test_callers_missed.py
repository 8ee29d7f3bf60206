"""Missed calls are listed, called back in order, and settled."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from datetime import time as clock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from flows.actions import Route
from flows.pending import HandoffState
from flows.state import CallerTurn, State
from telephony.call_control import CallInfo, Capability
from telephony.scripted import ScriptedLine
from voicebot.callers import missed, on_call
from voicebot.callers.calling import MISSED, CallingBack
from voicebot.callers.errors import NotKnown
from voicebot.callers.missed_claims import Claim
from voicebot.callers.missed_rules import (
    BROKEN,
    LOST_S,
    QUEUED,
    Missed,
    Window,
    first_try,
    next_try,
    of_call,
)
from voicebot.clock import BEIJING
from voicebot.config import Settings
from voicebot.records.database import migrate, open_engine
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.operations import note_diverted, refuse_call, start_call
from voicebot.records.store import Records
from voicebot.records.tables import CallRow
from voicebot.retention.mark import REMOVED

NUMBER, OTHER = "13800138000", "13900139000"
ALWAYS = Window(clock(0), clock(23, 59, 59, 999999))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp()


NOON = at("2026-11-01 12:00")


# ── which calls are missed, and when they are called ──────────────────────────────

SEAT = HandoffState("c-h1", "requested_human", (Route("seat", "seat"),), "")
POLICE = HandoffState("c-h1", "danger", (Route("110-460000", "110"),), "")
CALLER = State(call_id="c", caller=NUMBER)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (replace(CALLER, handoff=SEAT), Missed("queue")),
        (replace(CALLER, handoff=POLICE), Missed("danger", danger=True)),
        (replace(CALLER, handoff=replace(POLICE, reason="police_matter")), Missed("police")),
        (replace(CALLER, seat_failed=True), Missed("no_seat")),
        (replace(CALLER, seat_failed=True, closed=True), Missed("closed")),
        (replace(CALLER, seat_failed=True, limited=True), None),
        (replace(CALLER, handoff=POLICE, limited=True), Missed("danger", danger=True)),
        (replace(CALLER, seat_failed=True, ticket_kept=True), None),
        (replace(CALLER, handoff=SEAT, reached="seat"), None),
        (replace(CALLER, handoff=SEAT, caller=""), None),
        (replace(CALLER, handoff=SEAT, trunk="110"), None),
        (replace(CALLER, answered=1), None),
        (CALLER, None),
    ],
    ids=[
        "gave up in the queue",
        "danger open",
        "an ordinary matter of 110's",
        "no seat and no ticket",
        "outside the hours",
        "a limited number refused a seat",
        "a limited number in danger",
        "a ticket is written",
        "a seat had the call",
        "number withheld",
        "from 110",
        "answered",
        "hung up at once",
    ],
)
def test_a_call_is_missed_where_nobody_was_reached(state: State, expected: Missed | None) -> None:
    assert of_call(state) == expected


DAY = Window()


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-01 12:00", "2026-11-01 12:00"),
        ("2026-11-01 20:59:59", "2026-11-01 20:59:59"),
        ("2026-11-01 21:00", "2026-11-02 08:00"),
        ("2026-11-01 23:59", "2026-11-02 08:00"),
        ("2026-11-02 00:00", "2026-11-02 08:00"),
        ("2026-11-02 07:59:59", "2026-11-02 08:00"),
        ("2026-11-02 08:00", "2026-11-02 08:00"),
        ("2026-12-31 22:00", "2027-01-01 08:00"),
    ],
)
def test_nobody_is_called_between_nine_in_the_evening_and_eight(now: str, opens: str) -> None:
    assert DAY.first_open(at(now)) == at(opens)


@given(st.floats(0, 4e9), st.integers(1, 9), st.booleans())
def test_whatever_happens_the_next_try_is_in_the_window_unless_there_is_danger(
    moment: float, tries: int, danger: bool
) -> None:
    first = first_try(Missed("queue", danger), moment, DAY)
    again = next_try(tries, 5, moment, danger=danger, window=DAY)
    assert (again is None) == (tries >= 5)
    for chosen in (first, again):
        if chosen is not None:
            assert chosen > moment
            assert danger or DAY.open_at(chosen)
    assert not danger or first - moment < 600, "danger does not wait for the morning"


# ── the list ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def session(settings: Settings, database_url: str) -> Iterator[Session]:
    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def miss(
    session: Session, call: str, number: str, when: float, *, danger: bool = False, why: str = ""
) -> None:
    missed.note(
        session,
        call_id=call,
        number=number,
        did="12345",
        at=when,
        why=why or ("danger" if danger else "queue"),
        danger=danger,
        next_try_at=when + 60,
    )
    session.flush()


def numbers(session: Session, when: float) -> list[str]:
    return [each.number for each in missed.due(session, when)]


def test_danger_goes_first_then_who_has_waited_longest(session: Session) -> None:
    miss(session, "C1", "13800000001", NOON)
    miss(session, "C2", "13800000002", NOON - 100)
    miss(session, "C3", "13800000003", NOON, danger=True)
    assert numbers(session, NOON + 61) == ["13800000003", "13800000002", "13800000001"]
    assert [each["call_id"] for each in missed.listed(session, NOON)] == ["C3", "C2", "C1"]


def test_several_missed_calls_of_a_number_are_one_call_back(session: Session) -> None:
    miss(session, "C1", NUMBER, NOON)
    miss(session, "C2", NUMBER, NOON + 50)
    assert numbers(session, NOON + 61) == [], "not while the newest is quite fresh"
    assert numbers(session, NOON + 111) == [NUMBER]
    missed.reached(session, NUMBER, at=NOON + 130)
    assert missed.listed(session, NOON) == []
    assert {each["state"] for each in missed.listed(session, NOON, everything=True)} == {"reached"}


def test_a_call_that_is_told_twice_is_listed_once_and_keeps_what_was_done(session: Session) -> None:
    miss(session, "C1", NUMBER, NOON)
    missed.done(session, "C1", who="坐席7", note="已回电", at=NOON + 10)
    miss(session, "C1", NUMBER, NOON)
    assert missed.listed(session, NOON) == []


@pytest.mark.parametrize(
    ("outcome", "settled"), [("answered", True), ("ticket", True), ("abandoned", False)]
)
def test_who_called_again_and_got_through_is_not_called(
    session: Session, outcome: str, settled: bool
) -> None:
    miss(session, "C1", NUMBER, NOON)
    session.add(CallRow(id="C0", caller=NUMBER, started_at=NOON - 500, outcome="answered"))
    session.add(CallRow(id="C2", caller=NUMBER, started_at=NOON + 5, outcome=outcome))
    session.flush()
    assert missed.settle_called_again(session, NOON + 70) == int(settled)
    assert (missed.listed(session, NOON) == []) == settled


@pytest.mark.parametrize(("why", "settled"), [("refused", True), ("danger", False)])
def test_who_is_served_by_the_next_node_was_not_missed_though_its_clock_is_behind(
    session: Session, why: str, settled: bool
) -> None:
    miss(session, "C1", NUMBER, NOON, why=why)
    session.add(CallRow(id="C1-next", caller=NUMBER, started_at=NOON - 0.02, outcome="answered"))
    session.flush()
    assert missed.settle_called_again(session, NOON + 70) == int(settled)


@pytest.mark.parametrize(
    ("why", "key", "settled"),
    [("refused", "k", True), ("refused", None, False), ("danger", "k", False)],
)
def test_whom_the_next_node_has_taken_was_not_missed_however_that_call_goes(
    session: Session, why: str, key: str | None, settled: bool
) -> None:
    miss(session, "C1", "", NOON, why=why)
    refuse_call(session, call_id="C1", did="12345", reason="full", at=NOON, offer_key=key)
    start_call(
        session,
        call_id="C1-next",
        caller="",
        did="12345",
        started_at=NOON + 60.0,
        recording="",
        offer_key=key,
    )
    session.flush()
    assert missed.settle_called_again(session, NOON + 70) == int(settled)


def test_what_an_agent_has_settled_is_off_the_list_with_name_and_note(session: Session) -> None:
    miss(session, "C1", NUMBER, NOON)
    miss(session, "C2", NUMBER, NOON + 1)
    miss(session, "C3", OTHER, NOON)
    assert sorted(missed.done(session, "C2", who="坐席7", note="已登记", at=NOON + 9)) == [
        "C1",
        "C2",
    ]
    assert [each["call_id"] for each in missed.listed(session, NOON)] == ["C3"]
    (settled,) = (e for e in missed.listed(session, NOON, everything=True) if e["call_id"] == "C1")
    assert (settled["settled_by"], settled["note"]) == ("坐席7", "已登记")
    with pytest.raises(NotKnown):
        missed.done(session, "C9", who="坐席7", note="", at=NOON)


@pytest.mark.parametrize("mark", ["", REMOVED])
def test_two_whose_numbers_are_not_there_are_not_one_caller(session: Session, mark: str) -> None:
    miss(session, "C1", mark, NOON)
    miss(session, "C2", mark, NOON)
    assert missed.done(session, "C1", who="坐席7", note="", at=NOON + 9) == ["C1"]
    assert [each["call_id"] for each in missed.listed(session, NOON)] == ["C2"]


def test_who_was_called_in_vain_often_enough_stays_on_the_list_for_a_person(
    session: Session,
) -> None:
    miss(session, "C1", NUMBER, NOON)
    assert missed.begin(session, NUMBER, tries=1, next_try_at=NOON + 400, at=NOON + 100)
    assert numbers(session, NOON + 399) == []
    assert numbers(session, NOON + 401) == [NUMBER]
    assert missed.begin(session, NUMBER, tries=2, next_try_at=None, at=NOON + 420)
    assert numbers(session, NOON + 9999) == []
    (left,) = missed.listed(session, NOON)
    assert (left["state"], left["tries"]) == ("given_up", 2)


# ── who waits in a queue ──────────────────────────────────────────────────────────


def queue(session: Session, call: str, when: float) -> None:
    """As it is put down before the caller is there."""
    row: dict[str, Any] = {"call_id": call, "number": NUMBER, "did": "12345", "danger": False}
    missed.note(session, **row, at=when, why=QUEUED, next_try_at=when + LOST_S)
    session.flush()


def became(session: Session, call: str, what: str, when: float) -> None:
    note_diverted(
        session, call_id=call, did="12345", at=when, call_back=False, became=what, became_at=when
    )
    session.flush()


def shown(session: Session, when: float) -> list[tuple[str, str]]:
    return [(each["call_id"], each["why"]) for each in missed.listed(session, when)]


def test_who_waits_in_a_queue_is_not_listed_until_he_counts_as_lost(session: Session) -> None:
    queue(session, "C1", NOON)
    assert shown(session, NOON + LOST_S - 1) == []
    assert missed.page(session, at=NOON + LOST_S - 1) == []
    assert numbers(session, NOON + LOST_S - 1) == []
    assert shown(session, NOON + LOST_S) == [("C1", QUEUED)]
    assert len(missed.page(session, at=NOON + LOST_S)) == 1
    assert numbers(session, NOON + LOST_S) == [NUMBER]


@pytest.mark.parametrize("what", ["met", "returned"])
def test_who_has_a_person_or_comes_back_was_not_missed_though_it_is_told_late(
    session: Session, what: str
) -> None:
    queue(session, "C1", NOON)
    became(session, "C1", what, NOON + 20)
    assert shown(session, NOON + LOST_S) == []
    queue(session, "C1", NOON)  # once more, from the spool
    assert shown(session, NOON + LOST_S) == []
    queue(session, "C1", NOON + 21)  # he waits again
    assert shown(session, NOON + 21 + LOST_S) == [("C1", QUEUED)]


def test_who_hangs_up_in_the_queue_is_called_as_soon_as_others_are(session: Session) -> None:
    queue(session, "C1", NOON)
    became(session, "C1", "gone", NOON + 20)
    miss(session, "C1", NUMBER, NOON + 20)
    assert shown(session, NOON + 21) == [("C1", "queue")]
    assert numbers(session, NOON + 81) == [NUMBER]
    queue(session, "C1", NOON)
    assert shown(session, NOON + 21) == [("C1", "queue")]


def test_what_an_agent_has_settled_meanwhile_stays_settled(session: Session) -> None:
    queue(session, "C1", NOON)
    missed.done(session, "C1", who="坐席7", note="已回电", at=NOON + 10)
    became(session, "C1", "met", NOON + 20)
    miss(session, "C1", NUMBER, NOON + 30)
    (kept,) = missed.listed(session, NOON, everything=True)
    assert (kept["state"], kept["why"]) == ("done", QUEUED)


def broke_off(session: Session, call: str, when: float, *, danger: bool) -> None:
    """As the others put it down whose process with that call gives no sign."""
    row: dict[str, Any] = {"call_id": call, "number": NUMBER, "did": "12345", "danger": danger}
    missed.note(session, **row, at=when, why=BROKEN, next_try_at=when)
    session.flush()


def test_who_was_in_a_queue_when_his_call_broke_off_in_danger_is_in_danger(
    session: Session,
) -> None:
    queue(session, "C1", NOON)
    broke_off(session, "C1", NOON + 20, danger=True)
    queue(session, "C1", NOON + 30)  # from the spool
    (due,) = missed.due(session, NOON + 21)
    assert (due.number, due.danger) == (NUMBER, True)


@pytest.mark.parametrize("settle", ["reached", "done", "given_up"])
def test_what_was_settled_as_a_guess_is_called_over_when_danger_comes_after_it(
    session: Session, settle: str
) -> None:
    """The call went on, at a node that nobody heard, and has broken off only now."""
    broke_off(session, "C1", NOON, danger=False)
    if settle == "reached":
        missed.reached(session, NUMBER, at=NOON + 60)
    elif settle == "done":
        missed.done(session, "C1", who="坐席7", note="已回电", at=NOON + 60)
    else:
        missed.begin(session, NUMBER, tries=1, next_try_at=None, at=NOON + 60)
    for _ in range(2):  # the second time from the spool
        miss(session, "C1", NUMBER, NOON + 600, danger=True)
    (due,) = missed.due(session, NOON + 661)
    assert (due.danger, due.tries) == (True, 0)


@pytest.mark.parametrize(
    ("when", "danger"), [(30, True), (600, False)], ids=["danger before it", "no danger"]
)
def test_what_was_settled_stays_so_otherwise(session: Session, when: float, danger: bool) -> None:
    broke_off(session, "C1", NOON, danger=danger)
    missed.done(session, "C1", who="坐席7", note="已回电", at=NOON + 60)
    miss(session, "C1", NUMBER, NOON + when, danger=danger)
    assert missed.due(session, NOON + 9999) == []


# ── calling ───────────────────────────────────────────────────────────────────────


class Desk:
    """A service's call-backs of missed calls over a scripted endpoint."""

    def __init__(
        self, records: Records, *, trunk: str = "carrier", window: Window = ALWAYS
    ) -> None:
        self.records = records
        self.busy: set[str] = set()
        self.room = True
        self.line = ScriptedLine(
            CallInfo("c-9", OTHER, "12345"), capabilities=frozenset({Capability.CALLS_OUT})
        )
        self.trunk, self.window = trunk, window
        self.calling = self.restarted()

    def restarted(self) -> CallingBack:
        """As a process that has just started has it."""
        calling = CallingBack(
            self.records,
            self.trunk,
            self.window,
            2,
            lambda number, _: number in self.busy,
            lambda: self.room,
        )
        calling.seen(self.line)
        return calling

    async def miss(self, call: str, number: str, *, danger: bool = False) -> None:
        ago = time.time() - 600
        values = {"call_id": call, "number": number, "did": "12345", "at": ago, "why": "queue"}
        await self.records.note_missed({**values, "danger": danger, "next_try_at": ago})

    def called(self) -> list[str]:
        return [number for _, number, _, _ in self.line.calls_out]

    async def states(self) -> dict[str, str]:
        found = await self.records.read(missed.listed, time.time(), everything=True)
        return {each["call_id"]: each["state"] for each in found}


@pytest.mark.parametrize(
    ("turns", "state", "note"),
    [
        ((CallerTurn(1, "路灯坏了", ended=True),), "reached", "第1次回拨"),
        ((), "waiting", "第1次回拨：有人接听，没有说话"),
    ],
    ids=["somebody speaks", "nobody says a word"],
)
async def test_the_answered_call_itself_says_whether_anybody_was_reached(
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    turns: tuple[CallerTurn, ...],
    state: str,
    note: str,
) -> None:
    desk = Desk(records)
    await desk.miss("C1", NUMBER)

    async def answered(*arguments: str, ring_s: float) -> None:
        desk.line.calls_out.append(arguments)  # type: ignore[arg-type]
        desk.calling.offered(MISSED + "C1", served=True)

    monkeypatch.setattr(desk.line, "call_out", answered)
    await desk.calling.once(time.time())
    assert await desk.states() == {"C1": "waiting"}
    call = State(call_id="C2", caller=NUMBER, calling="missed", turns=turns)
    on_call.ended(records, call, "12345", ALWAYS, time.time())
    await asyncio.gather(*records._tasks)
    (found,) = await records.read(missed.listed, time.time(), everything=True)
    assert (found["state"], found["tries"], found["note"]) == (state, 1, note)
    await desk.calling.once(time.time())
    assert desk.called() == [NUMBER], "not again before its time"


async def test_a_call_back_is_on_record_before_it_rings_and_is_not_made_again_after_a_crash(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(records)
    await desk.miss("C1", NUMBER)
    ringing: list[int] = []

    async def killed(*_: str, ring_s: float) -> None:
        ringing.extend(each["tries"] for each in await records.read(missed.listed, time.time()))
        raise asyncio.CancelledError

    monkeypatch.setattr(desk.line, "call_out", killed)
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError):
            await desk.restarted().once(time.time())
    assert ringing == [1]


async def test_of_two_services_one_calls_the_number(records: Records) -> None:
    desk = Desk(records)
    desk.line.ends_of_calls_out = ["busy", "busy"]
    await desk.miss("C1", NUMBER)
    await asyncio.gather(*(desk.restarted().once(time.time()) for _ in range(2)))
    assert desk.called() == [NUMBER]


async def test_who_rings_already_is_given_up_to_the_call_back_over_danger(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(records)
    await desk.miss("C1", NUMBER)
    rings, given_up = asyncio.Event(), asyncio.Event()

    async def unanswered(*_: str, ring_s: float) -> None:
        rings.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    monkeypatch.setattr(desk.line, "call_out", unanswered)
    monkeypatch.setattr("voicebot.callers.calling.LOOK_S", 0.01)
    ringing = asyncio.create_task(desk.calling.once(time.time()))
    await rings.wait()
    claim = Claim(records, "C2", NUMBER, "12345")
    claim.put_down()
    assert await claim.ours()
    await ringing
    assert given_up.is_set()
    notes = {
        each["call_id"]: (each["state"], each["note"])
        for each in await records.read(missed.listed, time.time())
    }
    assert notes == {"C1": ("waiting", "第1次回拨：让给险情回拨"), "C2": ("waiting", "")}
    assert await claim.ours(), "it goes on"


async def test_what_cannot_be_put_down_does_not_ring(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(records)
    await desk.miss("C1", NUMBER)

    async def away(*_: object, **__: object) -> None:
        raise RecordsUnavailable("away")

    monkeypatch.setattr(records, "in_background", away)
    with pytest.raises(RecordsUnavailable):
        await desk.calling.once(time.time())
    assert desk.called() == []


async def test_after_the_last_try_in_vain_a_person_decides(records: Records) -> None:
    desk = Desk(records)
    desk.line.ends_of_calls_out = ["busy", "no_answer"]
    await desk.miss("C1", NUMBER)
    await desk.calling.once(time.time())
    assert await desk.states() == {"C1": "waiting"}
    await desk.calling.once(time.time() + 3600)
    assert await desk.states() == {"C1": "given_up"}
    (left,) = await records.read(missed.listed, time.time())
    assert left["note"] == "第2次回拨：无人接听"


async def test_nobody_is_called_who_is_calling_just_now_or_without_room(records: Records) -> None:
    desk = Desk(records)
    await desk.miss("C1", NUMBER)
    desk.busy.add(NUMBER)
    await desk.calling.once(time.time())
    desk.busy.clear()
    desk.room = False
    await desk.calling.once(time.time())
    assert desk.called() == []
    assert await desk.states() == {"C1": "waiting"}


async def test_outside_the_window_only_who_was_in_danger_is_called(records: Records) -> None:
    never = Window(clock(0), clock(0))
    desk = Desk(records, window=never)
    desk.line.ends_of_calls_out = ["busy"]
    await desk.miss("C1", NUMBER)
    await desk.miss("C2", OTHER, danger=True)
    await desk.calling.once(time.time())
    assert desk.called() == [OTHER]


async def test_a_number_abroad_or_a_short_one_is_left_to_a_person(records: Records) -> None:
    desk = Desk(records)
    await desk.miss("C1", "+85223456789")
    await desk.miss("C2", "95598")
    await desk.calling.once(time.time())
    assert desk.called() == []
    assert set((await desk.states()).values()) == {"given_up"}


@pytest.mark.parametrize("trunk", ["", "carrier"])
async def test_where_no_endpoint_calls_out_the_missed_calls_are_a_list(
    records: Records, trunk: str
) -> None:
    desk = Desk(records, trunk=trunk)
    if trunk:
        desk.calling = CallingBack(records, trunk, ALWAYS, 2, lambda *_: False, lambda: True)
    await desk.miss("C1", NUMBER)
    await desk.calling.once(time.time())
    assert desk.called() == []
    assert await desk.states() == {"C1": "waiting"}
