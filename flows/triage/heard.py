"""One turn as triage has heard it, and whether it only answers what the bot had asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.denial import clear_no
from flows.triage.assessment import Turn
from flows.triage.calibration import URGENT, log_odds
from flows.triage.reading import Reading

_ANSWERS = frozenset({"place", "name", "number"})


@dataclass(frozen=True, slots=True)
class Heard:
    """One turn, or the whole conversation (`index` -1).

    Attributes:
        index: of the turn in the turns given.
        reading: its phrases.
        spread: probabilities of `ROUTES`.
        scores: of the other heads, when asked for.
        answer: it only answers a question of the bot, see `mere_answer`.
    """

    index: int
    reading: Reading
    spread: NDArray[np.float64]
    scores: Callable[[str], NDArray[np.float32]]
    answer: bool = False

    @property
    def odds(self) -> float:
        return log_odds(self.spread[URGENT])


def mere_answer(turn: Turn, reading: Reading) -> bool:
    """A place, a name or figures that were asked for, or a clear no to the question about danger,
    and no word of danger or police in them.

    在桥上 tells where a lamp is broken; it says nothing of what happens there.
    """
    if turn.asked == "danger":
        return not reading.request and clear_no(turn.text, turn.syllables)
    return turn.asked in _ANSWERS and not (
        reading.request or reading.named("danger", "police", "request_police")
    )
