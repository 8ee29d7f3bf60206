"""When a caller's turn begins and ends: a pure machine on voice activity and time.

Silero says from frame to frame whether there is a voice; smart-turn says whether
the words sound finished. Round both stand limits: a floor of silence before
anything is decided, and a ceiling after which the turn is over whatever the model
says (telephone audio costs smart-turn 3.5 points of accuracy: ANCHORS 2d). It hears no words:
of questions that end in 吗 it takes some for unfinished however long they are over.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    ASK = "ask"
    """Silent for so long that smart-turn should be asked."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class EndpointingLimits:
    """Seconds; settings of section [turn].

    `ask_s`: silences after which smart-turn is asked. The first is before the floor, so that
    the answer is there when the floor is reached; a sentence that sounded unfinished then may
    sound finished later.
    `question_s`: the silence that ends a turn whose last syllable is 吗, whatever it sounds like.
    """

    start_s: float = 0.1
    floor_s: float = 0.25
    ceiling_s: float = 1.2
    max_turn_s: float = 28.0
    ask_s: tuple[float, ...] = (0.16, 0.35, 0.55, 0.8)
    question_s: float = 0.5


def asks(syllables: Sequence[str]) -> bool:
    """The words end in 吗, as far as they were heard."""
    return bool(syllables) and syllables[-1] == "ma5"


class Endpointer:
    """Follows one call. Fed a voice probability per frame; holds no audio and reads no clock."""

    def __init__(self, limits: EndpointingLimits, *, threshold: float = 0.6) -> None:
        self.limits = limits
        self._threshold = threshold
        self.in_turn = False
        self.silence_s = 0.0
        """Since the voice last stopped, within a turn."""
        self.pauses = 0
        """Pauses begun so far: names the present one to `answer`."""
        self.question = False
        """The words of the turn `asks`, as far as they were heard: told by who hears them."""
        self._onset_s = 0.0
        self._length_s = 0.0
        self._asked = 0
        self._finished = False

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
        return self._voice() if voiced else self._silence(seconds)

    def _voice(self) -> Edge:
        paused = self.silence_s > 0.0
        self.silence_s, self._asked, self._finished = 0.0, 0, False
        if self._length_s >= self.limits.max_turn_s:
            return self.end()
        return Edge.RESUMED if paused else Edge.NONE

    def _silence(self, seconds: float) -> Edge:
        first = self.silence_s == 0.0
        self.silence_s += seconds
        if first:
            self.pauses += 1
            return Edge.PAUSED
        limits = self.limits
        enough_s = limits.question_s if self.question else limits.ceiling_s
        if self.silence_s >= (limits.floor_s if self._finished else enough_s):
            return self.end()
        due = sum(self.silence_s >= at for at in limits.ask_s)
        if due > self._asked:
            self._asked = due
            return Edge.ASK
        return Edge.NONE

    def answer(self, pause: int, *, finished: bool) -> Edge:
        """Smart-turn's answer about the pause `pause`; it ends the turn now, at the floor, or not
        at all, for the voice has gone on meanwhile."""
        if not self.in_turn or pause != self.pauses or self.silence_s == 0.0:
            return Edge.NONE
        self._finished = finished
        return self.end() if finished and self.silence_s >= self.limits.floor_s else Edge.NONE

    def begin(self, voiced_s: float = 0.0) -> Edge:
        """Start a turn; also when an ear heard words that the voice detector missed."""
        self.in_turn = True
        self._asked, self._finished, self.question = 0, False, False
        self._length_s = voiced_s
        self.silence_s = self._onset_s = 0.0
        return Edge.BEGAN

    def end(self) -> Edge:
        """End the turn."""
        self.in_turn = False
        self._onset_s = 0.0
        return Edge.ENDED
