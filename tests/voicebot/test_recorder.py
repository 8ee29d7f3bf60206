"""The recording keeps both sides on the call's clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from voicebot.call.recorder import CallRecorder

pytestmark = pytest.mark.leaping_time

RATE = 8000


class Clock:
    at = 0.0

    def __call__(self) -> float:
        return self.at


def tone(seconds: float, level: int) -> np.ndarray:
    return np.full(round(seconds * RATE), level, np.int16)


async def written(recorder: CallRecorder, clock: Clock, until: float) -> None:
    """Time passes to `until`, and the recorder is given the occasion to write."""
    clock.at = until
    await asyncio.sleep(0.05)


async def test_both_sides_stand_where_they_were_heard(tmp_path: Path) -> None:
    clock = Clock()
    recorder = CallRecorder(tmp_path / "call.wav", RATE, clock)
    running = asyncio.create_task(recorder.run())
    await written(recorder, clock, 1.0)
    recorder.said(tone(0.5, 100))
    await written(recorder, clock, 1.5)
    await written(recorder, clock, 3.0)
    recorder.sent(tone(0.5, 200))
    await written(recorder, clock, 4.0)
    running.cancel()
    recorder.close()
    pcm, rate = sf.read(tmp_path / "call.wav", dtype="int16", always_2d=True)
    assert (rate, len(pcm)) == (RATE, 4 * RATE)
    left, right = pcm[:, 0], pcm[:, 1]
    assert (left[RATE : RATE * 3 // 2] == 100).all()
    assert np.count_nonzero(left) == RATE // 2
    assert (right[3 * RATE : RATE * 7 // 2] == 200).all()
    assert np.count_nonzero(right) == RATE // 2


async def test_a_burst_does_not_push_the_other_side_out_of_place(tmp_path: Path) -> None:
    clock = Clock()
    recorder = CallRecorder(tmp_path / "call.wav", RATE, clock)
    running = asyncio.create_task(recorder.run())
    recorder.said(tone(60.0, 100))
    await written(recorder, clock, 1.0)
    recorder.sent(tone(0.5, 200))
    await written(recorder, clock, 2.0)
    running.cancel()
    recorder.close()
    pcm, _ = sf.read(tmp_path / "call.wav", dtype="int16", always_2d=True)
    assert len(pcm) == 2 * RATE
    assert np.flatnonzero(pcm[:, 1])[0] == RATE


async def test_a_folder_that_cannot_be_written_costs_the_recording_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recorder = CallRecorder(tmp_path / "file" / "call.wav", RATE, Clock())
    recorder.said(tone(1.0, 100))
    await recorder.run()
    recorder.close()
