"""A topic is alarmed against its own past, and seldom in vain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.figures.rising import (
    FALSE_ALARMS_A_DAY,
    LEAST_COUNT,
    LEAST_DAYS,
    NEW_COUNT,
    alarm,
    chance,
    new_topic,
)

SERIES = 200


@pytest.mark.parametrize("days", [16, 40])
@pytest.mark.parametrize(("mean", "dispersion"), [(1, 1), (5, 1), (20, 1), (5, 2), (20, 3)])
def test_false_alarms_of_all_series_together_stay_about_one_in_twenty_days(
    days: int, mean: int, dispersion: int
) -> None:
    random = np.random.default_rng(7)
    looks = 4000  # 20 days of 200 series
    if dispersion == 1:
        counts = random.poisson(mean, (looks, days + 1))
    else:
        counts = random.negative_binomial(
            mean / (dispersion - 1), 1 / dispersion, (looks, days + 1)
        )
    false = sum(
        alarm(int(row[-1]), [int(each) for each in row[:-1]], SERIES) is not None for row in counts
    )
    # Expected 1; more than 4 of a Poisson variable of mean 1 comes in one of 270 tries.
    assert false <= 4 * FALSE_ALARMS_A_DAY * looks / SERIES


def test_a_burst_pipe_of_forty_calls_is_alarmed_beside_three_a_day() -> None:
    past = [3, 2, 4, 3, 5, 1, 3, 2, 4, 3, 2, 3, 4, 3, 2, 3]
    found = alarm(40, past, SERIES)
    assert found is not None
    assert found.count == 40
    assert found.expected == pytest.approx(47.5 / 16)
    assert found.chance < 1e-9
    assert alarm(5, past, SERIES) is None


def test_a_topic_of_restless_days_needs_more() -> None:
    calm, restless = [10] * 20, [0, 20] * 10
    assert chance(30, restless) > 100 * chance(30, calm)


def test_few_calls_are_never_alarmed_however_rare() -> None:
    assert alarm(LEAST_COUNT - 1, [0] * 40, 1) is None
    assert alarm(LEAST_COUNT, [0] * 40, 1) is not None


def test_a_short_past_is_none() -> None:
    assert alarm(1000, [0] * (LEAST_DAYS - 1), 1) is None


def test_a_new_topic_needs_many_at_once_and_is_not_alarmed_each_day() -> None:
    assert new_topic(NEW_COUNT - 1, []) is None
    first = new_topic(NEW_COUNT, [])
    assert first is not None
    assert first.new
    assert new_topic(NEW_COUNT + 2, [NEW_COUNT]) is None
    assert new_topic(2 * NEW_COUNT + 1, [NEW_COUNT]) is not None


COUNTS = st.lists(st.integers(0, 500), min_size=LEAST_DAYS, max_size=56)


@given(count=st.integers(0, 5000), past=COUNTS)
def test_more_calls_are_never_less_alarming(count: int, past: list[int]) -> None:
    assert 0.0 <= chance(count + 1, past) <= chance(count, past) <= 1.0
    if alarm(count, past, SERIES) is not None:
        assert alarm(count + 1, past, SERIES) is not None


@given(count=st.integers(0, 5000), past=COUNTS)
def test_the_more_series_the_fewer_alarms(count: int, past: list[int]) -> None:
    if alarm(count, past, 1000) is not None:
        assert alarm(count, past, 1) is not None
