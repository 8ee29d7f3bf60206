"""Two nodes count as one line's arrivals what both are offered, and nobody twice: one real NATS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.events import CallStarted
from flows.state import State
from telephony.call_control import CallInfo, Rejection
from telephony.scripted import ScriptedLine
from tests.nats_server import NatsServer, nats_server  # noqa: F401
from tests.voicebot.cluster.two_services import OTHER, Side, on_postgresql, two_services, until
from tests.voicebot.test_app import Engines
from voicebot.admission import offer_key
from voicebot.call.journal import Journal
from voicebot.callers import missed
from voicebot.cluster import subjects
from voicebot.cluster.nodes import Node
from voicebot.cluster.surge_elsewhere import follow_surge, stands_for
from voicebot.config import Settings
from voicebot.figures.counting import total
from voicebot.records.store import Records
from voicebot.surge.board import GroupReport, SeatReport
from voicebot.surge.shared import SeatsTold, SentToSeats, Told

LINE = "12345"
NODE = Node("n", "r", ("media",), "http://127.0.0.1:1")


class Talking:
    """`voicebot.call.session.CallSession` of a caller who talks until the test ends it."""

    lines_in_use, left, state = 0, False, State()
    over: asyncio.Event
    on_record: set[str]

    def __init__(self, _: object, start: CallStarted, *, journal: Journal, **__: object) -> None:
        self._start, self._journal = start, journal

    async def run(self, recording: Any, _: object) -> None:
        start = self._start
        await self._journal.start(start, str(recording))
        Talking.on_record.add(start.call_id)
        await Talking.over.wait()
        await self._journal.finish(State(call_id=start.call_id, caller=start.caller, did=start.did))


class OverSip:
    """A call that cannot be given to seats unanswered: a full node refuses it."""

    def __init__(self, info: CallInfo) -> None:
        self.info, self._line = info, ScriptedLine(info)

    @property
    def rejected(self) -> Rejection | None:
        return self._line.rejected

    async def answer(self) -> ScriptedLine:
        return await self._line.answer()

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        await self._line.reject(why, retry_after_s)

    async def closed(self) -> None:
        await self._line.closed()


class WithText(Engines):
    def text(self, *_: object) -> str:
        return ""


@pytest.fixture
async def sides(
    nats_server: NatsServer,  # noqa: F811
    database_url: str,
    settings: Settings,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Side, Side]]:
    monkeypatch.setattr("voicebot.app.CallSession", Talking)
    Talking.over, Talking.on_record = asyncio.Event(), set()
    async with two_services(nats_server.url, settings, records, WithText()) as made:
        a, b = made
        seats = GroupReport(region="460100", staffed=3, free=3)
        a.service.surge.tell(SeatReport(line=LINE, groups=[seats]), time.time())
        await until(lambda: b.service.surge.board.knows(LINE))
        yield a, b


class Callers:
    """Who has called, and their calls as they run."""

    def __init__(self) -> None:
        self.running: list[asyncio.Task[None]] = []

    async def ring(self, side: Side, signalled: str, number: str = "") -> OverSip:
        """At one node; returns once it has taken or refused the call."""
        name = f"{side.member.nodes.own}-{len(self.running)}"
        number = number or f"1380013{len(self.running):04}"
        call = OverSip(CallInfo(name, number, LINE, signalled=signalled))
        taking = asyncio.create_task(side.service.take(call))
        self.running.append(taking)
        await until(lambda: taking.done() or name in Talking.on_record)
        return call

    async def hang_up(self) -> None:
        Talking.over.set()
        await asyncio.gather(*self.running)


def per_min(side: Side) -> float:
    seats = side.service.surge.figures(LINE, time.time()).seats
    return seats.arrivals_per_min if seats is not None else 0.0


def full(side: Side) -> None:
    """The node has no place for an ordinary call."""
    settings = side.service.settings
    admission = settings.admission.model_copy(update={"handoff_lines": 0, "handoff_reserve": 0})
    side.service.take_settings(settings.model_copy(update={"admission": admission}))


@on_postgresql
async def test_each_node_counts_what_both_are_offered(sides: tuple[Side, Side]) -> None:
    a, b = sides
    callers = Callers()
    for number in range(3):
        await callers.ring(a, f"a-{number}@trunk")
    for number in range(2):
        await callers.ring(b, f"b-{number}@trunk")
    await until(lambda: (per_min(a), per_min(b)) == (5.0, 5.0))
    await callers.hang_up()


@on_postgresql
async def test_whom_one_node_refuses_and_the_next_serves_is_one_caller_who_was_served(
    sides: tuple[Side, Side], records: Records
) -> None:
    a, b = sides
    callers, began = Callers(), time.time() - 1.0
    full(a)
    refused = await callers.ring(a, "sent-on@trunk", OTHER)
    assert refused.rejected is Rejection.FULL
    served = await callers.ring(b, "sent-on@trunk", OTHER)
    assert served.rejected is None
    lost = await callers.ring(a, "lost@trunk")
    assert lost.rejected is Rejection.FULL
    await until(lambda: (per_min(a), per_min(b)) == (2.0, 2.0))
    await asyncio.gather(*records._tasks)
    await a.service.callers.calling.once(time.time())
    listed = await records.read(missed.listed, time.time())
    assert [each["call_id"] for each in listed] == [lost.info.call_id], "while the other talks"
    await callers.hang_up()
    await asyncio.gather(*records._tasks)
    figures = (await records.read(total, began, time.time() + 1.0, time.time())).figures
    assert (figures["connection"].numerator, figures["connection"].denominator) == (1, 2)


@on_postgresql
async def test_without_nats_a_node_takes_the_others_to_be_offered_as_much_as_itself(
    sides: tuple[Side, Side],
    nats_server: NatsServer,  # noqa: F811
) -> None:
    a, b = sides
    callers = Callers()
    await callers.ring(a, "first@trunk")
    await until(lambda: per_min(b) == 1.0)
    await until(lambda: b.service.surge._others.stands_for() == 1)
    nats_server.kill()
    await until(lambda: not (a.member.bus.connected or b.member.bus.connected))
    await callers.ring(b, "second@trunk")
    assert (per_min(a), per_min(b)) == (1.0, 3.0)
    nats_server.start()
    await until(lambda: a.member.bus.connected and b.member.bus.connected)
    await until(lambda: b.service.surge._others.stands_for() == 1)
    await callers.ring(b, "third@trunk")
    await until(lambda: per_min(a) == 2.0)
    assert per_min(b) == 4.0, "what was offered meanwhile is not told late"
    await callers.hang_up()


@on_postgresql
async def test_what_is_no_arrival_of_a_line_of_ours_is_passed_over(
    sides: tuple[Side, Side],
) -> None:
    a, b = sides
    key = offer_key(CallInfo("x", "", LINE))
    for wrong in (
        {"node": "a", "line": "99999", "key": key},
        {"node": "a", "line": LINE, "key": "x" * 10_000},
        {"node": "a", "line": LINE},
        {"line": LINE, "key": key},
        {"node": "a", "line": LINE, "key": key, "of_a_newer_version": 1},
    ):
        a.member.bus.publish(subjects.SURGE_ARRIVALS, wrong)
    await until(lambda: per_min(b) == 1.0)
    assert set(b.service.surge._arrivals._lines) == {LINE}


@given(
    tells=st.lists(st.booleans(), max_size=8),
    heard_last=st.integers(0, 500),
    in_touch=st.booleans(),
)
def test_a_call_stands_for_one_at_each_node_whose_calls_are_not_heard_of(
    tells: list[bool], heard_last: int, in_touch: bool
) -> None:
    others = [replace(NODE, name=f"n{n}", tells_arrivals=each) for n, each in enumerate(tells)]
    found = stands_for(others, heard_last, in_touch=in_touch)
    assert found == 1 + (tells.count(False) if in_touch else heard_last)


def test_while_nodes_are_replaced_a_newer_one_is_heard_though_it_tells_more() -> None:
    takes: dict[str, Callable[[dict[str, Any]], None]] = {}
    wire = SimpleNamespace(subscribe=lambda subject, take: takes.update({subject: take}))
    member, control = SimpleNamespace(bus=wire, nodes=SimpleNamespace(own="a")), _Taken()
    follow_surge(member, control)  # type: ignore[arg-type]
    group = {"region": "460100", "staffed": 3, "free": 1, "on_break": 2}
    report = {"line": LINE, "groups": [group], "waiting": 4, "abandoned": 1}
    takes[subjects.SURGE_FIGURES]({"node": "b", "report": report, "weight": 2})
    takes[subjects.SURGE_FIGURES]({"node": "a", "report": report})
    takes[subjects.SURGE_SENT]({"node": "b", "line": LINE, "region": "460100", "seat": "7"})
    assert control.taken == [
        SeatsTold(
            report=SeatReport(
                line=LINE, groups=[GroupReport(region="460100", staffed=3, free=1)], waiting=4
            )
        ),
        SentToSeats(line=LINE, region="460100"),
    ]


class _Taken:
    def __init__(self) -> None:
        self.taken: list[Told] = []

    def take(self, told: Told) -> None:
        self.taken.append(told)
