"""When a caller's turn begins and ends: a pure machine on voice activity and time.

Silero says from frame to frame whether there is a voice; smart-turn says whether
the words sound finished. Round both stand limits: a floor of silence before
anything is decided, and a ceiling after which the turn is over whatever the model
says (telephone audio costs smart-turn 3.5 points of accuracy: ANCHORS 2d).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Edge(StrEnum):
    """What changed with the last frame."""

    NONE = "none"
    BEGAN = "began"
    PAUSED = "paused"
    """The voice just stopped: the moment to decode speculatively."""
    RESUMED = "resumed"
    """It went on within the same turn: the speculation was in vain."""
    FLOOR = "floor"
    """Silent for the floor: ask smart-turn."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class EndpointingLimits:
    """Seconds; settings of section [turn]."""

    start_s: float = 0.1
    floor_s: float = 0.25
    ceiling_s: float = 1.2
    max_turn_s: float = 28.0


class Endpointer:
    """Follows one call. Fed a voice probability per frame; holds no audio and reads no clock."""

    def __init__(self, limits: EndpointingLimits, *, threshold: float = 0.6) -> None:
        self.limits = limits
        self._threshold = threshold
        self.in_turn = False
        self.voice_s = 0.0
        """Voice heard in the present turn."""
        self.silence_s = 0.0
        """Since the voice last stopped, within a turn."""
        self._onset_s = 0.0
        self._length_s = 0.0
        self._asked = False

    def push(self, probability: float, seconds: float) -> Edge:
        """The next frame's voice probability and its length."""
        # Once in a turn a weaker voice counts: word ends fade.
        voiced = probability >= (self._threshold - 0.2 if self.in_turn else self._threshold)
        if not self.in_turn:
            self._onset_s = self._onset_s + seconds if voiced else 0.0
            if self._onset_s < self.limits.start_s:
                return Edge.NONE
            return self.begin(self._onset_s)
        self._length_s += seconds
        if voiced:
            paused = self.silence_s > 0.0
            self.voice_s += seconds
            self.silence_s, self._asked = 0.0, False
            if self._length_s >= self.limits.max_turn_s:
                return self.end()
            return Edge.RESUMED if paused else Edge.NONE
        first = self.silence_s == 0.0
        self.silence_s += seconds
        if first:
            return Edge.PAUSED
        if self.silence_s >= self.limits.ceiling_s:
            return self.end()
        if self.silence_s >= self.limits.floor_s and not self._asked:
            self._asked = True
            return Edge.FLOOR
        return Edge.NONE

    def begin(self, voiced_s: float = 0.0) -> Edge:
        """Start a turn; also when an ear heard words that the voice detector missed."""
        self.in_turn, self._asked = True, False
        self.voice_s = self._length_s = voiced_s
        self.silence_s = self._onset_s = 0.0
        return Edge.BEGAN

    def end(self) -> Edge:
        """End the turn, by time or because smart-turn says so."""
        self.in_turn = False
        self._onset_s = 0.0
        return Edge.ENDED
