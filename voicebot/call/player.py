"""Speaks to the caller in real time, and knows exactly what was said.

Utterances one after the other; the sending itself, paced and mixed with the far
side's audio, is `mixer`'s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from flows.actions import Say
from flows.events import PlaybackFinished, PlaybackStarted
from telephony.call_control import Line
from telephony.codecs import Int16
from voicebot.call.mixer import Mixer, Speech
from voicebot.call.rendering import Parts, Rendering

log = structlog.get_logger()

FLUSH_S = 0.5
"""How long a line may take to drop what it has: a dead one must hold up nothing else."""

PAUSE_S = 0.12
"""Between two utterances, so that they do not run into each other."""

Rendered = Callable[[Say], Parts]
Report = Callable[[PlaybackStarted | PlaybackFinished], None]


@dataclass(slots=True, eq=False)
class _Item:
    say: Say
    audio: Rendering
    speech: Speech | None = None


class Player:
    """Plays the utterances of one call in order, and the far side with them.

    Parameters:
        line: where the audio goes.
        render: an utterance's audio; asked for when that is queued, so that a sentence with
            blanks is synthesised while another is played. What fails is heard as far as it came.
        report: told when an utterance begins and ends.
        now: seconds since the call was answered.
        tap: sees everything that was sent, for the recording.
    """

    def __init__(
        self,
        line: Line,
        render: Rendered,
        report: Report,
        now: Callable[[], float],
        tap: Callable[[Int16], None],
    ) -> None:
        self._line, self._render, self._report, self._now = line, render, report, now
        self._mixer = Mixer(line, tap, now)
        self._queue: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._playing: _Item | None = None

    @property
    def busy(self) -> bool:
        """The bot is speaking or about to; the far side does not count."""
        return self._playing is not None or bool(self._queue)

    @property
    def far_side_loud_at(self) -> float:
        """When the far side was last heard, of the call's clock; −∞ for never.

        A desk that is silent sends frames all the same; they do not count.
        """
        return self._mixer.loud_at

    def far_side(self, pcm: Int16, rate: int, bridged: bool = False, party: str = "") -> None:
        """A far side's audio (PCM16 mono), as it comes; heard beside what the bot says.

        `bridged`: the endpoint plays it to the caller, and it is only recorded here.
        `party` tells several far sides apart.
        """
        self._mixer.hear_far_side(pcm, rate, bridged, party)

    def say(self, say: Say) -> None:
        self._queue.append(_Item(say, Rendering(self._render(say))))
        self._wake.set()

    async def stop(self) -> None:
        """Flush: nothing of what was queued before this moment is heard any more."""
        dropped, self._queue = list(self._queue), deque()
        playing, self._playing = self._playing, None
        self._stop.set()
        self._mixer.drop()
        await self._clear()
        for item in dropped:
            item.audio.cancel()
            self._report(PlaybackFinished(self._now(), item.say.utterance, interrupted=True))
        if playing is not None:
            playing.audio.cancel()
            self._report(
                PlaybackFinished(
                    self._now(), playing.say.utterance, True, self._seconds(playing.speech)
                )
            )

    async def _clear(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._line.clear()
        except Exception:
            log.exception("line_not_cleared")

    async def run(self) -> None:
        """Plays until cancelled."""
        sending = asyncio.create_task(self._mixer.run())
        try:
            while True:
                if not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                item = self._playing = self._queue.popleft()
                self._stop.clear()
                await self._play(item)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _play(self, item: _Item) -> None:
        say = item.say
        await self._unless_stopped(asyncio.ensure_future(item.audio.begun()))
        if self._playing is not item:
            return
        item.speech = Speech(
            item.audio,
            _mark("begin", say),
            _mark("end", say),
            lambda: self._report(PlaybackStarted(self._now(), say.utterance)),
        )
        self._mixer.speak(item.speech)
        await self._unless_stopped(asyncio.ensure_future(item.speech.sent.wait()))
        if self._playing is item:
            await self._unless_stopped(
                asyncio.ensure_future(asyncio.sleep(item.speech.left_s + PAUSE_S))
            )
        self._finished(item)

    async def _unless_stopped(self, awaited: asyncio.Future[Any]) -> None:
        """Wait for it, or until `stop`; then it is given up."""
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({awaited, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not awaited.done():
                awaited.cancel()

    def _finished(self, item: _Item) -> None:
        if self._playing is item:  # else `stop` has told it
            self._playing = None
            self._report(
                PlaybackFinished(
                    self._now(), item.say.utterance, seconds=self._seconds(item.speech)
                )
            )

    def _seconds(self, speech: Speech | None) -> float:
        return round(speech.samples / self._line.rate, 3) if speech is not None else 0.0


def _mark(edge: str, say: Say) -> str:
    tail = f":{say.entry}" if say.entry and edge == "begin" else ""
    return f"{edge}:{say.purpose}:{say.utterance}{tail}"
