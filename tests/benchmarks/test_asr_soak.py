"""The soak's audit finds what it is looking for."""

import numpy as np
import pytest

from benchmarks.asr_calls import Script, Seen
from benchmarks.asr_soak import Audit, audit, growth
from flows.events import Ear, Heard

SCRIPT = Script(np.zeros(16_000, np.int16), ((1.0, 3.0), (6.0, 8.0)))


def call(*finals: tuple[int, float, float, str]) -> Seen:
    seen = Seen()
    for turn, start, end, text in finals:
        heard = Heard(end, turn, Ear.TRANSCRIBER, text=text, final=True, start=start, end=end)
        seen.take(end + 0.2, heard)
    return seen


def test_every_recording_with_words_of_it_is_there() -> None:
    seen = call((1, 0.7, 2.0, "你"), (2, 1.9, 3.2, "好"), (3, 5.8, 8.1, "再见"))
    assert audit([SCRIPT], [seen]) == Audit(2, 0, 0)


def test_a_recording_without_words_is_lost() -> None:
    assert audit([SCRIPT], [call((1, 0.7, 3.2, "你好"), (2, 5.8, 8.1, ""))]).lost == 1


def test_audio_in_two_finals_and_a_turn_with_two_finals_are_repeats() -> None:
    assert audit([SCRIPT], [call((1, 0.7, 3.2, "你好"), (2, 2.0, 8.1, "好再见"))]).repeated == 1
    assert audit([SCRIPT], [call((1, 0.7, 3.2, "你好"), (1, 6.0, 8.1, "再见"))]).repeated == 1


def test_growth_is_the_slope_of_the_second_half() -> None:
    samples = [(60.0 * n, 500.0 + (40 if n >= 10 else 4 * n) + n) for n in range(40)]
    found = growth(samples)
    assert found["mb_per_hour"] == pytest.approx(60.0, abs=0.1)
    assert found["standard_error"] < 0.1
    assert growth([(0.0, 1.0)]) == {"mb_per_hour": 0.0, "standard_error": 0.0}
