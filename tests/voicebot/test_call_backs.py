"""A caller who is gone in danger is called, and what became of it is noted."""

from __future__ import annotations

import asyncio

import pytest

from flows.actions import CallBack
from flows.call_back import FIRST_S
from flows.events import Interrupted
from telephony.call_control import CallInfo, Capability
from telephony.scripted import ScriptedLine
from tests.voicebot.test_admission import LIMITS, admission
from voicebot.call_backs import CallBacks

pytestmark = pytest.mark.leaping_time

NUMBER = "13800138000"
MATTER = Interrupted("c-1-h1", "460200")


class Paper:
    """What the records say of one call-back, as the test has it."""

    def __init__(self, call_id: str, number: str, did: str) -> None:
        self.about = (call_id, number, did)
        self.said: bool | None = True
        self.silent = False
        """Neither yes nor no: the database hangs."""
        self.put = False
        self.left: list[bool] = []
        """That others may begin at once."""
        self.gave_way = False

    def put_down(self) -> None:
        self.put = True

    async def ours(self) -> bool | None:
        if self.silent:
            await asyncio.Event().wait()
        return self.said

    async def over(self, *, at_once: bool, gave_way: bool = False) -> None:
        self.left.append(at_once)
        self.gave_way = gave_way


class Desk:
    """A service's call-backs, with its places; the interrupted call c-1 still has its own."""

    def __init__(self) -> None:
        self.papers: list[Paper] = []
        self.newer_elsewhere = False
        self.admission = admission(limits=LIMITS)
        self.admission.reserve(call("c-1"))
        self.line = ScriptedLine(call("c-1"), capabilities=frozenset({Capability.CALLS_OUT}))
        self.call_backs = CallBacks(
            "carrier", self.admission.calling, self.claim, lambda *_: self.newer_elsewhere
        )
        self.notes: list[str] = []

    def begin(self, matter: Interrupted = MATTER) -> None:
        self.call_backs.begin(self.line, "12345", CallBack(NUMBER, matter), self.note)

    def claim(self, call_id: str, number: str, did: str) -> Paper:
        self.papers.append(Paper(call_id, number, did))
        return self.papers[-1]

    async def note(self, note: str) -> None:
        self.notes.append(note)

    def called(self) -> list[str]:
        return [reference for _, _, _, reference in self.line.calls_out]


def call(name: str) -> CallInfo:
    return CallInfo(name, NUMBER, "12345")


async def test_the_interrupted_call_that_still_winds_up_is_not_the_caller_calling_again() -> None:
    desk = Desk()
    desk.begin()
    await asyncio.sleep(5)
    assert desk.called() == ["c-1-h1"]


async def test_who_calls_again_is_not_called() -> None:
    desk = Desk()
    desk.admission.reserve(call("c-2"))
    desk.begin()
    await asyncio.sleep(5)
    assert desk.called() == []
    assert desk.notes == ["来电人已再次打进来，不再回拨"]


async def test_what_a_call_was_about_is_known_when_the_answered_one_is_offered_later() -> None:
    desk = Desk()
    desk.begin()
    await asyncio.sleep(10)
    assert desk.called() == ["c-1-h1"]
    assert desk.call_backs.matter("c-1-h1") == MATTER
    await asyncio.sleep(60)
    assert desk.call_backs.matter("c-1-h1") is None, "not for ever"


# ── what became of it ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("served", "note"),
    [
        (True, "第1次回拨已接通，正在转110"),
        (False, "第1次回拨有人接听，但没有转到110，请110回拨"),
        (None, "第1次回拨有人接听，但没有转到110，请110回拨"),
    ],
    ids=["served", "refused", "never offered"],
)
async def test_who_answers_is_put_through_only_when_the_call_was_served(
    served: bool | None, note: str
) -> None:
    desk = Desk()
    desk.begin()
    await asyncio.sleep(3)
    assert desk.notes == [], "not before it is known"
    if served is not None:
        desk.call_backs.offered("c-1-h1", served=served)
    await asyncio.sleep(20)
    assert desk.notes == [note]
    assert desk.called() == ["c-1-h1"]


async def test_an_order_that_cannot_be_written_stops_no_call() -> None:
    desk = Desk()
    desk.line.ends_of_calls_out = ["busy"]

    async def fails(_: str) -> None:
        raise OSError("The disk is full.")

    desk.call_backs.begin(desk.line, "12345", CallBack(NUMBER, MATTER), fails)
    await asyncio.sleep(30)
    assert desk.called() == ["c-1-h1", "c-1-h1"]


# ── one at a time ─────────────────────────────────────────────────────────────────


async def test_a_newer_matter_of_one_number_replaces_the_older() -> None:
    desk = Desk()
    desk.line.ends_of_calls_out = ["busy"]
    desk.begin()
    await asyncio.sleep(3)
    desk.admission.reserve(call("c-2"))
    newer = Interrupted("c-2-h1", "460100")
    desk.begin(newer)
    await asyncio.sleep(5)
    desk.call_backs.offered("c-2-h1", served=True)
    await asyncio.sleep(25)
    assert desk.called() == ["c-1-h1", "c-2-h1"]
    assert desk.notes == [
        "第1次回拨：占线",
        "来电人又打进来并再次挂断，由新的警单回拨",
        "第1次回拨已接通，正在转110",
    ]


async def test_a_service_that_stops_gives_up_and_asks_110() -> None:
    desk = Desk()
    desk.begin()
    await asyncio.sleep(1)
    await desk.call_backs.close()
    assert desk.called() == []
    assert desk.notes == ["系统停止服务，没有回拨成，请110回拨"]


async def test_one_that_was_replaced_before_it_had_begun_is_over_as_well() -> None:
    desk = Desk()
    desk.begin()
    desk.begin(Interrupted("c-2-h1", "460100"))
    await asyncio.sleep(0.1)
    assert [number for number, _ in desk.call_backs.going_on] == [NUMBER]
    await desk.call_backs.close()
    assert desk.call_backs.going_on == []
    assert not desk.call_backs.pending(NUMBER)
    assert desk.notes == [
        "来电人又打进来并再次挂断，由新的警单回拨",
        "系统停止服务，没有回拨成，请110回拨",
    ]


# ── beside other nodes ────────────────────────────────────────────────────────────


async def test_it_is_put_down_before_it_is_made() -> None:
    desk = Desk()
    desk.begin()
    (paper,) = desk.papers
    assert paper.put
    assert paper.about == ("c-1", NUMBER, "12345")


async def test_whom_another_node_calls_by_the_records_is_not_called() -> None:
    desk = Desk()
    desk.begin()
    desk.papers[0].said = False
    await asyncio.sleep(60)
    assert desk.called() == []
    assert desk.notes == ["已由另一台服务器接着回拨"]


async def test_what_another_node_takes_while_it_rings_is_left_to_it() -> None:
    desk = Desk()
    desk.line.ends_of_calls_out = ["busy"]
    desk.begin()
    await asyncio.sleep(3)
    desk.papers[0].said = False
    await asyncio.sleep(60)
    assert desk.called() == ["c-1-h1"]
    assert desk.notes == ["第1次回拨：占线", "已由另一台服务器接着回拨"]


@pytest.mark.parametrize("silent", [False, True], ids=["no answer", "the database hangs"])
async def test_danger_waits_for_no_database(silent: bool) -> None:
    desk = Desk()
    desk.begin()
    desk.papers[0].said, desk.papers[0].silent = None, silent
    await asyncio.sleep(FIRST_S + 0.1)
    assert desk.called() == ["c-1-h1"]


@pytest.mark.parametrize(
    ("said", "notes"),
    [(True, []), (None, ["来电人又打进来并再次挂断，由新的警单回拨"])],
    ids=["ours by the records", "not known"],
)
async def test_by_what_nodes_tell_each_other_only_those_give_way_whom_the_records_do_not_know(
    said: bool | None, notes: list[str]
) -> None:
    """Two orders that differ must not leave the caller to nobody."""
    desk = Desk()
    desk.begin()
    desk.papers[0].said = said
    await asyncio.sleep(1)
    desk.newer_elsewhere = True
    desk.call_backs.give_way()
    await asyncio.sleep(0.1)
    assert desk.notes == notes
    assert desk.papers[0].gave_way == bool(notes)


async def test_others_may_begin_at_once_where_a_service_stops() -> None:
    desk = Desk()
    desk.begin()
    await asyncio.sleep(1)
    await desk.call_backs.close()
    assert desk.papers[0].left == [True]


async def test_others_may_begin_at_once_where_calling_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()

    async def fails(*_: str, ring_s: float) -> None:
        raise RuntimeError("The line is no more.")

    monkeypatch.setattr(desk.line, "call_out", fails)
    desk.begin()
    await asyncio.sleep(5)
    assert desk.notes == ["回拨出错，请110回拨"]
    assert desk.papers[0].left == [True]


async def test_who_was_called_often_enough_is_called_by_others_in_their_time() -> None:
    desk = Desk()
    desk.line.ends_of_calls_out = ["busy"] * 3
    desk.begin()
    await asyncio.sleep(60)
    assert desk.notes[-1] == "回拨3次没有接通，请110回拨"
    assert desk.papers[0].left == [False]
