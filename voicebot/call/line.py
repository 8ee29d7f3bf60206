"""The caller's line as a call session sees it: what every telephone endpoint can do."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Int16 = NDArray[np.int16]

FRAME_S = 0.02


class Line(Protocol):
    """One answered call's audio, both ways, at `rate` Hz, mono."""

    rate: int

    async def send_audio(self, pcm: Int16) -> None:
        """Play up to 20 ms to the caller; paced by the session."""

    async def send_mark(self, name: str) -> None:
        """Tag this point of the audio; the far side reports when it was heard."""

    async def clear(self) -> None:
        """Drop what the far side has buffered and not yet played (barge-in)."""

    async def hang_up(self) -> None:
        """End the call."""
