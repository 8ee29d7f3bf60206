"""Which decode is next, whatever is asked for in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.decode_queue import DecodeQueue, Request
from asr.urgency import Urgency

FINAL, SENTINEL, PARTIAL, SPARE = Urgency

asked = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(Urgency), st.integers(0, 4)),
    max_size=60,
)
"""(owner, urgency, how many are taken afterwards)"""


def queue_of(*requests: tuple[str, Urgency], most: int = 99) -> DecodeQueue[str]:
    queue: DecodeQueue[str] = DecodeQueue(most)
    for at, (owner, urgency) in enumerate(requests):
        queue.put(Request(owner, urgency, at, f"{owner}{at}"))
    return queue


def order(queue: DecodeQueue[str]) -> list[str]:
    taken = []
    while (request := queue.take()) is not None:
        taken.append(request.work)
    return taken


def test_the_longest_waiting_of_the_most_urgent_goes_first() -> None:
    queue = queue_of(("a", PARTIAL), ("b", FINAL), ("c", SENTINEL), ("d", FINAL), ("e", PARTIAL))
    assert order(queue) == ["b1", "d3", "c2", "a0", "e4"]


def test_whoever_asks_again_keeps_the_place_and_is_heard_with_the_newest_audio() -> None:
    assert order(queue_of(("a", PARTIAL), ("b", PARTIAL), ("a", PARTIAL))) == ["a2", "b1"]


def test_a_partial_that_replaces_a_sentinel_is_as_urgent() -> None:
    assert order(queue_of(("a", PARTIAL), ("b", SENTINEL), ("b", PARTIAL))) == ["b2", "a0"]


def test_a_final_does_not_take_over_the_place_of_its_partial_among_finals() -> None:
    assert order(queue_of(("a", PARTIAL), ("b", FINAL), ("a", FINAL))) == ["b1", "a2"]


def test_no_partial_replaces_a_final() -> None:
    queue = queue_of(("a", FINAL))
    partial = Request("a", SENTINEL, 1.0, "late")
    assert queue.put(partial) == [partial]
    assert order(queue) == ["a0"]


def test_one_who_talks_of_danger_without_end_takes_turns_with_the_others() -> None:
    queue = queue_of(*((owner, PARTIAL) for owner in "bcd"))
    taken = []
    for at in range(6):
        queue.put(Request("a", SENTINEL, float(at), "a"))
        request = queue.take()
        assert request is not None
        taken.append(request.owner)
    assert taken == ["a", "b", "a", "c", "a", "d"]


def test_another_call_in_danger_goes_before_the_second_sentinel_of_the_first() -> None:
    queue = queue_of(("a", SENTINEL), ("b", PARTIAL))
    queue.take()
    queue.put(Request("a", SENTINEL, 2.0, "a"))
    queue.put(Request("c", SENTINEL, 3.0, "c"))
    assert [each[0] for each in order(queue)] == ["c", "a", "b"]


def test_the_stalest_partial_falls_out_before_any_sentinel_and_never_a_final() -> None:
    queue = queue_of(("a", SENTINEL), ("b", PARTIAL), ("c", PARTIAL), ("d", FINAL), most=3)
    (gone,) = queue.put(Request("e", SENTINEL, 9.0, "e9"))
    assert gone.owner == "b"
    (gone,) = queue.put(Request("f", SENTINEL, 10.0, "f10"))
    assert gone.owner == "c"
    (gone,) = queue.put(Request("g", SENTINEL, 11.0, "g11"))
    assert gone.owner == "a"
    assert queue.put(Request("h", FINAL, 12.0, "h12")) == []
    assert queue.dropped == 3


def test_a_spare_partial_goes_last_and_falls_out_first() -> None:
    queue = queue_of(("agent", SPARE), ("a", PARTIAL), ("b", PARTIAL), most=3)
    (gone,) = queue.put(Request("c", PARTIAL, 9.0, "c9"))
    assert gone.owner == "agent"
    queue = queue_of(("agent", SPARE), ("a", PARTIAL), ("b", SENTINEL))
    assert order(queue) == ["b2", "a1", "agent0"]


def test_what_an_owner_waits_for_is_not_taken_while_his_last_is_at_work() -> None:
    queue = queue_of(("a", FINAL), ("b", PARTIAL))
    request = queue.take(busy={id("a")})
    assert request is not None
    assert request.owner == "b"
    assert queue.take(busy={id("a")}) is None
    assert order(queue) == ["a0"]


@given(asked, st.integers(1, 4))
def test_every_request_is_taken_or_given_back_once_and_each_owner_waits_once(
    steps: list[tuple[str, Urgency, int]], most: int
) -> None:
    queue: DecodeQueue[int] = DecodeQueue(most)
    outcomes: dict[int, str] = {}
    waiting: dict[str, Urgency] = {}

    def settle(request: Request[int], outcome: str) -> None:
        assert request.work not in outcomes
        outcomes[request.work] = outcome

    for number, (owner, urgency, takes) in enumerate(steps):
        for gone in queue.put(Request(owner, urgency, float(number), number)):
            settle(gone, "gone")
            if gone.urgency is FINAL:
                assert steps[number] == (owner, FINAL, takes)  # only a final replaces one
                assert gone.owner == owner
        counts = queue.waiting
        assert counts[SENTINEL] + counts[PARTIAL] + counts[SPARE] <= most
        for _ in range(takes):
            if (request := queue.take()) is not None:
                settle(request, "taken")
                assert request.urgency is FINAL or not counts[FINAL]
                counts = queue.waiting
    while (request := queue.take()) is not None:
        assert str(request.owner) not in waiting
        waiting[str(request.owner)] = request.urgency
        settle(request, "taken")
    assert sorted(outcomes) == list(range(len(steps)))


@given(st.integers(2, 8), st.integers(1, 40))
def test_calls_that_ask_again_as_soon_as_they_are_served_are_served_alike(
    calls: int, rounds: int
) -> None:
    queue: DecodeQueue[int] = DecodeQueue()
    served = [0] * calls
    for owner in range(calls):
        queue.put(Request(owner, PARTIAL, 0.0, owner))
    for at in range(rounds):
        request = queue.take()
        assert request is not None
        served[request.work] += 1
        queue.put(Request(request.owner, PARTIAL, float(at), request.work))
    assert max(served) - min(served) <= 1


def test_a_final_of_a_turn_that_may_go_on_waits_for_those_that_are_over_and_for_danger() -> None:
    queue = queue_of(("a", PARTIAL), ("c", FINAL))
    queue.put(Request("b", FINAL, 0.0, "b", ahead=True))
    queue.put(Request("d", SENTINEL, 9.0, "d"))
    queue.put(Request("e", FINAL, 9.0, "e"))
    assert order(queue) == ["c1", "e", "d", "b", "a0"]


def test_a_final_ahead_of_its_time_is_due_once_the_turn_is_over() -> None:
    queue = queue_of()
    queue.put(Request("a", FINAL, 0.0, "a", ahead=True))
    queue.put(Request("b", FINAL, 1.0, "b"))
    assert queue.hasten("a")
    assert order(queue) == ["a", "b"]
