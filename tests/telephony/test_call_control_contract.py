"""What every endpoint owes the application: the same assertions for each of them.

The scripted endpoint is held to them here, Asterisk in tests/asterisk/test_contract.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import numpy as np
import pytest

from telephony.call_control import (
    CallControl,
    CallInfo,
    Capability,
    IncomingCall,
    Leg,
    NotCapable,
    Rejection,
)
from telephony.codecs import Int16
from telephony.dialing import DutyNumber
from telephony.errors import CallError, LegError, TelephonyError
from telephony.leg_events import LegAudio, LegEnded, LegKey, LegProgress
from telephony.leg_state import LegState
from telephony.scripted import ScriptedLine
from telephony.scripted_desk import (
    Acknowledge,
    Answer,
    Busy,
    HangUp,
    Press,
    Ring,
    Say,
    Step,
    Unreachable,
    Wait,
)

POLICE = DutyNumber("110", "110", "", "trunk:police/110", "110")
CALLER = "13800138000"


class Line(Protocol):
    """One endpoint with one caller and the desk of 110."""

    async def offer(self) -> IncomingCall:
        """The caller calls 12345."""

    async def caller_hangs_up(self) -> None: ...

    async def caller_presses(self, keys: str) -> None: ...

    def desk(self, does: str) -> None:
        """What 110 does: answers (and speaks), rings, busy, declines, unreachable,
        hangs_up (soon after answering), acknowledges."""


class Ears:
    """The application's side of `CallEvents`."""

    def __init__(self) -> None:
        self.frames: list[Int16] = []
        self.keys, self.ends = "", 0

    async def hear(self, pcm: Int16) -> None:
        self.frames.append(pcm)

    def press(self, key: str) -> None:
        self.keys += key

    def caller_hung_up(self) -> None:
        self.ends += 1


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what tests wait for has no event
            await asyncio.sleep(0.01)


async def answered(line: Line) -> tuple[IncomingCall, CallControl, Ears]:
    call, ears = await line.offer(), Ears()
    control = await call.answer()
    control.listen(ears)
    return call, control, ears


async def dialled(control: CallControl, seconds: float = 10.0) -> Leg:
    leg = control.new_leg(POLICE, answer_timeout_s=seconds)
    await leg.connect({"caller": CALLER, "handoff": "H-1", "call": "C-1"})
    return leg


async def story(leg: Leg, until_: str = "") -> list[str]:
    """What a leg tells in words, up to its end or to the state that is waited for."""
    told: list[str] = []
    async with asyncio.timeout(30):
        async for event in leg:
            match event:
                case LegProgress(state=state):
                    told.append(state.value)
                case LegEnded(reason=reason):
                    told.append(f"ended:{reason.value}")
                case LegAudio() if "audio" not in told and not event.early:
                    told.append("audio")
            if told and told[-1] == until_:
                break
    return told


class CallControlContract:
    """The assertions; a subclass has a fixture `line`."""

    async def test_the_offer_says_who_calls_whom(self, line: Line) -> None:
        call = await line.offer()
        assert (call.info.caller, call.info.did) == (CALLER, "12345")
        assert call.info.call_id
        control = await call.answer()
        assert control.rate == call.info.rate
        await control.hang_up()
        await call.closed()

    async def test_the_caller_hangs_up_once(self, line: Line) -> None:
        call, control, ears = await answered(line)
        await line.caller_hangs_up()
        await until(lambda: ears.ends == 1)
        late = Ears()
        control.listen(late)
        await control.send_audio(np.zeros(160, np.int16))
        await control.clear()
        await control.hang_up()
        await call.closed()
        assert ears.ends == 1

    async def test_who_listens_late_hears_of_the_end_at_once(self, line: Line) -> None:
        call = await line.offer()
        control = await call.answer()
        await line.caller_hangs_up()
        async with asyncio.timeout(30):
            await call.closed()
        ears = Ears()
        control.listen(ears)
        assert ears.ends == 1

    async def test_hanging_up_is_harmless_twice(self, line: Line) -> None:
        call, control, ears = await answered(line)
        await control.hang_up()
        await control.hang_up()
        await call.closed()
        assert ears.ends == 1

    async def test_a_caller_who_is_gone_is_not_answered(self, line: Line) -> None:
        call = await line.offer()
        await line.caller_hangs_up()
        async with asyncio.timeout(30):
            await call.closed()
        with pytest.raises(CallError) as refused:
            await call.answer()
        assert refused.value.code == "gone"

    @pytest.mark.parametrize("why", list(Rejection))
    async def test_rejection_never_raises_and_ends(self, line: Line, why: Rejection) -> None:
        call = await line.offer()
        await call.reject(why, 5)
        async with asyncio.timeout(30):
            await call.closed()

    async def test_keys(self, line: Line) -> None:
        call, control, ears = await answered(line)
        await line.caller_presses("1*#")
        await until(lambda: ears.keys == "1*#")
        if Capability.SEND_KEYS in control.capabilities:
            await control.send_keys("9")
            with pytest.raises(ValueError, match="keys"):
                await control.send_keys("x")
        else:
            with pytest.raises(NotCapable):
                await control.send_keys("9")
        await control.hang_up()
        await call.closed()

    @pytest.mark.parametrize(
        ("does", "told"),
        [
            ("busy", ["ended:busy"]),
            ("unreachable", ["ended:unreachable"]),
            ("declines", ["ringing", "ended:ended"]),
            ("rings", ["ringing", "ended:no_answer"]),
        ],
    )
    async def test_legs_that_fail(self, line: Line, does: str, told: list[str]) -> None:
        line.desk(does)
        call, control, ears = await answered(line)
        leg = await dialled(control, 2.0 if does == "rings" else 10.0)
        assert await story(leg) == told
        assert leg.state is LegState.ENDED
        await leg.hangup()
        assert ears.ends == 0
        await control.hang_up()
        await call.closed()

    async def test_a_leg_that_is_answered_and_ended_by_us(self, line: Line) -> None:
        line.desk("answers")
        call, control, ears = await answered(line)
        leg = await dialled(control)
        assert await story(leg, "audio") == ["ringing", "answered", "audio"]
        await leg.hangup()
        await leg.hangup()
        assert (await story(leg))[-1] == "ended:hung_up"
        assert ears.ends == 0
        with pytest.raises(LegError):
            await leg.connect({})
        await control.hang_up()
        await call.closed()

    async def test_a_leg_that_the_desk_ends(self, line: Line) -> None:
        line.desk("hangs_up")
        call, control, ears = await answered(line)
        told = await story(await dialled(control))
        assert [each for each in told if each != "audio"] == [
            "ringing",
            "answered",
            "ended:ended",
        ]
        assert ears.ends == 0
        await control.hang_up()
        await call.closed()

    async def test_a_desk_that_acknowledges(self, line: Line) -> None:
        line.desk("acknowledges")
        call, control, _ = await answered(line)
        assert "acknowledged" in await story(await dialled(control), "acknowledged")
        await control.hang_up()
        await call.closed()

    async def test_the_callers_end_ends_what_rings(self, line: Line) -> None:
        line.desk("rings")
        call, control, ears = await answered(line)
        leg = await dialled(control)
        await story(leg, "ringing")
        await line.caller_hangs_up()
        assert await story(leg) == ["ended:hung_up"]
        assert ears.ends == 1
        await call.closed()

    async def test_closing_ends_what_was_answered(self, line: Line) -> None:
        line.desk("answers")
        call, control, _ = await answered(line)
        leg = await dialled(control)
        await story(leg, "answered")
        await control.hang_up()
        await call.closed()
        assert (await story(leg))[-1] == "ended:hung_up"

    async def test_released_callers_stay_with_their_leg(self, line: Line) -> None:
        line.desk("answers")
        call, control, ears = await answered(line)
        leg = await dialled(control)
        await story(leg, "answered")
        if Capability.OUTLIVES_US not in control.capabilities:
            with pytest.raises(NotCapable):
                await control.release()
            await control.hang_up()
        else:
            await control.release()
            assert (await story(leg))[-1] == "ended:transferred"
            assert ears.ends == 0
        await call.closed()

    async def test_no_leg_beside_the_trunks(self, line: Line) -> None:
        call, control, _ = await answered(line)
        elsewhere = DutyNumber("119", "119", "", "trunk:nowhere/119", "119")
        with pytest.raises(TelephonyError) as refused:
            control.new_leg(elsewhere, answer_timeout_s=1)
        assert refused.value.code == "no_such_trunk"
        await control.hang_up()
        await call.closed()


_SPEECH = Say(np.full(8000, 3000, np.int16))

_DESKS: dict[str, tuple[Step, ...]] = {
    "answers": (Ring(), Wait(0.05), Answer(), _SPEECH, _SPEECH),
    "rings": (Ring(),),
    "busy": (Busy(),),
    "declines": (Ring(), Wait(0.05), HangUp()),
    "unreachable": (Unreachable(),),
    "hangs_up": (Ring(), Wait(0.05), Answer(), Wait(0.1), HangUp()),
    "acknowledges": (Ring(), Answer(), Wait(0.05), Acknowledge()),
}


class Scripted:
    """`Line` over the scripted endpoint."""

    def __init__(self) -> None:
        self._line = ScriptedLine(CallInfo("c-1", CALLER, "12345"))

    async def offer(self) -> IncomingCall:
        return self._line

    async def caller_hangs_up(self) -> None:
        self._line.caller_hangs_up()

    async def caller_presses(self, keys: str) -> None:
        self._line.press(keys)

    def desk(self, does: str) -> None:
        self._line.desks["110"] = _DESKS[does]


class TestScripted(CallControlContract):
    @pytest.fixture
    def line(self) -> Line:
        return Scripted()


async def test_audio_of_the_scripted_caller_and_to_them() -> None:
    line, ears = ScriptedLine(CallInfo("c-1", CALLER, "12345")), Ears()
    (await line.answer()).listen(ears)
    await line.say(np.arange(320, dtype=np.int16))
    assert np.array_equal(np.concatenate(ears.frames), np.arange(320))
    await line.send_audio(np.ones(160, np.int16))
    await line.send_mark("a")
    await line.clear()
    assert (line.heard().tolist(), line.marks, line.cleared) == ([1] * 160, ["a"], 1)


async def test_what_was_sent_before_the_answer_is_early() -> None:
    line = ScriptedLine(CallInfo("c-1", CALLER, "12345"))
    line.desks["110"] = (Say(np.zeros(320, np.int16)), Answer(), Say(np.zeros(160, np.int16)))
    leg = line.new_leg(POLICE, answer_timeout_s=5)
    await leg.connect({})
    early = [event.early async for event in _audio(leg, 3)]
    assert early == [True, True, False]


async def test_keys_of_the_scripted_desk() -> None:
    line = ScriptedLine(CallInfo("c-1", CALLER, "12345"))
    line.desks["110"] = (Ring(), Press("1"), Answer(), Press("2"), HangUp())
    leg = line.new_leg(POLICE, answer_timeout_s=5)
    await leg.connect({})
    assert [event.key async for event in leg if isinstance(event, LegKey)] == ["2"]


async def _audio(leg: Leg, count: int) -> AsyncIterator[LegAudio]:
    async for event in leg:
        if isinstance(event, LegAudio):
            yield event
            count -= 1
        if not count:
            return
