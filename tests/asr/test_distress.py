"""Screams, crying and shouting are marked; speech, noise, tones, music and dogs are not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.distress import DistressDetector, Int16, Kind, Mark
from asr.dtmf import KeyMute
from asr.hypothesis import Pcm
from telephony.line_simulation import NOISES, LineCondition, simulate_line
from telephony.resampling import StreamResampler
from tests.asr.distress_sounds import DISTRESS, OTHERS, RATE, Samples
from tests.asr.synthetic_sounds import SOUNDS, on_the_line, sound_of

PACKET = RATE // 50
SEEDS = 8


def over_a_line(sound: Samples, seed: int, level_dbfs: float | None = None) -> Int16:
    """16 kHz → a noisy line of 8 kHz A-law → what the ears get."""
    snr_db = float(np.random.default_rng(seed).uniform(10, 30))
    condition = LineCondition(level_dbfs=level_dbfs, noise=NOISES["pink"], snr_db=snr_db, seed=seed)
    received = simulate_line(sound.astype(np.float32), RATE, condition).pcm
    return KeyMute(RATE).push(StreamResampler(8000, RATE).push(received))


def marks(pcm: Int16, packet: int = PACKET) -> list[Mark]:
    detector = DistressDetector()
    return [
        mark
        for begin in range(0, len(pcm), packet)
        for mark in detector.push(pcm[begin : begin + packet])
    ]


def kinds(pcm: Int16) -> set[Kind]:
    return {mark.kind for mark in marks(pcm)}


def seeded(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *name.encode()])


@pytest.mark.parametrize(
    ("name", "kind"),
    [("scream", Kind.SCREAM), ("wailing", Kind.CRYING), ("sobbing", Kind.CRYING)],
)
def test_most_synthetic_distress_is_marked_and_as_nothing_else(name: str, kind: Kind) -> None:
    found = [kinds(over_a_line(DISTRESS[name](seeded(name, seed)), seed)) for seed in range(SEEDS)]
    assert sum(kind in each for each in found) >= 0.75 * SEEDS
    assert set().union(*found) == {kind}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_dogs_and_sirens_are_not(name: str) -> None:
    for seed in range(SEEDS):
        assert not kinds(over_a_line(OTHERS[name](seeded(name, seed)), seed))


@pytest.mark.parametrize("name", sorted(set(SOUNDS) - {"bowed"}))
def test_what_a_line_carries_that_is_no_speech_is_not(name: str) -> None:
    pcm = KeyMute(RATE).push(np.asarray(on_the_line(sound_of(name, 12, seed=3)), np.int16))
    assert not kinds(pcm)


@pytest.mark.parametrize("level_dbfs", [-32.0, -26.0, -14.0])
def test_ordinary_speech_is_not(utterance: Callable[[str], Pcm], level_dbfs: float) -> None:
    speech = np.tile(utterance("mini_zh/BAC009S0764W0121.wav"), 6).astype(np.float64)
    assert not kinds(over_a_line(speech, 1, level_dbfs))


def test_a_voice_that_gets_much_louder_and_higher_is_loud(
    utterance: Callable[[str], Pcm],
) -> None:
    calm = np.tile(utterance("mini_zh/BAC009S0764W0121.wav"), 12)
    calm = 0.08 * calm / np.abs(calm).max()
    higher = soxr.resample(calm, RATE * 1.4, RATE)
    shouted = 10 * higher[: 8 * RATE]
    assert kinds(over_a_line(np.concatenate([calm, shouted]).astype(np.float64), 2)) == {Kind.LOUD}
    assert not kinds(over_a_line(np.concatenate([calm, 10 * calm]).astype(np.float64), 2))
    assert not kinds(over_a_line(np.concatenate([calm, higher]).astype(np.float64), 2))


def test_a_mark_says_when_and_how_sure() -> None:
    sound = np.concatenate([np.zeros(5 * RATE), DISTRESS["scream"](seeded("scream", 8))])
    (mark, *_) = marks(over_a_line(sound, 0))
    assert 5.0 <= mark.start <= mark.end <= len(sound) / RATE
    assert 0.5 <= mark.confidence <= 1.0


def test_a_scream_that_goes_on_is_told_every_ten_seconds() -> None:
    once = DISTRESS["scream"](seeded("scream", 8))
    told = marks(over_a_line(np.tile(once, round(25 * RATE / len(once))), 0))
    assert len(told) in (2, 3)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3 * RATE))
def test_the_size_of_the_packets_changes_nothing(packet: int) -> None:
    assert marks(WAIL, packet) == marks(WAIL)


WAIL = over_a_line(DISTRESS["wailing"](seeded("wailing", 0)), 0)


@given(st.lists(st.integers(-32768, 32767), max_size=400), st.integers(1, 50))
def test_whatever_samples_break_nothing(samples: list[int], times: int) -> None:
    for mark in marks(np.tile(np.asarray(samples, np.int16), times)):
        assert 0.5 <= mark.confidence <= 1.0


def test_it_keeps_less_than_a_megabyte_of_a_call() -> None:
    detector = DistressDetector()
    detector.push(WAIL)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    detectors = [DistressDetector() for _ in range(10)]
    for each in detectors:
        each.push(WAIL)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / 10 < 100_000
