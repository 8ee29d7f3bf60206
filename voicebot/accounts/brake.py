"""How long a name or an address has to wait after wrong passwords. Pure; time is an argument.

Each wrong password raises a level, time lowers it again. Up to a bound they cost nothing: people
mistype. From there on each doubles the wait, up to a quarter of an hour. So in the long run an
account can be tried once in `forgiven_s`, however many machines do it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_WAIT_S = 2.0
MOST_WAIT_S = 900.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Attributes:
    free: wrong passwords that cost no wait.
    forgiven_s: the time after which one of them is forgiven, seconds.
    """

    free: int
    forgiven_s: float


NAME = Rule(free=5, forgiven_s=900.0)
ADDRESS = Rule(free=20, forgiven_s=60.0)
"""An office may have one address, and a shift begins for all at once."""


@dataclass(frozen=True, slots=True)
class Level:
    """`value` wrong passwords weighed as of `at`, the last one, seconds since the epoch."""

    value: float = 0.0
    at: float = 0.0


def wait_s(level: Level, now: float, rule: Rule) -> float:
    """Until the next password is looked at, seconds; 0: at once."""
    if not brakes(level, rule):
        return 0.0
    over = min(math.ceil(level.value) - rule.free, 32)
    return max(0.0, level.at + min(FIRST_WAIT_S * 2.0**over, MOST_WAIT_S) - now)


def brakes(level: Level, rule: Rule) -> bool:
    """So many that they cost a wait; one that is partly forgiven counts."""
    return math.ceil(level.value) >= rule.free


def charged(level: Level, now: float, rule: Rule) -> Level:
    """After a password that counts as wrong until it turns out to be right."""
    return Level(lowered(level, now, rule) + 1.0, now)


def lowered(level: Level, now: float, rule: Rule) -> float:
    """What is left of a level; a clock that went back forgives nothing."""
    return max(0.0, level.value - max(0.0, now - level.at) / rule.forgiven_s)
