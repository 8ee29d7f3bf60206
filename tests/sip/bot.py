"""The application of the tests: no models, a tone towards every caller."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np

from telephony.call_control import CallControl, CallInfo, IncomingCall, Leg
from telephony.codecs import Int16
from telephony.dialing import DutyNumber
from telephony.errors import CallError
from telephony.leg_events import LegAudio, LegEnded, LegProgress
from telephony.sip.endpoint import SipEndpoint
from telephony.sip.settings import SipSettings

BOT_HZ = 700


class Served:
    """One answered call of the bot; its `CallEvents` too."""

    def __init__(self, info: CallInfo, line: CallControl) -> None:
        self.info, self.line = info, line
        self.frames: list[Int16] = []
        self.keys: asyncio.Queue[str] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.speaking: asyncio.Task[None] | None = None

    async def hear(self, pcm: Int16) -> None:
        self.frames.append(pcm)

    def press(self, key: str) -> None:
        self.keys.put_nowait(key)

    def caller_hung_up(self) -> None:
        self.gone.set()

    @property
    def heard(self) -> Int16:
        return np.concatenate(self.frames)

    async def hears(self, seconds: float) -> None:
        """Waits until the caller has been heard for so much longer."""
        frames = len(self.frames) + round(seconds * 50)
        async with asyncio.timeout(60):
            while len(self.frames) < frames:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)

    def speak(self, hertz: float = BOT_HZ) -> None:
        """A tone from now on, paced as the application's mixer does it."""
        self.speaking = asyncio.create_task(self._speak(hertz))

    async def _speak(self, hertz: float) -> None:
        clock = asyncio.get_running_loop().time
        size, began, at = self.line.rate // 50, clock(), 0
        while not self.gone.is_set():
            times = (np.arange(size) + at * size) / self.line.rate
            await self.line.send_audio((8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16))
            at += 1
            await asyncio.sleep(max(0.0, began + at * 0.02 - 0.06 - clock()))

    def leg(self, url: str, answer_timeout_s: float = 15.0) -> Leg:
        return self.line.new_leg(
            DutyNumber("110", "110", "", url, "110"), answer_timeout_s=answer_timeout_s
        )


class Bot:
    """Answers every call, speaks, and gives it to the test; made by `bot`."""

    def __init__(self) -> None:
        self.endpoint: SipEndpoint | None = None
        self.offers: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.calls: asyncio.Queue[Served] = asyncio.Queue()
        self.over: asyncio.Queue[str] = asyncio.Queue()
        """Calls of which nothing is left, by id."""
        self.decide: Callable[[IncomingCall], Awaitable[bool]] | None = None
        """Instead of answering: True when it has dealt with the call."""

    async def take(self, call: IncomingCall) -> None:
        self.offers.put_nowait(call)
        if self.decide is not None and await self.decide(call):
            return
        try:
            line = await call.answer()
        except CallError:  # hung up meanwhile
            return
        served = Served(call.info, line)
        line.listen(served)
        served.speak()
        self.calls.put_nowait(served)
        await served.gone.wait()
        served.speaking.cancel()
        await line.hang_up()
        await call.closed()
        self.over.put_nowait(call.info.call_id)

    def uri(self, number: str = "12345") -> str:
        return f"sip:{number}@127.0.0.1:{self.endpoint.port}"

    async def has_room(self) -> None:
        """Waits until a call can be taken."""
        async with asyncio.timeout(60):
            while not self.endpoint.room:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)

    async def call(self) -> Served:
        """The next answered call."""
        return await asyncio.wait_for(self.calls.get(), 60)


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Bot]:
    """A bot that answers calls on a free port."""
    bot = Bot()
    bot.endpoint = SipEndpoint(SipSettings(**{"port": 0, **settings}), bot.take)
    task = asyncio.create_task(bot.endpoint.run())
    started = asyncio.create_task(bot.endpoint.started.wait())
    try:
        await asyncio.wait({task, started}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        assert bot.endpoint.started.is_set()
        yield bot
    finally:
        started.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def story(leg: Leg) -> list[str]:
    """The states of a leg until its end, and why it ended."""
    told = []
    async for event in leg:
        match event:
            case LegProgress(state=state):
                told.append(state.value)
            case LegEnded(reason=reason):
                told.append(f"ended:{reason.value}")
    return told


async def until(leg: Leg, state: str) -> list[LegAudio]:
    """Reads a leg's events up to a state; gives the audio before it."""
    audio = []
    async for event in leg:
        if isinstance(event, LegProgress) and event.state.value == state:
            return audio
        if isinstance(event, LegAudio):
            audio.append(event)
        assert not isinstance(event, LegEnded), event
    raise AssertionError(f"the leg never came to {state}")
