"""A caller who is gone in danger is called, and what became of it is noted."""

from __future__ import annotations

import asyncio

import pytest

from flows.actions import CallBack
from flows.events import Interrupted
from telephony.call_control import CallInfo, Capability
from telephony.scripted import ScriptedLine
from tests.voicebot.test_admission import LIMITS, admission
from voicebot.call_backs import CallBacks

pytestmark = pytest.mark.leaping_time

NUMBER = "13800138000"
MATTER = Interrupted("c-1-h1", "460200")


class Desk:
    """A service's call-backs, with its places; the interrupted call c-1 still has its own."""

    def __init__(self) -> None:
        self.admission = admission(limits=LIMITS)
        self.admission.reserve(call("c-1"))
        self.line = ScriptedLine(call("c-1"), capabilities=frozenset({Capability.CALLS_OUT}))
        self.call_backs = CallBacks("carrier", self.admission.calling)
        self.notes: list[str] = []

    def begin(self, matter: Interrupted = MATTER) -> None:
        self.call_backs.begin(self.line, "12345", CallBack(NUMBER, matter), self.note)

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
