"""Whoever follows a node's calls misses nothing: a gap is noticed, and what is shown made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.cluster.errors import BusAway
from voicebot.cluster.live_events import Follower, RunningCalls, Standing, event_of, standing_of
from voicebot.web.console.board import Board

Event = dict[str, Any]


def say(number: int, call: str = "CA1") -> Event:
    return {"call_id": call, "at": 1.0, "kind": "say", "text": f"第{number}句"}


class Screen:
    """What a page shows: the board, made anew where something was missed."""

    def __init__(self) -> None:
        self.shown: list[Event] = []
        self.board = Board()

    def show(self, event: Event) -> None:
        self.shown.append(event)
        if event["kind"] == "missed":
            self.board.put_right(event["gone"], event["rows"])
        else:
            self.board.take(event, 0.0)

    @property
    def texts(self) -> list[str]:
        return [each.get("text", each["kind"]) for each in self.shown]


class Node:
    """A node with calls that numbers what it tells."""

    def __init__(self) -> None:
        self.calls = RunningCalls(Board())
        self.seq = 0
        self.asked = 0
        self.answers: Callable[[], Standing] = lambda: standing_of(self.calls.message())

    def happens(self, event: Event) -> tuple[int, Event]:
        self.seq += 1
        self.calls.take(self.seq, event, 0.0)
        return self.seq, event

    async def stand(self, _: str) -> Standing:
        self.asked += 1
        return self.answers()


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def follower(node: Node, screen: Screen) -> Follower:
    return Follower(screen.show, node.stand)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_begins_to_follow_is_shown_what_runs_already(
    node: Node, screen: Screen, follower: Follower
) -> None:
    node.happens(say(1))
    follower.beat("one", "r", node.seq, 0.0)
    await settled()
    assert screen.texts == ["missed"]
    assert [row.text for row in screen.board.rows] == ["第1句"]
    follower.event("one", "r", *node.happens(say(2)))
    assert screen.texts == ["missed", "第2句"]


async def test_events_come_in_their_order_and_once(
    node: Node, screen: Screen, follower: Follower
) -> None:
    follower.beat("one", "r", 0, 0.0)
    await settled()
    events = [node.happens(say(number)) for number in (1, 2, 3)]
    for seq, event in [*events, events[1]]:
        follower.event("one", "r", seq, event)
    assert screen.texts == ["missed", "第1句", "第2句", "第3句"]


async def test_a_missing_number_has_the_screens_made_anew(
    node: Node, screen: Screen, follower: Follower
) -> None:
    follower.beat("one", "r", 0, 0.0)
    await settled()
    node.happens(say(1))
    node.happens(say(2, "CA2"))
    follower.event("one", "r", *node.happens(say(3)))
    assert screen.texts == ["missed"]
    await settled()
    assert screen.texts == ["missed", "第3句", "missed"]
    assert {row.call_id: row.text for row in screen.board.rows} == {"CA1": "第3句", "CA2": "第2句"}


async def test_a_heartbeat_tells_that_the_last_events_did_not_come(
    node: Node, screen: Screen, follower: Follower
) -> None:
    follower.beat("one", "r", 0, 0.0)
    await settled()
    node.happens(say(1))
    follower.beat("one", "r", node.seq, 1.0)
    await settled()
    assert screen.texts == ["missed"]  # heartbeats overtake events
    follower.beat("one", "r", node.seq, 2.0)
    await settled()
    assert screen.texts == ["missed", "missed"]
    assert [row.text for row in screen.board.rows] == ["第1句"]


async def test_what_the_answer_holds_already_is_not_shown_after_it(
    node: Node, screen: Screen, follower: Follower
) -> None:
    """The answer overtakes events that were told before it."""
    follower.beat("one", "r", 0, 0.0)
    first, second = node.happens(say(1)), node.happens(say(2))
    await settled()
    assert screen.texts == []
    follower.event("one", "r", *first)
    follower.event("one", "r", *second)
    assert screen.texts == ["第1句", "第2句", "missed"]
    assert [row.text for row in screen.board.rows] == ["第2句"]


async def test_a_node_that_began_anew_has_none_of_its_old_calls(
    node: Node, screen: Screen, follower: Follower
) -> None:
    follower.beat("one", "r", 0, 0.0)
    await settled()
    follower.event("one", "r", *node.happens(say(1)))
    again = Node()
    node.answers = lambda: standing_of(again.calls.message())
    follower.event("one", "r2", *again.happens(say(1, "CA9")))
    await settled()
    assert [row.call_id for row in screen.board.rows] == ["CA9"]


async def test_calls_of_a_silent_node_are_not_shown_any_more(
    node: Node, screen: Screen, follower: Follower
) -> None:
    follower.beat("one", "r", 0, 0.0)
    await settled()
    follower.event("one", "r", *node.happens(say(1)))
    follower.gone("one")
    assert screen.board.rows == []


async def test_a_node_that_does_not_answer_is_shown_as_its_events_tell(
    node: Node, screen: Screen, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.cluster.live_events.AGAIN_S", 0.0)

    def away() -> Standing:
        raise BusAway("away")

    node.answers = away
    follower.event("one", "r", *node.happens(say(1)))
    for _ in range(30):
        await asyncio.sleep(0)
    assert screen.texts == ["第1句", "missed"]
    assert [row.text for row in screen.board.rows] == ["第1句"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["CA1", "CA2", "CA3"]), st.booleans(), st.booleans()),
        max_size=30,
    )
)
def test_whatever_is_lost_the_screen_ends_with_what_the_node_has(
    happenings: list[tuple[str, bool, bool]],
) -> None:
    """(call, it ends, the event is lost on the way) …"""

    async def scenario() -> None:
        node, screen = Node(), Screen()
        follower = Follower(screen.show, node.stand)
        for number, (call, ends, lost) in enumerate(happenings):
            event = (
                {"call_id": call, "at": 1.0, "kind": "call", "state": "ended"}
                if ends
                else say(number, call)
            )
            seq, told = node.happens(event)
            if not lost:
                follower.event("one", "r", seq, told)
            await asyncio.sleep(0)
        for at in (1.0, 2.0):
            follower.beat("one", "r", node.seq, at)
            await settled()
        here = {row["call_id"]: row["text"] for row in node.calls.message()["rows"]}
        assert {row.call_id: row.text for row in screen.board.rows} == here

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "told", [None, [], {}, {"kind": "turn", "at": 1.0}, {"kind": "turn", "at": 1.0, "call_id": 7}]
)
def test_what_is_no_event_is_refused_at_the_door(told: object) -> None:
    with pytest.raises(ValueError, match="call_id"):
        event_of(told)


@pytest.mark.parametrize(
    "wrong", [{"caller": 7}, {"text": ["喂"]}, {"confidential": "yes"}, {"state": None}]
)
def test_an_event_that_no_screen_could_show_is_refused_by_the_name_of_what_is_wrong(
    wrong: dict[str, object],
) -> None:
    told = {"kind": "call", "call_id": "CA1", "at": 1, "state": "started", "later": {}}
    assert event_of(told) == told
    with pytest.raises(ValueError, match=next(iter(wrong))):
        event_of({**told, **wrong})


def test_rows_of_a_newer_version_are_shown_as_far_as_they_are_known() -> None:
    row = {"call_id": "CA1", "text": "着火了", "mood": "calm"}
    found = standing_of({"seq": 3, "rows": [row], "later": 1})
    board = Board()
    board.put_right((), found.rows)
    assert [(each.call_id, each.text) for each in board.rows] == [("CA1", "着火了")]


def test_rows_that_no_screen_could_show_are_refused() -> None:
    with pytest.raises(ValueError, match="since"):
        standing_of({"seq": 3, "rows": [{"call_id": "CA1", "since": "now"}]})


def test_a_node_that_tells_rows_without_their_calls_is_not_believed() -> None:
    with pytest.raises(ValueError, match="call_id"):
        standing_of({"seq": 1, "rows": [{"text": "喂"}]})
