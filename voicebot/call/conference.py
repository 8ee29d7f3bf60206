"""What each far side hears when several are on the line: the caller, and all the others.

The caller's audio is the clock: it never stops (`intake`). Of the others a small jitter
buffer each is taken (`far_side`). Legs that their endpoint has joined to the caller hear
each other there; what is not joined there is joined here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from telephony.codecs import FRAME_SECONDS, Int16
from voicebot.call.far_side import FarSide


class Conference:
    """The audio between the legs of one call.

    Parameters:
        now: seconds, of any clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._heard: dict[str, dict[str, FarSide]] = {}
        """By listener, then by speaker: what is to be heard of the speaker."""

    def join(self, line: str) -> None:
        """A leg that is to hear all the others through us."""
        self._heard.setdefault(line, {})

    def leave(self, line: str) -> None:
        self._heard.pop(line, None)
        for others in self._heard.values():
            others.pop(line, None)

    def move(self, line: str, to: str) -> None:
        """A leg is known by another name from now on."""
        if line in self._heard:
            self._heard[to] = self._heard.pop(line)
        for others in self._heard.values():
            if line in others:
                others[to] = others.pop(line)

    def say(self, line: str, pcm: Int16, rate: int, to_rate: int) -> None:
        """Audio of one leg, for all that join here; `to_rate` is the caller's."""
        for listener, others in self._heard.items():
            if listener != line:
                if line not in others:
                    others[line] = FarSide(to_rate, self._now)
                others[line].push(pcm, rate)

    def mixed(self, line: str, caller: Int16, rate: int) -> Int16:
        """What a leg hears while the caller says `caller`."""
        others = self._heard.get(line)
        if not others:
            return caller
        frame = round(rate * FRAME_SECONDS)
        mix = caller.astype(np.int32)
        for begin in range(0, len(caller), frame):
            part = mix[begin : begin + frame]  # endpoints differ in how much comes at a time
            for speaker in others.values():
                taken = speaker.take(len(part))
                if taken is not None:
                    part += taken
        heard: Int16 = np.clip(mix, -32768, 32767).astype(np.int16)
        return heard
