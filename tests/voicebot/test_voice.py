"""The voice detector: one model for all calls, and each call's own memory; smart-turn's queue."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from telephony.codecs import Int16
from voicebot.call.turn_audio import RATE
from voicebot.call.voice import SmartTurn, VoiceDetector


def murmur(seed: int) -> Int16:
    """Two seconds of buzzing that comes and goes, different for each seed."""
    rng = np.random.default_rng(seed)
    times = np.arange(2 * RATE) / RATE
    pitch = rng.uniform(90, 220)
    buzz = sum(np.sin(2 * np.pi * k * pitch * times) / k for k in range(1, 20))
    loud = 6000 * (np.sin(2 * np.pi * rng.uniform(2, 5) * times) > 0)
    return (loud * buzz / 3 + rng.normal(0, 60, times.size)).astype(np.int16)


def probabilities(detector: VoiceDetector, pcm: Int16) -> list[float]:
    return [probability for probability, _ in detector.probabilities(pcm)]


def test_calls_that_are_heard_in_turns_are_heard_as_if_each_were_alone() -> None:
    one, other = murmur(1), murmur(2)
    alone = [probabilities(VoiceDetector(), pcm) for pcm in (one, other)]
    detectors = VoiceDetector(), VoiceDetector()
    together: tuple[list[float], list[float]] = ([], [])
    for begin in range(0, len(one), 320):
        for detector, pcm, heard in zip(detectors, (one, other), together, strict=True):
            heard += probabilities(detector, pcm[begin : begin + 320])
    assert list(together) == alone
    assert alone[0] != alone[1]


def test_a_new_call_begins_without_the_memory_of_the_last() -> None:
    fresh = probabilities(VoiceDetector(), murmur(3))
    VoiceDetector().probabilities(murmur(1))
    assert probabilities(VoiceDetector(), murmur(3)) == fresh


async def test_a_turn_that_nobody_waits_for_any_more_takes_no_time_of_smart_turns_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []
    free = threading.Event()

    def predict(turn: Int16) -> bool:
        looked_at.append(len(turn))
        return True

    with ThreadPoolExecutor(1) as executor:
        smart = SmartTurn(executor)
        monkeypatch.setattr(smart, "_predict", predict)
        executor.submit(free.wait, 10)
        asked = [asyncio.create_task(smart.complete(murmur(1)[:size])) for size in (100, 200)]
        await asyncio.sleep(0)
        asked[0].cancel()
        await asyncio.sleep(0)
        free.set()
        assert await asked[1]
    assert looked_at == [200]
