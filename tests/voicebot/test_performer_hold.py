"""A caller is put on hold beside all else that happens, and never left there by a failure."""

from __future__ import annotations

import asyncio
from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest

from flows import actions as act
from flows.state import State
from telephony.call_control import Capability
from voicebot.call import performer as module
from voicebot.call.performer import Performer


class Line:
    """A line that takes its time, or fails, with what it is asked for."""

    capabilities = frozenset({Capability.HOLD})

    def __init__(self, *ends: Exception | float | None) -> None:
        self.ends = list(ends)
        self.asked: list[bool] = []
        self.held = False
        self.slow = asyncio.Event()

    async def hold(self, on: bool) -> None:
        self.asked.append(on)
        end = self.ends.pop(0) if self.ends else None
        if isinstance(end, Exception):
            raise end
        if end is not None:
            await self.slow.wait()
        self.held = on


def performing(line: Line) -> Performer:
    given: dict[str, Any] = dict.fromkeys(signature(Performer).parameters, SimpleNamespace())
    return Performer(**given | {"line": line})


async def test_danger_does_not_wait_for_a_line_that_is_slow_to_hold() -> None:
    line = Line(1.0)
    hands = performing(line)
    async with asyncio.timeout(1.0):
        await hands.perform(act.Hold(True), State())
        await hands.perform(act.Hold(False), State())
    await asyncio.sleep(0)
    assert line.asked == [True], "one after the other"
    line.slow.set()
    await hands.writes_done()
    assert line.asked == [True, False]
    assert not line.held


@pytest.mark.parametrize("on", [True, False])
async def test_a_caller_for_whom_it_fails_is_with_the_agent(on: bool) -> None:
    line = Line(ConnectionError("gone"), ConnectionError("gone"))
    line.held = not on
    hands = performing(line)
    await hands.perform(act.Hold(on), State())
    await hands.writes_done()
    assert line.asked == [on, False, False]
    assert not line.held


async def test_a_line_that_hangs_is_given_up_and_the_caller_is_with_the_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HANG_UP_S", 0.01)
    line = Line(1.0)
    hands = performing(line)
    await hands.perform(act.Hold(True), State())
    await hands.writes_done()
    assert line.asked == [True, False]
    assert not line.held
