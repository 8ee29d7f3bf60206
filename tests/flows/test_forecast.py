"""How many calls are expected: by weekday and hour, on holidays, in a typhoon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.forecast import Profile, Situation, expected_per_min, learn

FLAT = Profile(((60.0,) * 24,) * 7)


def day(**hours: float) -> tuple[float, ...]:
    return tuple(hours.get(f"h{hour}", 0.0) for hour in range(24))


def test_an_hour_of_sixty_calls_is_one_a_minute() -> None:
    assert expected_per_min(FLAT, 2, 9.5) == pytest.approx(1.0)


def test_between_two_hours_the_way_is_straight() -> None:
    profile = Profile((day(h8=60, h9=120), *(day(),) * 6))
    assert expected_per_min(profile, 0, 8.5) == pytest.approx(1.0)
    assert expected_per_min(profile, 0, 9.0) == pytest.approx(1.5)
    assert expected_per_min(profile, 0, 9.5) == pytest.approx(2.0)


def test_midnight_belongs_to_two_days() -> None:
    profile = Profile((day(h23=60), day(h0=120), *(day(),) * 5))
    assert expected_per_min(profile, 1, 0.0) == pytest.approx(1.5)
    assert expected_per_min(profile, 0, 24.0) == pytest.approx(1.5)


def test_a_holiday_is_a_sunday() -> None:
    profile = Profile((*((60.0,) * 24,) * 6, (30.0,) * 24))
    assert expected_per_min(profile, 2, 12, Situation.HOLIDAY) == pytest.approx(0.5)


def test_a_typhoon_multiplies_what_the_hour_has() -> None:
    profile = Profile(FLAT.per_hour, {Situation.TYPHOON: 4.0})
    assert expected_per_min(profile, 2, 12, Situation.TYPHOON) == pytest.approx(4.0)


def test_a_weekday_is_learnt_from_its_own_days_and_a_little_from_all() -> None:
    counts = {(0, 9): 800, **{(weekday, 9): 80 for weekday in range(1, 7)}}
    profile = learn(counts, [8] * 7)
    assert 80 < profile.per_hour[0][9] < 100
    assert 10 < profile.per_hour[1][9] < 20


def test_without_a_past_nothing_is_expected() -> None:
    assert expected_per_min(learn({}, [0] * 7), 0, 12) == 0


def test_a_week_has_seven_days_of_24_hours() -> None:
    with pytest.raises(ValueError, match="seven days"):
        Profile(((1.0,) * 23,) * 7)


@given(
    st.lists(st.lists(st.floats(0, 1000), min_size=24, max_size=24), min_size=7, max_size=7),
    st.integers(0, 6),
    st.floats(0, 24),
)
def test_what_is_expected_lies_between_the_hours_about_it(
    week: list[list[float]], weekday: int, hour: float
) -> None:
    profile = Profile(tuple(map(tuple, week)))
    flat = [calls for each in week for calls in each]
    middle = weekday * 24 + hour - 0.5
    about = [flat[int(middle // 1 + step) % 168] / 60 for step in (0, 1)]
    found = expected_per_min(profile, weekday, hour)
    assert min(about) - 1e-9 <= found <= max(about) + 1e-9
