"""What is done in each run, when, and who calls. Pure: the same seed draws the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.chaos.judging import DANGER, MATTER, QUESTION

NONE, ROLLING = "none", "rolling"
"""Nothing is done (by name only); each role is restarted one after the other."""
MEDIA_PROCESS, MEDIA_MACHINE = "media", "media_machine"
"""The main process of a media node is killed, and its media processes keep its callers; all of
its processes are, as by a power cut."""
KINDS = (
    MEDIA_PROCESS,
    MEDIA_MACHINE,
    "asr",
    "web",
    "worker",
    "postgresql",
    "nats",
    "kamailio",
    ROLLING,
)

ROLES = (DANGER, QUESTION, MATTER, QUESTION)
EVERY_S = 0.4
"""Between two callers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Parameters:
        calls: at once.
        transcribed: of them at the node whose calls have the transcriber too.
        at_s: when the fault comes, seconds after the last call was placed.
        away_s: how long what was killed stays away.
        node: which media node is killed, from 0.
        danger: which dangers are reported, from 0.
        again: until all is whole, others call when somebody has hung up.
    """

    kind: str
    number: int
    seed: int
    calls: int
    transcribed: int
    at_s: float
    away_s: float
    node: int
    danger: int
    again: bool = True

    @property
    def name(self) -> str:
        """Of the run and its folder."""
        return f"{self.kind}-{self.seed}-{self.number}"

    def role(self, caller: int) -> str:
        """What the n-th caller calls for."""
        return ROLES[caller % len(ROLES)]


def plans(
    count: int, seed: int, kinds: Sequence[str], *, calls: int, transcribed: int
) -> list[Plan]:
    """Each kind `count` times; one kind alone draws what it draws among others."""
    return [
        draw(kind, number, seed, calls=calls, transcribed=transcribed)
        for number in range(1, count + 1)
        for kind in kinds
    ]


def draw(kind: str, number: int, seed: int, *, calls: int, transcribed: int) -> Plan:
    dice = Random(f"{seed}:{kind}:{number}")
    return Plan(
        kind,
        number,
        seed,
        calls,
        transcribed,
        at_s=round(dice.uniform(0.0, 14.0), 2),
        away_s=round(dice.uniform(2.0, 10.0), 2),
        node=dice.randrange(2),
        danger=dice.randrange(1000),
    )
