"""What a process knows of the nodes, by what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.nodes.messages import Status
from asr.nodes.node import takes
from asr.nodes.roster import FRESH_S, MOST_NODES, Roster
from asr.urgency import Urgency


def node(
    name: str,
    *,
    workers: int = 2,
    at_work: int = 0,
    waiting: int = 0,
    utilisation: float = 0.0,
    leaving: bool = False,
) -> Status:
    return Status(name, "whisper", "base", workers, waiting, at_work, utilisation, leaving)


def told(*nodes: Status, at: float = 0.0) -> Roster:
    roster = Roster()
    for each in nodes:
        roster.told(each, at)
    return roster


def test_workers_are_those_of_all_nodes_that_were_heard_of_lately() -> None:
    roster = told(node("a", workers=2), node("b", workers=3))
    assert roster.workers(FRESH_S - 0.1) == 5
    roster.told(node("a", workers=2), FRESH_S)
    assert roster.workers(FRESH_S) == 2
    assert told().workers(0.0) == 0


def test_a_node_that_leaves_or_is_gone_is_not_asked() -> None:
    roster = told(node("a"), node("b"))
    roster.told(node("a", leaving=True), 0.1)
    assert [each.node for each in roster.nodes(0.1)] == ["b"]
    roster.gone("b")
    assert roster.another((), 0.1) is None
    roster.told(node("b"), 0.2)
    assert roster.another((), 0.2) == "b"


def test_another_node_is_the_one_with_the_most_room() -> None:
    roster = told(node("a", at_work=2, waiting=1), node("b", at_work=1), node("c", at_work=2))
    assert roster.another((), 0.0) == "b"
    assert roster.another({"b"}, 0.0) == "c"
    assert roster.another({"a", "b", "c"}, 0.0) is None


def test_what_others_ask_of_the_nodes_is_none_of_our_share() -> None:
    roster = told(node("a", workers=4, utilisation=0.5))
    assert roster.share(0.0) == pytest.approx(2.0)
    for _ in range(15):  # a second of decoding each second, for as long as is averaged
        roster.decoded(1.0, 0.0)
    assert roster.share(0.0) == pytest.approx(3.0)


@given(
    st.lists(
        st.builds(
            node,
            st.sampled_from("abcd"),
            workers=st.integers(1, 8),
            at_work=st.integers(0, 9),
            utilisation=st.floats(0, 1),
            leaving=st.booleans(),
        )
    ),
    st.floats(0, 100),
)
def test_the_share_is_never_more_than_there_is(statuses: list[Status], ours: float) -> None:
    roster = told(*statuses)
    roster.decoded(ours, 0.0)
    assert 0 <= roster.share(0.0) <= roster.workers(0.0)


def test_names_without_end_are_not_kept() -> None:
    roster = told(*(node(f"n{number}") for number in range(2 * MOST_NODES)))
    assert len(roster.nodes(0.0)) == MOST_NODES
    roster.told(node("later"), FRESH_S + 0.1)
    assert [each.node for each in roster.nodes(FRESH_S + 0.1)] == ["later"]


@given(st.sampled_from(Urgency), st.integers(0, 100), st.integers(1, 16))
def test_a_node_takes_the_more_urgent_where_it_takes_the_less(
    urgency: Urgency, waiting: int, workers: int
) -> None:
    assert takes(Urgency.PARTIAL, 0, workers)
    assert not takes(Urgency.FINAL, 64, workers), "its queue is bounded"
    if takes(urgency, waiting, workers) and urgency > Urgency.FINAL:
        assert takes(Urgency(urgency - 1), waiting, workers)
