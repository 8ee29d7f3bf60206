"""While a caller is silent, what would be said to that is rendered already."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from flows.actions import Say
from flows.events import Silence
from telephony.codecs import Int16
from tests.flows.scripted_call import Call, every
from voicebot.call.look_ahead import LookAhead
from voicebot.call.rendering import Parts


class Voice:
    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.held = asyncio.Event()
        self.fails = False
        self.given_up = 0

    async def render(self, say: Say) -> Parts:
        self.asked.append(say.prompt)
        try:
            await self.held.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.fails:
            raise RuntimeError("no voice")
        yield np.full(8, len(self.asked), np.int16)


async def whole(parts: Parts) -> Int16:
    return np.concatenate([part async for part in parts])


@pytest.fixture
def call() -> Call:
    """A number was read back, and will be once more to whoever says nothing."""
    call = Call()
    call.start()
    call.asks("路灯坏了", decision="none")
    call.written()
    call.hear_out()
    call.says("海口龙华区")
    call.hear_out()
    call.says("我姓王")
    call.hear_out()
    return call


async def test_it_is_rendered_before_the_silence_is_too_long_and_once(call: Call) -> None:
    voice = Voice()
    ahead = LookAhead(voice.render)
    for seconds in (2.4, 3.0):
        quiet = Silence(call.at + seconds, seconds)
        assert call.take(quiet) == ()
        ahead.silent(call.state, quiet, call.policy)
    await asyncio.sleep(0)
    begun = list(voice.asked)
    voice.held.set()
    said = [each for each in every(Say, call.take(Silence(call.at + 3.6, 3.6))) if each.values]
    assert said
    for each in said:
        assert len(await whole(ahead.audio(each))) == 8
    assert voice.asked == begun == [each.prompt for each in said]


async def test_where_the_call_goes_on_otherwise_it_is_given_up(call: Call) -> None:
    voice = Voice()
    ahead = LookAhead(voice.render)
    ahead.silent(call.state, Silence(call.at + 2.4, 2.4), call.policy)
    await asyncio.sleep(0)
    assert voice.asked
    call.says("对")
    call.hear_out()
    ahead.silent(call.state, Silence(call.at + 2.4, 2.4), call.policy)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert voice.given_up == 1


async def test_a_voice_that_fails_is_told_of_where_its_words_are_wanted(call: Call) -> None:
    voice = Voice()
    voice.fails = True
    voice.held.set()
    ahead = LookAhead(voice.render)
    ahead.silent(call.state, Silence(call.at + 2.4, 2.4), call.policy)
    await asyncio.sleep(0)
    said = [each for each in every(Say, call.is_silent()) if each.values]
    with pytest.raises(RuntimeError, match="no voice"):
        await whole(ahead.audio(said[0]))


async def test_other_words_are_rendered_as_ever(call: Call) -> None:
    voice = Voice()
    voice.held.set()
    ahead = LookAhead(voice.render)
    ahead.silent(call.state, Silence(call.at + 2.4, 2.4), call.policy)
    await asyncio.sleep(0)
    said = next(each for each in every(Say, call.is_silent()) if each.values)
    other = replace(said, values=dict.fromkeys(said.values, "别的"))
    assert len(await whole(ahead.audio(other))) == 8
    assert len(voice.asked) == 2
