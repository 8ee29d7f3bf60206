"""The application of these tests: it takes Asterisk's calls and does what it is told.

The endpoint runs in a thread of its own, so that tests can wait for telephones meanwhile.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from telephony.asterisk.access import AsteriskAccess
from telephony.asterisk.endpoint import AsteriskEndpoint
from telephony.call_control import CallControl, IncomingCall, Leg, Rejection
from telephony.codecs import Int16
from telephony.dialing import DutyNumber
from telephony.leg_events import LegAudio, LegEnded, LegEvent, LegProgress
from tests.asterisk import phones
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import FRAME, Heard

T = TypeVar("T")

POLICE = DutyNumber("110", "110", "", "trunk:police/110", "110")
SEAT = DutyNumber("seat", "seat", "", "trunk:seats/1001", "坐席")


def access_to(pbx: Pbx, user: str = "voicebot") -> AsteriskAccess:
    return AsteriskAccess(pbx.ari_url, user, pbx.password(user))


class Ears:
    """What the application is told of a call."""

    def __init__(self) -> None:
        self.frames: list[Int16] = []
        self.times: list[float] = []
        self.keys = ""
        self.ends = 0
        self.gone = asyncio.Event()

    async def hear(self, pcm: Int16) -> None:
        self.frames.append(pcm)
        self.times.append(time.monotonic())

    def press(self, key: str) -> None:
        self.keys += key

    def caller_hung_up(self) -> None:
        self.ends += 1
        self.gone.set()

    def heard(self) -> Heard:
        """What came in frames of 20 ms at 8 kHz, as a telephone gives it."""
        frames = list(zip(self.frames, self.times, strict=False))
        whole = [(pcm, at) for pcm, at in frames if len(pcm) == FRAME]
        if not whole:
            return Heard(np.zeros(0, np.int16), np.zeros(0))
        return Heard(np.concatenate([pcm for pcm, _ in whole]), np.array([at for _, at in whole]))


@dataclass
class LegLog:
    """A leg and everything that it has told."""

    leg: Leg
    events: list[tuple[float, LegEvent]] = field(default_factory=list)
    ears: Ears = field(default_factory=Ears)
    early: int = 0

    def states(self) -> list[str]:
        """Its progress and its end, in words."""
        told = []
        for _, event in self.events:
            if isinstance(event, LegProgress):
                told.append(event.state.value)
            elif isinstance(event, LegEnded):
                told.append(f"ended:{event.reason.value}")
        return told

    def at(self, state: str) -> float:
        """When it told that state."""
        return next(
            at
            for at, event in self.events
            if isinstance(event, LegProgress) and event.state.value == state
        )

    def wait(self, state: str, timeout_s: float = 10.0) -> None:
        """Until it has told that state, or `ended:reason`."""
        wait_until(lambda: state in self.states(), timeout_s, lambda: f"{state}: {self.states()}")

    async def follow(self) -> None:
        async for event in self.leg:
            self.events.append((time.monotonic(), event))
            if isinstance(event, LegAudio):
                self.early += event.early
                await self.ears.hear(np.frombuffer(event.pcm, np.int16))


@dataclass
class Taken:
    """A call that the bot has taken."""

    offer: IncomingCall
    control: CallControl
    ears: Ears
    done: asyncio.Event = field(default_factory=asyncio.Event)
    last_words: Callable[[], Coroutine[Any, Any, None]] | None = None
    """What the bot still does when the caller is gone."""


def wait_until(condition: Any, timeout_s: float = 10.0, what: Any = "it") -> float:
    """Waits; gives the seconds that it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s * phones.PATIENCE:
            raise AssertionError(f"not in {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(0.005)
    return time.monotonic() - began


class Bot:
    """Answers every call, unless it is told to reject them, and keeps it.

    Parameters:
        room: how many calls it keeps at a time; the others are rejected as `FULL`.
    """

    def __init__(
        self, access: AsteriskAccess, *, reject: Rejection | None = None, room: int = 1000
    ) -> None:
        self.access = access
        self.offers: list[IncomingCall] = []
        self.fails = False
        """The application raises as soon as it gets a call."""
        self._reject, self._room = reject, room
        self._calls: queue.Queue[Taken] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        self._stop = asyncio.Event()
        self._legs: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Bot:
        self._thread.start()
        wait_until(lambda: hasattr(self, "endpoint") and self.endpoint.connected.is_set())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def do(self, work: Coroutine[Any, Any, T], timeout_s: float = 10.0) -> T:
        """Runs a coroutine in the bot's thread and gives its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(
            timeout_s * phones.PATIENCE
        )

    def call(self, timeout_s: float = 10.0) -> Taken:
        """The next call that was answered."""
        return self._calls.get(timeout=timeout_s)

    def say(self, taken: Taken, hertz: float, seconds: float, *, burst: bool = False) -> None:
        """Sends a tone at the speed of speech, or all at once."""
        self.do(self._say(taken.control, hertz, seconds, burst), seconds + 5)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs a coroutine in the bot's thread without waiting for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def talk(self, taken: Taken, hertz: float, seconds: float = 60.0) -> None:
        """Sends a tone meanwhile."""
        self.start(self._say(taken.control, hertz, seconds, False))

    def dial(
        self,
        taken: Taken,
        number: DutyNumber = POLICE,
        *,
        answer_timeout_s: float = 10.0,
        handoff: str = "H-1",
    ) -> LegLog:
        """Dials a leg and follows it. Errors: LegError."""

        async def go() -> LegLog:
            leg = taken.control.new_leg(number, answer_timeout_s=answer_timeout_s)
            log = LegLog(leg)
            task = asyncio.create_task(log.follow())
            self._legs.add(task)
            task.add_done_callback(self._legs.discard)
            await leg.connect({"caller": taken.offer.info.caller, "handoff": handoff, "call": "C"})
            return log

        return self.do(go())

    async def _say(self, control: CallControl, hertz: float, seconds: float, burst: bool) -> None:
        began, frame = time.monotonic(), round(control.rate * 0.02)
        for number, pcm in enumerate(tone(hertz, seconds, control.rate)):
            ahead = number * 0.02 - (time.monotonic() - began)
            if not burst and ahead > 0.04:
                await asyncio.sleep(ahead - 0.04)
            assert len(pcm) == frame
            await control.send_audio(pcm)

    async def _run(self) -> None:
        self.endpoint = AsteriskEndpoint(self.access, self._take)
        running = asyncio.create_task(self.endpoint.run())
        await self._stop.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _take(self, offer: IncomingCall) -> None:
        self.offers.append(offer)
        if self.fails:
            raise RuntimeError("told to fail")
        why = self._reject or (Rejection.FULL if self._room <= 0 else None)
        if why is not None:
            await offer.reject(why)
            await offer.closed()
            return
        self._room -= 1
        try:
            await self._keep(offer)
        finally:
            self._room += 1

    async def _keep(self, offer: IncomingCall) -> None:
        control = await offer.answer()
        taken = Taken(offer, control, Ears())
        control.listen(taken.ears)
        self._calls.put(taken)
        over = [asyncio.create_task(each.wait()) for each in (taken.ears.gone, taken.done)]
        try:
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in over:
                task.cancel()
            if taken.last_words is not None:
                await taken.last_words()
            await control.hang_up()
            await offer.closed()


def tone(hertz: float, seconds: float, rate: int = 8000) -> Iterator[Int16]:
    """Frames of 20 ms."""
    frame = round(rate * 0.02)
    for number in range(round(seconds / 0.02)):
        at = np.arange(number * frame, (number + 1) * frame) / rate
        yield (8000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


async def frames_of(pcm: Int16, rate: int = 8000) -> AsyncIterator[Int16]:
    """PCM in frames of 20 ms at the speed of speech."""
    frame = round(rate * 0.02)
    for at in range(0, len(pcm) - frame + 1, frame):
        yield pcm[at : at + frame]
        await asyncio.sleep(0.02)
