"""How late the event loop runs what is due: the figure behind choppy audio.

A task sleeps for 20 ms, the length of a frame, and measures how much later it woke up.
Percentiles are of the last minute (aplisay/llm-agent and dograh measure it alike).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

EVERY_S = 0.02
KEPT = round(60 / EVERY_S)


@dataclass(frozen=True, slots=True)
class Lag:
    """Milliseconds, of the last minute."""

    p50: float
    p99: float
    max: float


class LoopLag:
    """Measures the loop that `run` runs in."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=KEPT)

    async def run(self) -> None:
        """Measures until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._late.append(max(0.0, clock() - due))

    @property
    def figures(self) -> Lag:
        """Zeros before the first measurement."""
        late = sorted(self._late)
        return Lag(_ms(late, 0.5), _ms(late, 0.99), _ms(late, 1.0))


def _ms(late: list[float], share: float) -> float:
    return round(1000 * late[min(len(late) - 1, int(share * len(late)))], 1) if late else 0.0
