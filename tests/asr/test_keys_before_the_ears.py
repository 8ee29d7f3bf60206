"""Dialled digits in the audio begin no turn and are heard by neither ear of a call."""

import numpy as np

from flows.events import CallerSpeaking
from tests.asr.synthetic_sounds import EAR_RATE, dialled, on_the_line
from tests.voicebot.test_ears import hearing

FRAME = EAR_RATE // 50


async def test_a_dialled_number_is_no_turn_of_the_caller() -> None:
    digits = on_the_line(
        np.concatenate(
            [np.zeros(4000), dialled("13876543210#", on_s=0.1, off_s=0.1), np.zeros(4000)]
        )
    )
    # The scripted voice detector takes every sound for a voice; a line is never quite silent.
    digits[np.abs(digits) < 100] = 0
    async with hearing() as call:
        for begin in range(0, len(digits), FRAME):
            await call.ears.feed(digits[begin : begin + FRAME])
        assert not call.every(CallerSpeaking)
        assert not call.transcriber.decodes
