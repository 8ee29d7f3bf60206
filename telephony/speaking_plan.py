"""When the test caller speaks, presses a key, or hangs up: pure, time comes in.

A caller with manners waits for the greeting, lets the other side finish, and
hangs up when nothing more comes; `speak="now"` has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

GREETING_WAIT_S = 6.0
"""Longest wait for a greeting that never begins."""
GREETING_MAX_S = 20.0
"""Longest wait for a greeting that has begun."""
REPLY_QUIET_S = 0.8
"""Quiet after a reply that means it is over."""
REPLY_STUCK_S = 3.0
"""Quiet within a marked utterance that means its end mark is never coming."""
REPLY_WAIT_S = 8.0
"""Longest wait for a reply that never begins."""
KEY_GAP_S = 0.2
KEY_PAUSE_S = 0.5
"""What `w` in a row of keys means, as in a modem's dial string."""


@dataclass(frozen=True, slots=True)
class Say:
    """Start to speak clip `index` now."""

    index: int


@dataclass(frozen=True, slots=True)
class Press:
    key: str


class EndReason(StrEnum):
    CALLER = "caller"
    """Everything was said and the far side has been quiet."""
    LIMIT = "limit"
    """The longest call allowed."""


@dataclass(frozen=True, slots=True)
class HangUp:
    reason: EndReason


Step = Say | Press | HangUp


class _Phase(StrEnum):
    GREETING = "greeting"
    SPEAKING = "speaking"
    LISTENING = "listening"


class SpeakingPlan:
    """Decides once a frame.

    Parameters:
        clips: length of each clip, seconds.
        keys: keys to press after the greeting; `w` waits 0.5 s.
        speak: `after-greeting` or `now`.
        quiet_s: quiet of the far side, after the last clip, before hanging up.
        max_s: longest call, seconds.
    """

    def __init__(
        self,
        clips: Sequence[float],
        *,
        keys: str = "",
        speak: Literal["after-greeting", "now"] = "after-greeting",
        quiet_s: float = 6.0,
        max_s: float = 120.0,
    ) -> None:
        self._clips = tuple(clips)
        self._keys = list(keys)
        self._quiet_s, self._max_s = quiet_s, max_s
        self._next = 0
        self._phase = _Phase.GREETING
        self._speaks_now = speak == "now"
        self._greeted = False
        self._key_at = 0.0
        self._since = 0.0
        """When this phase began; when the clip ends, while speaking."""
        self._last_loud: float | None = None
        """When the far side was last heard in this phase."""

    def step(self, at: float, *, loud: bool, in_utterance: bool, greeted: bool) -> Step | None:
        """What to do at `at` seconds; at most one thing a frame.

        `loud`: the far side was heard in the last frame. `in_utterance`: a marked
        utterance has begun and not ended. `greeted`: the first has ended.
        """
        if at >= self._max_s:
            return HangUp(EndReason.LIMIT)
        if self._phase is _Phase.SPEAKING and at >= self._since:
            self._enter_listening(self._since)
        if loud:
            self._last_loud = at
        self._greeted = self._greeted or greeted or self._greeting_missed(at, in_utterance)
        if self._greeted and self._keys and at >= self._key_at:
            return self._press(at)
        if self._phase is _Phase.GREETING:
            return self._after_greeting(at)
        if self._phase is _Phase.LISTENING:
            return self._after_reply(at, in_utterance)
        return None

    def _greeting_missed(self, at: float, in_utterance: bool) -> bool:
        return at >= (GREETING_MAX_S if in_utterance else GREETING_WAIT_S)

    def _press(self, at: float) -> Step | None:
        key = self._keys.pop(0)
        self._key_at = at + (KEY_PAUSE_S if key in "wW" else KEY_GAP_S)
        return None if key in "wW" else Press(key)

    def _after_greeting(self, at: float) -> Step | None:
        if self._speaks_now and self._clips:
            return self._say(at)
        if not self._greeted or self._keys:
            return None
        if self._clips:
            return self._say(at)
        self._enter_listening(at)
        return None

    def _after_reply(self, at: float, in_utterance: bool) -> Step | None:
        replied = self._last_loud is not None
        quiet = at - (self._since if self._last_loud is None else self._last_loud)
        finished = quiet >= (REPLY_STUCK_S if in_utterance else REPLY_QUIET_S)
        if self._next < len(self._clips):
            done = finished if replied else quiet >= REPLY_WAIT_S
            return self._say(at) if done and not self._keys else None
        if finished and quiet >= self._quiet_s and not self._keys:
            return HangUp(EndReason.CALLER)
        return None

    def _say(self, at: float) -> Say:
        index = self._next
        self._next += 1
        self._phase = _Phase.SPEAKING
        self._since = at + self._clips[index]
        return Say(index)

    def _enter_listening(self, since: float) -> None:
        self._phase = _Phase.LISTENING
        self._since = since
        self._last_loud = None
