"""benchmarks.metrics: measuring costs less than 1 % of a core (issue 10)."""

from benchmarks.metrics import GOAL, measured


def test_measuring_eight_calls_costs_less_than_a_hundredth_of_a_core() -> None:
    found = measured(calls=8)
    assert 0 < found["share_of_a_core"] < GOAL, found
    assert 0 < found["traces_share_of_a_core"] < GOAL, found
