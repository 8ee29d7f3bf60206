"""A caller in danger is known at every node, whichever he rings at next: two services, one NATS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from flows.surge import Kind
from telephony.call_control import CallInfo, IncomingCall, Rejection
from tests.nats_server import NatsServer, nats_server  # noqa: F401
from tests.voicebot.cluster.two_services import (
    NUMBER,
    OTHER,
    Side,
    on_postgresql,
    the_newer_matter_is_called_about,
    two_services,
    until,
)
from tests.voicebot.test_app import Engines
from voicebot.app import Service
from voicebot.cluster.callers_elsewhere import CallersElsewhere, digest, digests
from voicebot.cluster.nodes import Node, Nodes, node_of
from voicebot.config import Settings
from voicebot.records.store import Records
from voicebot.surge.board import GroupReport, SeatReport

ONE = Node("one", "r", ("media",), "http://127.0.0.1:1")


class Offered:
    """A call as an endpoint offers it."""

    def __init__(self, name: str, number: str = NUMBER) -> None:
        self.info = CallInfo(name, number, "12345")
        self.rejected: Rejection | None = None
        self.answered, self.over = asyncio.Event(), asyncio.Event()

    async def reject(self, why: Rejection, retry_after_s: float) -> None:
        self.rejected = why


@pytest.fixture
async def sides(
    nats_server: NatsServer,  # noqa: F811
    database_url: str,
    settings: Settings,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Side, Side]]:
    """Their calls last until the test ends them."""

    async def serve(_: Service, call: IncomingCall, *__: Any) -> None:
        assert isinstance(call, Offered)
        call.answered.set()
        await call.over.wait()

    monkeypatch.setattr(Service, "_serve", serve)
    async with two_services(nats_server.url, settings, records, Engines()) as made:
        yield made


@on_postgresql
async def test_who_broke_off_in_danger_at_one_node_is_in_danger_at_the_other(
    sides: tuple[Side, Side],
) -> None:
    a, b = sides
    b.service.take_settings(
        b.service.settings.model_copy(
            update={
                "admission": b.service.settings.admission.model_copy(
                    update={"calls": 1, "per_number": 1, "handoff_reserve": 1}
                )
            }
        )
    )
    full = Offered("c-0", OTHER)
    taking = asyncio.create_task(b.service.take(full))  # type: ignore[arg-type]
    await full.answered.wait()
    ordinary = Offered("c-1")
    await b.service.take(ordinary)  # type: ignore[arg-type]
    assert ordinary.rejected is Rejection.FULL
    a.broke_off("c-2-h1")
    await until(lambda: b.service.surge._in_danger(NUMBER), 1.0)
    assert b.service.surge._kind(CallInfo("c-3", NUMBER, "12345"), 0.0) is Kind.URGENT
    again = Offered("c-3")
    talking = asyncio.create_task(b.service.take(again))  # type: ignore[arg-type]
    await again.answered.wait()
    assert again.rejected is None, "he has a place that is kept for hand-offs"
    full.over.set()
    again.over.set()
    await asyncio.gather(taking, talking)


@on_postgresql
async def test_nobody_is_called_back_who_talks_at_another_node(sides: tuple[Side, Side]) -> None:
    a, b = sides
    a.broke_off("c-1-h1")
    again = Offered("c-2")
    talking = asyncio.create_task(b.service.take(again))  # type: ignore[arg-type]
    await until(lambda: a.notes)
    assert a.notes == ["来电人已再次打进来，不再回拨"]
    assert a.called() == []
    assert not a.service.callers.calling.may_call(NUMBER), "over a missed call neither"
    again.over.set()
    await talking


@on_postgresql
async def test_of_two_nodes_the_one_with_the_newer_matter_calls(sides: tuple[Side, Side]) -> None:
    a, b = sides
    await the_newer_matter_is_called_about(a, b)
    await until(lambda: not a.service._elsewhere.called_back(NUMBER))


@on_postgresql
async def test_one_number_has_only_so_many_calls_at_all_nodes_together_danger_excepted(
    sides: tuple[Side, Side],
) -> None:
    a, b = sides
    most = a.service.settings.admission.per_number
    running = [Offered(f"c-{number}") for number in range(most)]
    talking = [asyncio.create_task(a.service.take(each)) for each in running]  # type: ignore[arg-type]
    await until(lambda: b.service._elsewhere.calls(NUMBER) == most)
    one_more = Offered("c-more")
    await b.service.take(one_more)  # type: ignore[arg-type]
    assert one_more.rejected is Rejection.TOO_MANY
    a.broke_off("c-0-h1")
    await until(lambda: b.service._in_danger(NUMBER))
    in_danger = Offered("c-danger")
    talking.append(asyncio.create_task(b.service.take(in_danger)))  # type: ignore[arg-type]
    await in_danger.answered.wait()
    for each in (*running, in_danger):
        each.over.set()
    await asyncio.gather(*talking)


@on_postgresql
async def test_one_free_seat_is_not_given_to_a_caller_of_each_node(
    sides: tuple[Side, Side],
) -> None:
    a, b = sides
    help_out = GroupReport(region="460200", local=False, staffed=3, free=1)
    report = SeatReport(line="12345", groups=[help_out])
    now = time.time()
    a.service.surge.tell(report, now, 0.25)
    await until(lambda: b.service.surge.board.knows("12345"))

    def free() -> list[int]:
        seats = b.service.surge.figures("12345", time.time()).seats
        return [group.free for group in seats.groups] if seats is not None else []

    assert free() == [1]
    a.service.surge.gone_to_people("12345", "460200")
    await until(lambda: free() == [0])


# ── by what was heard ─────────────────────────────────────────────────────────────


def heard(own: str, *others: Node) -> CallersElsewhere:
    nodes = Nodes(own)
    for node in others:
        nodes.heard(node_of(node.message()), 0.0)
    return CallersElsewhere(nodes)


def test_each_call_of_a_number_counts_and_withheld_numbers_do_not() -> None:
    known = heard("b", replace(ONE, callers=digests([NUMBER, "", NUMBER, OTHER])))
    assert [known.calls(each) for each in (NUMBER, OTHER, "", "10086")] == [2, 1, 0, 0]
    assert NUMBER not in str(known)


def test_of_two_that_began_at_once_exactly_one_calls() -> None:
    matter = ((digest(NUMBER), 100.0),)
    at_one = heard("one", replace(ONE, name="two", calling_back=matter))
    at_two = heard("two", replace(ONE, name="one", calling_back=matter))
    assert [each.has_newer(NUMBER, 100.0) for each in (at_one, at_two)] == [False, True]
    assert [at_two.has_newer(NUMBER, at) for at in (99.9, 100.1)] == [True, False]


def test_a_node_that_is_gone_is_forgotten_with_its_callers_and_one_alone_knows_of_none() -> None:
    known = heard("b", replace(ONE, callers=digests([NUMBER]), calling_back=((digest(NUMBER), 1),)))
    assert known.nodes is not None
    known.nodes.silent(60.0)
    for each in (known, CallersElsewhere(None)):
        assert (each.calls(NUMBER), each.called_back(NUMBER)) == (0, False)
        assert not each.has_newer(NUMBER, 0.0)
