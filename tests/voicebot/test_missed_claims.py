"""A call-back of a caller in danger is on record while it is made: one node makes it, and another
when that one is gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.voicebot.test_callers_missed import NUMBER, OTHER, Desk
from voicebot.callers import missed
from voicebot.callers.calling import LOST
from voicebot.callers.missed_claims import LEASE_S, Claim, keep
from voicebot.callers.missed_rules import DANGER_FIRST_S
from voicebot.config import Settings
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

pytestmark = pytest.mark.usefixtures("database_url")


@pytest.fixture
async def another(settings: Settings, records: Records) -> AsyncIterator[Records]:
    """Those of another node on the same database."""
    opened = await Records.open(settings)
    yield opened
    await opened.close()


async def begun(records: Records, call: str = "C1", number: str = NUMBER) -> Claim:
    """A node calls back, and has looked once."""
    claim = Claim(records, call, number, "12345")
    claim.put_down()
    assert await claim.ours()
    return claim


async def long_ago(records: Records) -> None:
    """The node's last word of it was `LEASE_S` ago."""
    assert await records.in_background(keep, "C1", time.time())


async def due(records: Records, after_s: float = 0.0) -> list[str]:
    return [each.number for each in await records.read(missed.due, time.time() + after_s)]


async def on_list(records: Records) -> list[dict[str, Any]]:
    return await records.read(missed.listed, time.time())


async def test_it_is_on_the_list_of_missed_calls_from_the_first_moment(records: Records) -> None:
    await begun(records)
    (row,) = await on_list(records)
    assert (row["call_id"], row["number"], row["did"]) == ("C1", NUMBER, "12345")
    assert (row["why"], row["danger"], row["state"]) == ("danger", True, "waiting")


async def test_nobody_else_calls_as_long_as_the_node_lives(
    records: Records, another: Records
) -> None:
    claim = await begun(records)
    assert await due(another, LEASE_S - 1.0) == []
    assert await claim.ours()
    desk = Desk(another)
    await desk.calling.once(time.time() + LEASE_S - 1.0)
    assert desk.called() == []


async def test_what_was_missed_before_waits_with_it(records: Records) -> None:
    """Also where that was in danger and is due."""
    desk = Desk(records)
    await desk.miss("C0", NUMBER, danger=True)
    await desk.miss("C9", OTHER, danger=True)
    await begun(records)
    assert await due(records) == [OTHER]


async def test_the_next_node_calls_whom_a_node_that_died_was_calling(
    records: Records, another: Records
) -> None:
    claim = await begun(records)
    desk = Desk(another)
    desk.line.ends_of_calls_out = ["busy"]
    await long_ago(records)
    await desk.calling.once(time.time())
    assert [reference for _, _, _, reference in desk.line.calls_out] == [LOST + "C1"]
    assert await claim.ours() is False, "the first one was only frozen, and calls no more"


async def test_over_a_newer_matter_of_the_number_the_older_is_given_up(
    records: Records, another: Records
) -> None:
    older = await begun(records, "C1")
    newer = await begun(another, "C2")
    assert await older.ours() is False
    assert await newer.ours()
    elsewhere = await begun(records, "C3", OTHER)
    assert await newer.ours(), "another number is another caller"
    assert await elsewhere.ours()


async def test_of_two_nodes_that_begin_at_once_exactly_one_calls(
    records: Records, another: Records
) -> None:
    for turn in range(10):
        claims = [
            Claim(each, f"C{turn}-{name}", NUMBER, "12345")
            for name, each in (("a", records), ("b", another))
        ]
        for claim in claims:
            claim.put_down()
        await asyncio.gather(*(claim.ours() for claim in claims))
        assert sorted([await claim.ours() for claim in claims], key=bool) == [False, True]


async def test_a_call_back_that_is_not_put_down_yet_is_no_others(records: Records) -> None:
    claim = Claim(records, "C1", NUMBER, "12345")
    assert await claim.ours() is None


async def test_where_the_records_cannot_be_asked_it_is_not_known_and_asked_again(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim(records, "C1", NUMBER, "12345")
    claim.put_down()

    async def away(*_: object, **__: object) -> None:
        raise RecordsUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(records, "in_background", away)
        assert await claim.ours() is None
        await claim.over(at_once=True)
    assert await claim.ours()


@pytest.mark.parametrize(("at_once", "others_at"), [(True, 0.0), (False, DANGER_FIRST_S)])
async def test_once_it_is_over_he_is_called_like_others_until_he_is_reached(
    records: Records, at_once: bool, others_at: float
) -> None:
    claim = await begun(records)
    await claim.over(at_once=at_once)
    assert await due(records, others_at - 1.0) == []
    assert await due(records, others_at + 1.0) == [NUMBER]


async def test_a_node_that_stops_at_once_leaves_it_to_others_at_once(records: Records) -> None:
    """The list is written by a thread of its own, which may come later."""
    claim = Claim(records, "C1", NUMBER, "12345")
    claim.put_down()
    looking = asyncio.create_task(claim.ours())
    await asyncio.sleep(0)
    looking.cancel()
    await claim.over(at_once=True)
    assert await due(records, 1.0) == [NUMBER]


@pytest.mark.parametrize("gave_way", [True, False])
async def test_where_two_nodes_give_way_to_each_other_the_number_is_called_at_once(
    records: Records, another: Records, gave_way: bool
) -> None:
    """The first has heard of the second, which learns from the records that it is the first's."""
    second = await begun(another, "C2")
    first = Claim(records, "C1", NUMBER, "12345")
    first.put_down()
    looking = asyncio.create_task(first.ours())
    async with asyncio.timeout(20):
        while first._asked is None:  # noqa: ASYNC110 - until it is asked, and not answered
            await asyncio.sleep(0)
    looking.cancel()
    await first.over(at_once=False, gave_way=gave_way)
    assert await second.ours() is False
    await second.over(at_once=False)
    assert await due(records, 1.0) == ([NUMBER] if gave_way else [])


async def test_what_another_has_taken_is_not_left_by_the_first(
    records: Records, another: Records
) -> None:
    older = await begun(records, "C1")
    await begun(another, "C2")
    await older.over(at_once=True)
    assert await due(records) == []


async def test_the_end_of_the_call_itself_changes_nothing_of_it(records: Records) -> None:
    """The call says as well that it was missed, when 110 has been told by voice."""
    claim = await begun(records)
    at = time.time()
    await records.note_missed(
        {
            "call_id": "C1",
            "number": NUMBER,
            "did": "12345",
            "at": at,
            "why": "danger",
            "danger": True,
            "next_try_at": at,
        }
    )
    assert await due(records) == []
    assert await claim.ours()


async def test_the_list_does_not_tell_how_nodes_share_the_work(records: Records) -> None:
    await begun(records)
    assert "calling" not in (await on_list(records))[0]
    assert "calling" not in (await records.read(missed.page))[0]
