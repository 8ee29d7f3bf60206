"""Token buckets: what a client may ask in the long run and at once, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.rate_limiting import Buckets, Rate, Taken


def test_a_burst_is_taken_and_then_one_at_a_time() -> None:
    buckets: Buckets[str] = Buckets(Rate(per_minute=60, burst=3), most=10)
    assert [buckets.take("a", 0.0).wait_s for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert buckets.take("a", 1.0).wait_s == 0.0
    assert buckets.take("a", 1.5).wait_s == 0.5


def test_clients_do_not_share() -> None:
    buckets: Buckets[str] = Buckets(Rate(per_minute=60, burst=1), most=10)
    assert buckets.take("a", 0.0).wait_s == 0.0
    assert buckets.take("b", 0.0).wait_s == 0.0


def test_a_burst_of_refusals_begins_once_until_the_bucket_was_full_again() -> None:
    buckets: Buckets[str] = Buckets(Rate(per_minute=60, burst=2), most=10)
    told = [buckets.take("a", 0.0).begins for _ in range(5)]
    assert told == [False, False, True, False, False]
    buckets.take("a", 1.0)
    assert not buckets.take("a", 1.0).begins
    told = [buckets.take("a", 10.0).begins for _ in range(3)]
    assert told == [False, False, True]


def test_a_token_given_back_can_be_taken_again() -> None:
    buckets: Buckets[str] = Buckets(Rate(per_minute=60, burst=1), most=10)
    for _ in range(5):
        assert buckets.take("a", 0.0) == Taken()
        buckets.give_back("a")
    buckets.give_back("unknown")


def test_the_client_longest_silent_is_forgotten_first() -> None:
    buckets: Buckets[int] = Buckets(Rate(per_minute=60, burst=1), most=2)
    for key in (1, 2, 1, 3):
        buckets.take(key, 0.0)
    assert len(buckets) == 2
    assert buckets.take(1, 0.0).wait_s > 0
    assert buckets.take(2, 0.0).wait_s == 0


@given(
    st.floats(0.1, 1e4),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), max_size=200),
)
def test_no_client_gets_more_than_its_burst_and_its_rate(
    per_minute: float, burst: int, asked: list[tuple[int, float]]
) -> None:
    buckets: Buckets[int] = Buckets(Rate(per_minute, burst), most=4)
    now, taken = 0.0, [0, 0, 0, 0]
    for key, pause in asked:
        now += pause
        found = buckets.take(key, now)
        taken[key] += not found.wait_s
        assert 0 <= found.wait_s <= 60 / per_minute + 1e-6
        assert taken[key] <= burst + now * per_minute / 60 + 1e-6
