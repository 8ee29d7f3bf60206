"""What an ear process loads; nothing that it does not need is imported here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asr.listener import Listener
from voicebot.call.caller_ear import Senses
from voicebot.call.turn_audio import RATE
from voicebot.call.voice import VoiceDetector
from voicebot.ear_process.process import NewSenses


def open_senses(listener: Path) -> NewSenses:
    """Loads voice detector and listener (a model's folder); returns what makes a caller's senses.

    Raises:
        EngineError: the listener's model cannot be used.
    """
    engine = Listener(listener)

    def new_senses() -> Senses:
        return Senses(VoiceDetector(), engine.stream())

    # The first use of anything loads and allocates: no caller should pay for it.
    noise = np.random.default_rng(0).integers(-3000, 3000, RATE).astype(np.int16)
    new_senses().hear(noise)
    return new_senses
