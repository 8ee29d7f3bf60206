"""Arrivals of a line: each call once, whichever nodes it was offered to and told by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.surge import COUNTED_S
from telephony.call_control import CallInfo
from voicebot.admission import offer_key
from voicebot.surge import arrivals as counted
from voicebot.surge.arrivals import SHORTEST_S, Arrivals

LINE = "12345"
_KEYS = st.sampled_from("abcdef")
_STEPS = st.lists(st.tuples(st.floats(0, 200), _KEYS, st.integers(1, 4)), max_size=60)


@given(steps=_STEPS)
def test_the_rate_is_of_the_calls_of_the_last_five_minutes_each_counted_once(
    steps: list[tuple[float, str, int]],
) -> None:
    arrivals, at = Arrivals(0.0), 0.0
    noted: list[tuple[float, str, int]] = []
    for passed, key, stands_for in steps:
        at += passed
        known = any(key == each and then >= at - COUNTED_S for then, each, _ in noted)
        assert arrivals.note(LINE, at, key, stands_for) is not known
        if not known:
            noted.append((at, key, stands_for))
        calls = sum(each for then, _, each in noted if then >= at - COUNTED_S)
        over = min(COUNTED_S, max(SHORTEST_S, at))
        assert arrivals.per_min(LINE, at) == pytest.approx(60.0 * calls / over)
    assert arrivals.per_min(LINE, at + 2 * COUNTED_S) == 0.0


@given(
    offered=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), max_size=40),
    order=st.randoms(use_true_random=False),
)
def test_nodes_agree_in_whatever_order_they_hear_of_each_other(
    offered: list[tuple[int, int]], order: object
) -> None:
    nodes = [Arrivals(0.0) for _ in range(3)]
    tell = [
        (node, f"call-{call}")
        for node, call in offered
        if nodes[node].note(LINE, 100.0, f"call-{call}")
    ]
    for other, arrivals in enumerate(nodes):
        heard = [key for node, key in tell if node != other]
        order.shuffle(heard)  # type: ignore[attr-defined]
        for key in heard:
            arrivals.note(LINE, 100.1, key)
    calls = len({call for _, call in offered})
    assert {each.per_min(LINE, 101.0) for each in nodes} == {60.0 * calls / 101.0}


def test_a_flood_is_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "MOST_COUNTED", 100)
    arrivals = Arrivals(0.0)
    for number in range(1000):
        arrivals.note(LINE, 300.0, str(number))
    assert arrivals.per_min(LINE, 300.0) == 60.0 * 100 / 300.0
    assert len(arrivals._lines[LINE].keys) == 100


@given(signalled=st.text(max_size=40), call_id=st.text(min_size=1, max_size=40))
def test_a_call_has_one_key_at_each_node_that_its_switch_tries_and_shows_nothing_of_it(
    signalled: str, call_id: str
) -> None:
    at_one = offer_key(CallInfo(call_id, "13800138000", LINE, signalled=signalled))
    at_next = offer_key(CallInfo(call_id + "-2", "", LINE, signalled=signalled))
    assert (at_one == at_next) is bool(signalled)
    assert len(at_one) == 24
    assert set(at_one) <= set("0123456789abcdef")
