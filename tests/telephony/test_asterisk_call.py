"""What a call through Asterisk decides by itself, without an Asterisk."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from telephony.asterisk.access import AsteriskAccess
from telephony.asterisk.ari import AriError
from telephony.asterisk.call import AsteriskCall
from telephony.asterisk.calling_out import call_out
from telephony.asterisk.caretaking import Caretaker
from telephony.asterisk.dispatch import Dispatch
from telephony.asterisk.endpoint import AsteriskEndpoint
from telephony.asterisk.leg import AsteriskLeg
from telephony.asterisk.offer import AsteriskOffer
from telephony.asterisk.sound import Voice
from telephony.call_control import CallInfo
from telephony.codecs import Int16
from telephony.dialing import DutyNumber


class SilentAri:
    """Carries everything out and knows nothing."""

    access = AsteriskAccess("http://127.0.0.1:9/ari", "voicebot", "secret")
    tls = None

    def __init__(self) -> None:
        self.made: list[str] = []
        """Ids of the channels that were asked for."""
        self.deleted: list[str] = []

    async def post(self, path: str, *, channelId: str = "", **_: Any) -> dict[str, Any]:
        self.made.append(channelId)
        return {}

    async def delete(self, path: str) -> None:
        self.deleted.append(path)

    async def set_variables(self, channel: str, values: Any) -> None: ...

    async def variable(self, channel: str, name: str) -> str:
        raise AriError("ari_refused", "There is no such channel.", 404)


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What went into the bridge: the first sample of each frame."""
    found: list[int] = []
    monkeypatch.setattr(Voice, "send", lambda _, pcm: found.append(int(pcm[0])))
    return found


def frame(value: int) -> Int16:
    return np.full(160, value, np.int16)


async def off_hook(call: AsteriskCall, dispatch: Dispatch, number: str) -> AsteriskLeg:
    duty = DutyNumber(number, number, "", f"trunk:police/{number}", number)
    leg = call.new_leg(duty, answer_timeout_s=5)
    assert isinstance(leg, AsteriskLeg)
    await leg.connect({})
    dispatch.give(
        {"type": "ChannelStateChange", "channel": {"id": leg.channel, "state": "Up"}},
    )
    assert leg.off_hook
    return leg


async def test_two_legs_told_the_same_at_once_are_heard_once(spoken: list[int]) -> None:
    dispatch = Dispatch()
    call = AsteriskCall(
        SilentAri(),  # type: ignore[arg-type]
        dispatch,
        CallInfo("c-1", "13800138000", "12345"),
        "c-1",
        asyncio.Event(),
    )
    police = await off_hook(call, dispatch, "110")
    medical = await off_hook(call, dispatch, "120")
    for _ in range(3):
        police.send_audio(frame(110), 8000)
        medical.send_audio(frame(120), 8000)
    assert spoken == [110, 110, 110]
    await police.hangup()
    medical.send_audio(frame(120), 8000)
    assert spoken[3:] == [120], "who is still there hears the rest"
    await medical.hangup()


@pytest.mark.parametrize("answered", [True, False])
async def test_a_call_out_that_is_given_up_ends_unless_it_was_just_answered(answered: bool) -> None:
    ari, dispatch = SilentAri(), Dispatch()
    calling = asyncio.create_task(
        call_out(ari, dispatch, "police", "13800138000", "12345", "c-1-h1", ring_s=20)  # type: ignore[arg-type]
    )
    await asyncio.sleep(0)
    (channel,) = ari.made
    if answered:
        dispatch.give({"type": "StasisStart", "channel": {"id": channel}})
        dispatch.follow(channel, lambda _: None)  # as the offer does
    calling.cancel()
    await asyncio.wait({calling})
    assert calling.cancelled()
    assert dispatch.follows(channel) is answered
    assert ari.deleted == ([] if answered else [f"channels/{channel}"])


class QueuedCaller(SilentAri):
    """One channel, in the dialplan or in our application."""

    app = "Queue"

    async def get(self, path: str, **_: Any) -> Any:
        dialplan = {"app_name": self.app, "app_data": "voicebot,waited,12345"}
        channel = {"id": "ch1", "state": "Up", "dialplan": dialplan}
        return {"channels": [channel], "bridges": []}.get(path, channel)

    async def proceed(self, channel: str, context: str) -> None: ...


async def test_who_comes_back_from_the_queue_while_the_event_is_lost_is_looked_after() -> None:
    """Nobody was told of it: the controller lives, so the watchdog takes nobody either."""
    ari: Any = QueuedCaller()
    endpoint = AsteriskEndpoint(ari.access, lambda _: asyncio.sleep(0))
    offer = AsteriskOffer(ari, Dispatch(), {"channel": {"id": "ch1"}, "args": ["caller", "12345"]})
    offer.info = CallInfo("ch1", "139", "12345", 8000)
    endpoint._offers["ch1"] = offer
    diverting = asyncio.create_task(offer.divert("agents", "", call_back=False))
    await asyncio.sleep(0)
    offer._on({"type": "StasisEnd", "channel": {"id": "ch1"}})
    await diverting
    caretaker = Caretaker(ari, endpoint._owned)
    assert (await caretaker.sweep()).fall_back == ()
    ari.app = "Stasis"
    assert (await caretaker.sweep()).fall_back == ("ch1",)


class HoldingAri(SilentAri):
    """Knows where the caller is; one request fails, hangs or works."""

    def __init__(self, failing: str = "", *, hangs: bool = False) -> None:
        super().__init__()
        self.failing, self.hangs = failing, hangs
        self.in_bridge, self.music = True, False

    async def post(self, path: str, *, channelId: str = "", **_: Any) -> dict[str, Any]:
        await self._maybe(path)
        self.in_bridge = path.endswith("addChannel") or (
            self.in_bridge and not path.endswith("removeChannel")
        )
        self.music = self.music or path.endswith("moh")
        return {}

    async def delete(self, path: str) -> None:
        await self._maybe(path)
        self.music = False

    async def _maybe(self, path: str) -> None:
        if self.failing and path.endswith(self.failing):
            self.failing = ""
            if self.hangs:
                await asyncio.sleep(60)
            raise AriError("ari_unreachable", "Asterisk cannot be reached.")


def a_call(ari: Any) -> AsteriskCall:
    info = CallInfo("c-1", "13800138000", "12345")
    return AsteriskCall(ari, Dispatch(), info, "c-1", asyncio.Event())


@pytest.mark.parametrize("failing", ["removeChannel", "moh"])
@pytest.mark.parametrize("hangs", [False, True])
async def test_a_hold_that_is_not_carried_out_leaves_the_caller_in_the_bridge(
    failing: str, hangs: bool
) -> None:
    ari = HoldingAri(failing, hangs=hangs)
    with pytest.raises((AriError, TimeoutError)):
        async with asyncio.timeout(0.02):
            await a_call(ari).hold(True)
    assert ari.in_bridge
    assert not ari.music


async def test_a_caller_is_in_the_bridge_again_even_if_the_music_is_not_to_be_stopped() -> None:
    ari = HoldingAri()
    call = a_call(ari)
    await call.hold(True)
    assert not ari.in_bridge
    ari.failing = "moh"
    with pytest.raises(AriError):
        await call.hold(False)
    assert ari.in_bridge


async def test_a_caller_on_hold_is_not_left_so_when_we_leave() -> None:
    dispatch, ari = Dispatch(), HoldingAri()
    info = CallInfo("c-1", "13800138000", "12345")
    call = AsteriskCall(ari, dispatch, info, "c-1", asyncio.Event())  # type: ignore[arg-type]
    leg = await off_hook(call, dispatch, "110")
    await call.hold(True)
    await call.release()
    assert call.released
    assert ari.in_bridge
    assert not ari.music
    await leg.hangup()
