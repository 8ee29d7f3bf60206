"""A caller in danger is called back by one node, with NATS or without, and by another when that
one is gone; of several matters by the one that has the newest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voicebot.cluster.two_services import (
    NUMBER,
    CallingSide,
    the_newer_matter_is_called_about,
    until,
)
from voicebot import call_backs
from voicebot.call_backs import CallBacks
from voicebot.callers.missed_claims import Claim
from voicebot.cluster.callers_elsewhere import CallersElsewhere, digest
from voicebot.cluster.nodes import Node, Nodes
from voicebot.config import Settings
from voicebot.records.store import Records


def calling_side(records: Records) -> CallingSide:
    """The call-backs of one node, which hears nothing of the others but by the records."""
    return CallingSide(CallBacks("carrier", lambda *_: False, partial(Claim, records)))


@pytest.fixture
async def sides(
    settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[CallingSide, CallingSide]]:
    monkeypatch.setattr(call_backs, "LOOK_S", 0.05)
    other = await Records.open(settings)
    made = calling_side(records), calling_side(other)
    yield made
    for each in made:
        await each.call_backs.close()
    await other.close()


@pytest.mark.usefixtures("database_url")
async def test_without_nats_too_only_the_node_with_the_newest_matter_calls(
    sides: tuple[CallingSide, CallingSide],
) -> None:
    await the_newer_matter_is_called_about(*sides)


@pytest.mark.usefixtures("database_url")
async def test_of_two_that_begin_at_one_moment_one_calls(
    sides: tuple[CallingSide, CallingSide],
) -> None:
    for number, side in enumerate(sides):
        side.broke_off(f"c-{number}-h1")
    await until(lambda: any(side.called() for side in sides))
    await until(lambda: any(side.notes for side in sides))
    assert sorted(len(side.called()) for side in sides) == [0, 1]


# ── by what nodes tell each other, where the records cannot be asked ──────────────


def heard(own: str, *told: Node) -> CallersElsewhere:
    nodes = Nodes(own)
    for node in told:
        nodes.heard(node, 0.0)
    return CallersElsewhere(nodes)


def calling_back(name: str, at: float) -> Node:
    return Node(name, "r", ("media",), "http://127.0.0.1:1", calling_back=((digest(NUMBER), at),))


def test_a_matter_is_later_than_those_that_were_heard_of_though_their_clock_be_ahead() -> None:
    other = calling_back("one", 1000.0)
    here = heard("two", other)
    began = here.stamp(NUMBER, now=400.0)
    assert not here.has_newer(NUMBER, began)
    assert heard(
        "one", replace(other, name="two", calling_back=((digest(NUMBER), began),))
    ).has_newer(NUMBER, 1000.0)
    assert here.stamp("10086", now=400.0) == 400.0
    assert here.stamp(NUMBER, now=2000.0) == 2000.0


@given(st.lists(st.floats(0.0, 4e9), min_size=2, max_size=2), st.booleans())
def test_whatever_the_clocks_say_exactly_one_of_two_gives_way(
    clocks: list[float], has_heard: bool
) -> None:
    first = clocks[0]
    second = heard("b", *([calling_back("a", first)] if has_heard else [])).stamp(
        NUMBER, now=clocks[1]
    )
    gives_way = [
        heard("a", calling_back("b", second)).has_newer(NUMBER, first),
        heard("b", calling_back("a", first)).has_newer(NUMBER, second),
    ]
    assert sorted(gives_way) == [False, True]
    assert not has_heard or gives_way == [True, False], "who has heard of the other is the later"
