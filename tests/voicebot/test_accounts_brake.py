"""How long wrong passwords make one wait."""

import math

from hypothesis import given
from hypothesis import strategies as st

from voicebot.accounts.brake import (
    ADDRESS,
    MOST_WAIT_S,
    NAME,
    Level,
    Rule,
    charged,
    lowered,
    wait_s,
)

NOW = 1_790_000_000.0
DAY_S = 86400.0
rules = st.sampled_from([NAME, ADDRESS])


def wrong(rule: Rule, times: int) -> Level:
    """After so many wrong passwords, each as soon as it was looked at."""
    level, now = Level(), NOW
    for _ in range(times):
        now += wait_s(level, now, rule)
        level = charged(level, now, rule)
    return level


@given(rules)
def test_the_first_ones_cost_nothing(rule: Rule) -> None:
    level = Level()
    for _ in range(rule.free):
        assert wait_s(level, NOW, rule) == 0
        level = charged(level, NOW, rule)
    assert wait_s(level, NOW, rule) > 0


@given(st.integers(0, 60))
def test_each_costs_a_name_more_than_the_one_before_up_to_a_quarter_of_an_hour(times: int) -> None:
    before, after = wrong(NAME, times), wrong(NAME, times + 1)
    assert wait_s(before, before.at, NAME) <= wait_s(after, after.at, NAME) <= MOST_WAIT_S


@given(rules)
def test_in_the_long_run_only_as_many_are_looked_at_as_are_forgiven(rule: Rule) -> None:
    level, now, tries = Level(), NOW, 0
    while now < NOW + DAY_S:
        level, tries = charged(level, now, rule), tries + 1
        now += wait_s(level, now, rule)
    assert tries <= DAY_S / rule.forgiven_s + rule.free + math.log2(MOST_WAIT_S)


@given(rules, st.integers(0, 60), st.floats(0, DAY_S))
def test_time_only_shortens_the_wait_and_lowers_the_level(
    rule: Rule, times: int, later: float
) -> None:
    level = wrong(rule, times)
    assert wait_s(level, level.at + later, rule) <= wait_s(level, level.at, rule)
    assert 0 <= lowered(level, level.at + later, rule) <= level.value


@given(rules, st.integers(0, 60), st.floats(0, DAY_S))
def test_a_clock_that_goes_back_forgives_nothing(rule: Rule, times: int, back: float) -> None:
    level = wrong(rule, times)
    assert lowered(level, level.at - back, rule) == level.value


def test_after_a_day_all_is_forgiven() -> None:
    assert lowered(wrong(NAME, 60), wrong(NAME, 60).at + DAY_S, NAME) == 0
