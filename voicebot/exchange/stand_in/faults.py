"""How the stand-in misbehaves: all chance from one seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Chance = Annotated[float, Field(ge=0, le=1)]


class Faults(BaseModel):
    """The chance of each fault, for each message; 0: never, 1: always."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    down: Chance = 0.0
    """Answers 503 and keeps nothing."""
    slow: Chance = 0.0
    """Takes `slow_s` to answer, after it has applied the message."""
    slow_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    lose_answer: Chance = 0.0
    """Applies a message, and answers 504."""
    lie: Chance = 0.0
    """Gives a receipt for a message, and forgets it."""
    wrong_receipt: Chance = 0.0
    """Applies a message, and gives a receipt for other content."""
    duplicate: Chance = 0.0
    """Sends a message to us twice."""
    reorder: Chance = 0.0
    """Sends a message to us before the one that comes before it."""


NAMES = tuple(name for name in Faults.model_fields if name not in ("seed", "slow_s"))
"""The faults that are a matter of chance."""


class Dice:
    """Throws for each fault, reproducibly, and counts how often it fell."""

    def __init__(self, faults: Faults) -> None:
        self.fallen: Counter[str] = Counter()
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """Go on with these."""
        self.faults = faults
        # One sequence for each fault: how often one is asked for changes no other.
        self._chance = {name: random.Random(f"{faults.seed}:{name}") for name in NAMES}  # noqa: S311

    def fall(self, name: str) -> bool:
        """Whether this fault happens now."""
        happens: bool = self._chance[name].random() < getattr(self.faults, name)
        self.fallen[name] += happens
        return happens
