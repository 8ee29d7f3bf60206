"""Speech that is heard from its first clause on, while the voice makes the next.

A sentence with a caller's own words in it takes the voice up to a second, and several on a full
machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from telephony.codecs import Int16

Parts = AsyncIterator[Int16]
"""PCM of an utterance at the line's rate, part after part as each is ready."""


class Rendering:
    """Takes an utterance's parts as they come, from now on, whoever plays them and when.

    Parameters:
        parts: what they raise ends the utterance, and is raised to whoever asks for `parts`.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts: list[Int16] = []
        self._more = asyncio.Event()
        self._task = asyncio.ensure_future(self._take(parts))
        self._task.add_done_callback(self._over)

    @property
    def whole(self) -> bool:
        """Nothing more comes."""
        return self._task.done()

    @property
    def pcm(self) -> Int16:
        """All that there is so far."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0] if self._parts else np.zeros(0, np.int16)

    async def begun(self) -> None:
        """Until there is something to hear, or nothing will come."""
        while not (self._parts or self.whole):
            await self._more.wait()

    async def parts(self) -> Parts:
        """What there is, then what comes; given up, the rest is not made."""
        given = 0
        try:
            while True:
                self._more.clear()
                pcm = self.pcm[given:]
                if len(pcm):
                    given += len(pcm)
                    yield pcm
                elif self.whole:
                    self._task.result()
                    return
                else:
                    await self._more.wait()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody wants the rest."""
        self._task.cancel()

    async def _take(self, parts: Parts) -> None:
        async for part in parts:
            self._parts.append(part)
            self._more.set()

    def _over(self, task: asyncio.Task[None]) -> None:
        self._more.set()
        if not task.cancelled():
            task.exception()  # may never be asked for
