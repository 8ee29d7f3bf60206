"""The simulated day: nobody is lost from the books, the law is kept, the bot helps."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voicebot.simulated_days import bot, scenario, simulated
from voicebot.simulation.draws import Day, arrival_times, endless, minute_rates, sampler
from voicebot.simulation.result import side
from voicebot.simulation.runs import simulate
from voicebot.simulation.scenario import ArrivalRates, Scenario, Spread
from voicebot.simulation.scenario_file import find, read
from voicebot.simulation.staffing import needs
from voicebot.simulation.tally import Tally

rushed: dict[str, Any] = {
    "arrivals": {"calls_per_day": 8000, "half_hours": [1] * 48},
    "seats": [
        {"region": "460100", "staffed": {"00:00": 4, "12:00": 2}},
        {"region": "460200", "local": False, "staffed": {"06:00": 3}},
    ],
    "callers": {
        "patience": {"mean_s": 90},
        "redial": {"share": 0.5},
        "danger": 0.1,
        "number_known": 0.9,
    },
    "bot": bot(room=12, hears_danger=0.9),
    "lines": 20,
    "police": {"seats": 2},
    "policy": {},
}


def days() -> st.SearchStrategy[Scenario]:
    """Small days of every kind: overloaded, empty, without lines, with redials."""
    small = st.integers(0, 12)
    return st.builds(
        lambda **parts: scenario(**{**rushed, **parts}),
        arrivals=st.builds(
            lambda calls, cv: {"calls_per_day": calls, "half_hours": [1] * 48, "day_cv": cv},
            st.integers(1, 3000),
            st.sampled_from([0.0, 0.3]),
        ),
        bot=st.builds(lambda room, share: bot(room=room, contained=share), small, st.floats(0, 1)),
        lines=small,
        trunks=st.integers(1, 60),
        police=st.builds(lambda seats: {"seats": seats}, st.integers(1, 5)),
        service=st.sampled_from(
            [
                {"mean_s": 200},
                {"kind": "lognormal", "mean_s": 200, "cv": 1},
                {"kind": "fixed", "mean_s": 90},
            ]
        ),
    )


def test_arrivals_follow_the_profile() -> None:
    rates = ArrivalRates.model_validate(
        {
            "calls_per_day": 100_000,
            "half_hours": [1] * 24 + [3] * 24,
            "rushes": [{"begins": "06:00", "ends": "07:00", "factor": 5}],
        }
    )
    expected = minute_rates(rates).reshape(48, 30).sum(axis=1)
    times = arrival_times(rates, np.random.default_rng(1))
    seen = np.histogram(times, bins=48, range=(0, 86_400))[0]
    assert expected[24] == pytest.approx(3 * expected[0])
    assert expected[12] == pytest.approx(5 * expected[0])
    assert np.all(np.abs(seen - expected) < 5 * np.sqrt(expected))
    assert np.all(np.diff(times) >= 0)


def test_bursts_and_heavier_days_spread_the_volume_more_than_chance() -> None:
    def volumes(**how: Any) -> np.ndarray[Any, Any]:
        rates = ArrivalRates.model_validate({"calls_per_day": 2000, "half_hours": [1] * 48, **how})
        return np.array([arrival_times(rates, np.random.default_rng(n)).size for n in range(200)])

    plain = volumes()
    assert plain.var() == pytest.approx(plain.mean(), rel=0.3)
    assert volumes(day_cv=0.2).std() == pytest.approx(400, rel=0.2)
    bursts = volumes(bursts={"per_day": 4, "minutes": 30, "factor": 3})
    assert bursts.mean() == pytest.approx(2000 * (1 + 4 * 30 / 1440 * 2), rel=0.03)


@pytest.mark.parametrize(
    "spread",
    [
        Spread(mean_s=50),
        Spread(kind="lognormal", mean_s=50, cv=0.7),
        Spread(kind="gamma", mean_s=50, cv=0.7),
        Spread(kind="fixed", mean_s=50),
    ],
)
def test_times_are_spread_as_the_scenario_says(spread: Spread) -> None:
    times = sampler(spread, np.random.default_rng(1))(200_000)
    deviation = {"exponential": 1.0, "fixed": 0.0}.get(spread.kind, spread.cv)
    assert times.mean() == pytest.approx(50, rel=0.01)
    assert times.std() / 50 == pytest.approx(deviation, rel=0.03)
    assert len(list(zip(range(10_000), endless(lambda n: times[:n]), strict=False))) == 10_000


@settings(max_examples=40, deadline=None)
@given(days())
def test_every_call_is_in_the_books_once(what: Scenario) -> None:
    seen = simulated(what)
    for n in range(48):
        answered = seen.seats[n] + seen.remote[n] + seen.bot[n]
        assert seen.offered[n] == (answered + seen.abandoned[n] + seen.call_backs[n] + seen.busy[n])
        ended = seen.contained[n] + seen.police[n] + seen.tickets[n] + seen.handed_over[n]
        assert seen.bot[n] == ended + seen.given_up_after_bot[n] or what.lines == 0
    assert sum(seen.waits) == sum(seen.seats) + sum(seen.remote) + sum(seen.bot)
    assert seen.callers <= sum(seen.offered)


@settings(max_examples=40, deadline=None)
@given(days())
def test_an_ordinary_call_never_takes_the_lines_kept_for_hand_offs(what: Scenario) -> None:
    calm = what.model_copy(update={"callers": what.callers.model_copy(update={"danger": 0.0})})
    seen = simulated(calm)
    assert max(seen.lines_most) <= max(0, calm.lines - calm.policy.reserve)
    assert max(seen.bot_most) <= calm.bot.room
    assert max(seen.trunks_most) <= calm.trunks + sum(seen.call_backs)


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    what = scenario(**rushed)
    assert simulated(what, seed=3) == simulated(what, seed=3)
    assert simulated(what, seed=3) != simulated(what, seed=4)


def test_the_number_of_processes_changes_no_figure() -> None:
    what = scenario(**rushed)
    assert simulate("x", what, 3, 5, processes=1) == simulate("x", what, 3, 5, processes=2)


def test_with_and_without_the_bot_the_same_callers_call() -> None:
    what = scenario(**rushed)
    seed = np.random.SeedSequence(1)
    assert Day(what, seed).times == Day(what.without_bot(), seed).times
    assert simulated(what).in_danger == simulated(what.without_bot()).in_danger


def test_without_the_bot_nobody_speaks_with_it_and_nobody_notes_call_backs() -> None:
    seen = simulated(scenario(**rushed).without_bot())
    assert sum(seen.bot) == sum(seen.call_backs) == sum(seen.tickets) == 0


def test_in_a_rush_the_bot_answers_at_once_and_reaches_those_in_danger() -> None:
    what = scenario(**{**rushed, "bot": bot(room=200), "lines": 100, "police": {"seats": 20}})
    without, with_bot = (side([simulated(each)]).totals for each in (what.without_bot(), what))
    assert with_bot.answered_15_s > 0.99 > without.answered_15_s
    assert with_bot.abandoned < 0.01 < without.abandoned
    assert with_bot.in_danger_unreached < without.in_danger_unreached / 20


def test_callers_in_danger_wait_for_110_and_are_all_handed_over() -> None:
    few = simulated(scenario(**{**rushed, "bot": bot(room=200), "police": {"seats": 1}}))
    assert sum(few.police) == sum(few.police_waits)
    assert sum(few.police_waits[1:]) > 0


def test_promised_call_backs_are_made_once_seats_are_free() -> None:
    what = scenario(
        **{
            **rushed,
            "arrivals": {
                "calls_per_day": 1000,
                "half_hours": [1] * 48,
                "rushes": [{"begins": "08:00", "ends": "09:00", "factor": 30}],
            },
            "bot": bot(room=0),
            "policy": {"enter_wait_s": 20, "call_back_wait_s": 60},
        }
    )
    seen = simulated(what)
    assert sum(seen.call_backs) == seen.called_back > 0
    assert seen.call_back_delay_s > 0


def test_who_finds_all_lines_busy_tries_again() -> None:
    what = scenario(**{**rushed, "trunks": 3, "callers": {
        "patience": {"mean_s": 60}, "redial": {"share": 1.0, "most": 2},
    }})  # fmt: skip
    seen = simulated(what)
    assert sum(seen.busy) > 0
    assert seen.callers < sum(seen.offered) <= 3 * seen.callers


def test_days_add_up() -> None:
    what = scenario(**rushed)
    first, second = simulated(what, seed=1), simulated(what, seed=2)
    both = Tally(days=0)
    both.add(first)
    both.add(second)
    assert both.days == 2
    assert sum(both.offered) == sum(first.offered) + sum(second.offered)
    assert max(both.queue_most) == max(max(first.queue_most), max(second.queue_most))


def test_a_published_day_without_the_bot_is_connected_as_it_was_published() -> None:
    """Haikou, first half of 2018: 94.09 %. The scenario's seats are such that it is so."""
    connected = side(
        [simulated(read(find("haikou-1x")).without_bot(), seed=n) for n in range(30)]
    ).totals.connected
    assert connected == pytest.approx(0.9409, abs=0.012)


def test_an_ordinary_day_is_in_surge_a_few_times_and_not_at_each_crowded_moment() -> None:
    """Moments in which all seats are busy are the bot's all the same."""
    ordinary = side([simulated(read(find("haikou-1x")), days=8)]).totals
    assert 1 < ordinary.surges < 9
    assert ordinary.answered_15_s > 0.99
    assert ordinary.by_bot < 0.09


def test_a_day_of_three_times_the_calls_is_one_surge_but_for_the_night() -> None:
    crowded = side([simulated(read(find("haikou-3x")), days=2)]).totals
    assert crowded.surges < 10
    assert crowded.connected > 0.999
    assert crowded.by_bot > 0.9


def test_the_bot_halves_the_seats_that_a_half_hour_needs() -> None:
    table = needs(read(find("haikou-3x")))
    assert len(table) == 48
    for need in table:
        assert need.usual <= need.strict
        assert need.strict_bot <= need.strict
    busiest = max(table, key=lambda need: need.calls)
    assert busiest.strict_bot == pytest.approx(busiest.strict / 2, rel=0.1)


def test_seats_by_the_table_give_what_it_promises_where_calls_are_steady() -> None:
    what = scenario(
        arrivals={"calls_per_day": 6000, "half_hours": [1] * 48},
        callers={"patience": {"mean_s": 120}},
        service={"mean_s": 180},
        bot=bot(room=200),
        policy={},
    )
    staffing = simulate("x", what, 6, 1, processes=1).staffing
    assert staffing.reached == pytest.approx(0.955, abs=0.015)
    assert staffing.reached_bot > 0.9
    assert staffing.answered_bot > 0.99
    assert staffing.seat_hours_bot < 0.65 * staffing.seat_hours
