"""A leg that ends at a browser: it rings, one answers, sound goes both ways, either ends it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from telephony import browser_leg, messages
from telephony.browser_leg import BrowserLeg
from telephony.errors import LegError
from telephony.leg_events import LegAudio, LegEnded, LegKey, LegProgress
from telephony.leg_state import LegEndReason, LegState


class Page:
    """The socket of a desk's page."""

    def __init__(self) -> None:
        self.to_leg: asyncio.Queue[str | None] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.arrived = asyncio.Event()

    async def receive(self) -> str | None:
        return await self.to_leg.get()

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))
        self.arrived.set()

    def says(self, samples: int = 320) -> None:
        pcm = np.full(samples, 1000, ">i2").tobytes()
        self.to_leg.put_nowait(messages.media("MZ1", pcm, chunk=1))


def ringing(answer_timeout_s: float = 5.0) -> tuple[BrowserLeg, list[str]]:
    told: list[str] = []

    def ring(_: BrowserLeg) -> bool:
        told.append("rings")
        return True

    leg = BrowserLeg(ring, lambda _: told.append("over"), answer_timeout_s=answer_timeout_s)
    return leg, told


async def until(leg: BrowserLeg, kind: type[Any]) -> Any:
    async with asyncio.timeout(10):
        async for event in leg:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__}")


async def answered(leg: BrowserLeg) -> tuple[Page, asyncio.Task[None]]:
    await leg.connect({})
    page = Page()
    page.to_leg.put_nowait(json.dumps({"event": "start", "streamSid": "MZ1", "start": {}}))
    carrying = asyncio.create_task(leg.carry(page.receive, page.send))
    while leg.state is not LegState.ACKNOWLEDGED:
        assert isinstance(await until(leg, LegProgress), LegProgress)
    return page, carrying


async def test_a_desk_that_answers_has_confirmed_by_hand() -> None:
    leg, told = ringing()
    await leg.connect({})
    assert (leg.state, told) == (LegState.RINGING, ["rings"])
    page = Page()
    carrying = asyncio.create_task(leg.carry(page.receive, page.send))
    states = [(await until(leg, LegProgress)).state for _ in range(3)]
    assert states == [LegState.RINGING, LegState.ANSWERED, LegState.ACKNOWLEDGED]
    await leg.hangup()
    await carrying


async def test_sound_goes_both_ways() -> None:
    leg, _ = ringing()
    page, carrying = await answered(leg)
    page.says()
    heard = await until(leg, LegAudio)
    assert heard.rate == 16000
    assert np.frombuffer(heard.pcm, np.int16).tolist() == [1000] * 320
    leg.send_audio(np.full(1600, 500, np.int16), 8000)
    async with asyncio.timeout(10):
        await page.arrived.wait()
    media = page.sent[0]["media"]
    assert len(base64.b64decode(media["payload"])) == 640
    await leg.hangup()
    await carrying


async def test_keys_of_the_page_are_keys_of_the_leg() -> None:
    leg, _ = ringing()
    page, carrying = await answered(leg)
    page.to_leg.put_nowait(messages.dtmf("MZ1", "1"))
    assert (await until(leg, LegKey)).key == "1"
    await leg.hangup()
    await carrying


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (lambda page: page.to_leg.put_nowait(messages.stop("MZ1")), LegEndReason.ENDED),
        (lambda page: page.to_leg.put_nowait(None), LegEndReason.LOST),
    ],
)
async def test_a_page_hangs_up_or_is_lost(
    ends: Callable[[Page], None], reason: LegEndReason
) -> None:
    leg, told = ringing()
    page, carrying = await answered(leg)
    ends(page)
    assert (await until(leg, LegEnded)).reason is reason
    await carrying
    assert told == ["rings", "over"]


async def test_a_page_from_which_no_sound_comes_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_leg, "MEDIA_TIMEOUT_S", 0.05)
    leg, _ = ringing()
    _, carrying = await answered(leg)
    assert (await until(leg, LegEnded)).reason is LegEndReason.LOST
    await carrying


async def test_nobody_answers() -> None:
    leg, told = ringing(answer_timeout_s=0.05)
    await leg.connect({})
    assert (await until(leg, LegEnded)).reason is LegEndReason.NO_ANSWER
    assert told == ["rings", "over"]


async def test_no_desk_is_open() -> None:
    leg = BrowserLeg(lambda _: False, lambda _: None, answer_timeout_s=1.0)
    with pytest.raises(LegError) as refused:
        await leg.connect({})
    assert refused.value.code == "unreachable"


async def test_a_leg_that_is_over_is_not_answered() -> None:
    leg, _ = ringing()
    await leg.connect({})
    await leg.hangup()
    page = Page()
    await asyncio.wait_for(leg.carry(page.receive, page.send), 5)
    assert page.sent == []


async def test_what_is_no_message_harms_nothing() -> None:
    leg, _ = ringing()
    page, carrying = await answered(leg)
    page.to_leg.put_nowait("{")
    page.says()
    assert await until(leg, LegAudio)
    await leg.hangup()
    await carrying
