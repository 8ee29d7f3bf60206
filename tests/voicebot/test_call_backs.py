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
