"""Callers who talk as people do: when the bot has spoken; and who dial again when cut off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from benchmarks.chaos.callers import AGAIN_S, AGENT, DANGERS, OFFICER, PATIENCE_S, SENTENCES
from benchmarks.chaos.judging import DANGER
from benchmarks.cluster_trial.desk_line import DeskLine
from benchmarks.cluster_trial.sip_messages import Address
from benchmarks.cluster_trial.softphone import Line, Softphone
from benchmarks.cluster_trial.sound import frames_of
from benchmarks.voices import speak

HOTLINE = "12345"
GOODBYE = "没有了，谢谢，再见。"
HEARD_FRAMES = 20
"""Packets with sound after which somebody has said something."""
PAUSE_S = 0.9
"""Silence after which it is the caller's turn."""
AGAIN_SAID_S = 3.0
"""Silence after which somebody in danger says it again."""
GONE_S = 6.0
"""Without a packet for so long, people hang up."""
MOST_S = 100.0
WITH_PERSON_S = 6.0
"""How long a caller talks to whoever is there."""


@cache
def _said(text: str) -> list[bytes]:
    return frames_of(speak(text))


def prepare() -> dict[str, list[bytes]]:
    """Renders all that is said; what desks say by `OFFICER` and `AGENT`."""
    for text in (*DANGERS, *(each for said in SENTENCES.values() for each in said), GOODBYE):
        _said(text)
    return {OFFICER: _said(OFFICER), AGENT: _said(AGENT)}


@dataclass(slots=True)
class Attempt:
    """One call that somebody placed; times are monotonic seconds.

    Parameters:
        closed: ``caller``, ``far``, ``gone`` (nothing came any more) or ``refused``.
        words_end: end of the last sentence that was said completely; None without any.
    """

    role: str
    number: str
    line: Line
    placed_at: float
    closed: str = ""
    words_end: float | None = None

    @property
    def answered(self) -> bool:
        return self.line.up.is_set()


@dataclass(slots=True)
class Caller:
    """Parameters:
    may_go: whether who is with a person may hang up already.
    """

    role: str
    number: str
    danger: int
    phone: Softphone
    proxy: Address
    desks: Sequence[DeskLine]
    may_go: Callable[[], bool]
    attempts: list[Attempt] = field(default_factory=list)

    async def run(self) -> None:
        """Until nothing is left to call for."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            attempt = await self._call()
            self.attempts.append(attempt)
            served = attempt.closed == "caller" or (
                attempt.closed == "far" and (self.role != DANGER or self._spans(attempt))
            )
            if served or time.monotonic() > ends:
                return
            await asyncio.sleep(AGAIN_S)

    def _spans(self, attempt: Attempt) -> bool:
        """Somebody was there in this call."""
        return any(
            began >= attempt.placed_at
            for desk in self.desks
            for began, _ in desk.spans(self.number)
        )

    async def _call(self) -> Attempt:
        line = await self.phone.call(HOTLINE, self.number, self.proxy)
        attempt = Attempt(self.role, self.number, line, time.monotonic())
        waits = [asyncio.create_task(each.wait()) for each in (line.up, line.over)]
        await asyncio.wait(waits, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        if not line.up.is_set():
            await self.phone.hang_up(line)
            attempt.closed = "refused"
            return attempt
        attempt.closed = await self._talk(attempt)
        await self.phone.hang_up(line)
        return attempt

    async def _talk(self, attempt: Attempt) -> str:
        line, sound = attempt.line, attempt.line.sound
        if self.role == DANGER:
            left = [DANGERS[self.danger % len(DANGERS)]]
        else:
            left = [*SENTENCES[self.role], GOODBYE]
        last, frames, saying = left[-1], 0, False
        while not line.over.is_set():
            await asyncio.sleep(0.1)
            now = time.monotonic()
            if saying and not sound.speaking:
                saying, attempt.words_end, frames = False, now, sound.loud_frames
            since = self._person_since()
            if since is not None:
                if now - since > WITH_PERSON_S and self.may_go():
                    return "caller"
            elif now - sound.last_came > GONE_S:
                return "gone"
            elif now - line.up_at > MOST_S:
                return "caller"
            elif not saying and sound.loud_frames - frames >= HEARD_FRAMES:
                silent = sound.silent_for(now)
                if left and silent >= PAUSE_S:
                    sound.say(_said(left.pop(0)))
                    saying = True
                elif not left and silent >= AGAIN_SAID_S:
                    if self.role != DANGER:
                        return "caller"
                    sound.say(_said(last))
                    saying = True
        return "far"

    def _person_since(self) -> float | None:
        since = [each.with_since(self.number) for each in self.desks]
        return min((each for each in since if each is not None), default=None)
