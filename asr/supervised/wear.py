"""When an engine's process has done its work and gives way to a fresh one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Worn = Literal["decodes", "age", "memory"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one process."""

    deadline_s: float = 10.0
    """For an answer, beside as long as the audio it is asked about: a second look of Whisper with
    its long window takes 3 s of an idle core. What takes longer hangs, and is killed."""
    load_s: float = 120.0
    """For its model."""
    decodes: int = 200_000
    """A day of two busy calls."""
    hours: float = 24.0
    growth_bytes: int = 512 << 20
    """Resident memory beyond that of the loaded model, whose size is the operator's choice. Whisper
    grows by 40 MB at its first decode and then no more."""


@dataclass(frozen=True, slots=True)
class Wear:
    """Of one process, since its model was loaded."""

    decodes: int
    seconds: float
    grown_bytes: int


def worn(wear: Wear, limits: Limits) -> Worn | None:
    """Which limit it has reached, or None."""
    if wear.decodes >= limits.decodes:
        return "decodes"
    if wear.seconds >= limits.hours * 3600:
        return "age"
    if wear.grown_bytes >= limits.growth_bytes:
        return "memory"
    return None
