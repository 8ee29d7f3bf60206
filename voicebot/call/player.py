"""Speaks to the caller in real time, 20 ms at a time, and knows exactly what was said.

Pacing is ours, with a 60 ms cushion, so that a barge-in drops at most the cushion
and no backlog can build up in a PBX (asterisk#2115, pipecat#366).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from flows.actions import Say
from flows.events import PlaybackFinished, PlaybackStarted
from voicebot.call.line import FRAME_S, Int16, Line

CUSHION_S = 0.06
"""Audio sent ahead of time; covers the scheduling gaps of a loaded machine."""

PAUSE_S = 0.12
"""Between two utterances, so that they do not run into each other."""

Rendered = Callable[[Say], Awaitable[Int16]]
Report = Callable[[PlaybackStarted | PlaybackFinished], None]


@dataclass(frozen=True, slots=True)
class _Item:
    say: Say
    audio: asyncio.Task[Int16]


class Player:
    """Plays the utterances of one call in order.

    Parameters:
        line: where the audio goes.
        render: gives an utterance's PCM at the line's rate; called when it is queued,
            so that a sentence with blanks is synthesised while another is played.
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
        self._tap = tap
        self._queue: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._playing: Say | None = None
        self._sent_s = 0.0

    @property
    def busy(self) -> bool:
        return self._playing is not None or bool(self._queue)

    def say(self, say: Say) -> None:
        self._queue.append(_Item(say, asyncio.ensure_future(self._render(say))))
        self._wake.set()

    async def stop(self) -> None:
        """Flush: nothing of what was queued before this moment is heard any more."""
        dropped, self._queue = list(self._queue), deque()
        playing = self._playing
        self._stop.set()
        await self._line.clear()
        for item in dropped:
            item.audio.cancel()
            self._report(PlaybackFinished(self._now(), item.say.utterance, interrupted=True))
        if playing is not None:
            self._playing = None
            self._report(
                PlaybackFinished(self._now(), playing.utterance, True, round(self._sent_s, 3))
            )

    async def run(self) -> None:
        """Plays until cancelled."""
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            item = self._queue.popleft()
            self._stop.clear()
            self._playing, self._sent_s = item.say, 0.0
            with contextlib.suppress(asyncio.CancelledError):
                await self._play(item)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                return

    async def _play(self, item: _Item) -> None:
        say = item.say
        pcm = await item.audio
        if self._stop.is_set():
            return
        await self._line.send_mark(_mark("begin", say))
        self._report(PlaybackStarted(self._now(), say.utterance))
        frame = round(self._line.rate * FRAME_S)
        clock = asyncio.get_running_loop().time
        began = clock()
        for start in range(0, len(pcm), frame):
            ahead = self._sent_s - (clock() - began)
            if ahead > CUSHION_S:
                await asyncio.sleep(ahead - CUSHION_S)
            if self._stop.is_set():
                return
            chunk = pcm[start : start + frame]
            if len(chunk) < frame:
                chunk = np.pad(chunk, (0, frame - len(chunk)))
            await self._line.send_audio(chunk)
            self._tap(chunk)
            self._sent_s += FRAME_S
        await self._line.send_mark(_mark("end", say))
        left = max(0.0, self._sent_s - (clock() - began)) + PAUSE_S
        with contextlib.suppress(TimeoutError):
            # Not wait_for, which in Python 3.11 can swallow a cancellation.
            async with asyncio.timeout(left):
                await self._stop.wait()
        if not self._stop.is_set():
            self._playing = None
            self._report(
                PlaybackFinished(self._now(), say.utterance, seconds=round(self._sent_s, 3))
            )


def _mark(edge: str, say: Say) -> str:
    tail = f":{say.entry}" if say.entry and edge == "begin" else ""
    return f"{edge}:{say.purpose}:{say.utterance}{tail}"
