"""Two nodes, one PostgreSQL: they count 110's lines together, with NATS or without, and nobody in
danger waits for a database that is slow or away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from flows.events import LegState, TransferProgress
from flows.waiting_list import Claim, Grant
from flows.waiting_risk import Risk
from tests.nats_server import NatsServer, nats_server  # noqa: F401
from tests.voicebot.cluster.two_services import Side, on_postgresql, two_services, until
from tests.voicebot.test_app import Engines
from voicebot.app import open_service
from voicebot.call.waiting_lines import CallLines, WaitingLines
from voicebot.cluster import shared_lines, subjects
from voicebot.cluster.line_leases import KEPT_S
from voicebot.cluster.shared_lines import SharedLines
from voicebot.config import Settings
from voicebot.records.database import open_engine
from voicebot.records.store import TRANSACT_S, Records

pytestmark = [on_postgresql, pytest.mark.usefixtures("database_url")]

LOCAL = "110-469001"
LOCKED_S = TRANSACT_S
"""How long what is asked waits for another's lock."""


class Caller:
    """A call in danger at some node."""

    def __init__(self, waiting: WaitingLines, name: str, score: float = 3.0) -> None:
        self.waiting, self.name, self.score = waiting, name, score
        self.began = time.monotonic()
        self.grants: list[Grant] = []
        self.lines: CallLines = waiting.of_call(name, self.grants.append)

    def asks(self) -> asyncio.Task[bool]:
        asked = self.lines.may_dial(LOCAL, time.monotonic)
        assert isinstance(asked, asyncio.Task)
        return asked

    async def dials(self) -> bool:
        """Whether he is put through; else he waits."""
        if not await self.asks():
            self.waits()
            return False
        self.waiting.renew(self.name, Claim("h", LOCAL), time.monotonic())
        return True

    def waits(self) -> None:
        at = time.monotonic()
        claim = Claim("h", None, (LOCAL,), True, Risk(self.score), self.began)
        self.waiting.renew(self.name, claim, at)
        self.waiting.deal(at, now=True)

    def hears(self, state: LegState) -> None:
        self.lines.heard_of(TransferProgress(0.0, "h", LOCAL, state), time.monotonic())

    async def given(self, within_s: float = 20.0) -> None:
        """He is given a line, and dials."""
        await until(lambda: self.grants, within_s)
        assert self.lines.may_dial(LOCAL, time.monotonic) is True
        self.waiting.renew(self.name, Claim("h", LOCAL), time.monotonic())

    def hangs_up(self) -> None:
        self.waiting.leave(self.name)


class Node:
    """A process with calls, without NATS."""

    def __init__(self, records: Records, count: int) -> None:
        self.records, self.alone = records, 0
        self.shared = SharedLines(records, {LOCAL: count}, self._decides_alone)
        self.waiting = WaitingLines({LOCAL: count}, shared=self.shared)

    def _decides_alone(self) -> None:
        self.alone += 1

    def caller(self, name: str, score: float = 3.0) -> Caller:
        return Caller(self.waiting, name, score)


@pytest.fixture
def count() -> int:
    """Lines that 110 has."""
    return 1


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine it may be seconds until the database's answer is seen, or told again."""
    monkeypatch.setattr(shared_lines, "LEASE_ANSWER_S", 30.0)
    monkeypatch.setattr("voicebot.cluster.line_leases.WANTED_S", KEPT_S)


@pytest.fixture(autouse=True)
def _telling_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_lines, "QUICK_S", 30.0)
    monkeypatch.setattr(shared_lines, "SETTLED_S", 0.0)


@asynccontextmanager
async def running(shared: SharedLines, waiting: WaitingLines) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(shared.run(waiting))
    await until(lambda: shared.in_touch)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def nodes(
    settings: Settings, records: Records, count: int
) -> AsyncIterator[tuple[Node, Node]]:
    other = await Records.open(settings)
    a, b = Node(records, count), Node(other, count)
    async with running(a.shared, a.waiting), running(b.shared, b.waiting):
        yield a, b
    await other.close()


Nodes = tuple[Node, Node]


@contextmanager
def slow(engine: Engine) -> Iterator[None]:
    """The database does not answer while this lasts."""
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE police_line IN ACCESS EXCLUSIVE MODE"))
        yield


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = open_engine(database_url, writes=True, patience_s=30.0)
    yield made
    made.dispose()


def in_use(engine: Engine) -> list[str]:
    """Calls that have a line by the records."""
    with engine.connect() as connection:
        live = text(
            "SELECT call_id FROM police_line"
            " WHERE kept_until > extract(epoch FROM clock_timestamp()) ORDER BY call_id"
        )
        return list(connection.scalars(live))


def waiting(engine: Engine) -> list[str]:
    """Calls that wait by the records."""
    with engine.connect() as connection:
        wanted = text("SELECT call_id FROM police_line_wanted ORDER BY call_id")
        return list(connection.scalars(wanted))


@pytest.mark.usefixtures("patience")
async def test_the_last_line_is_one_callers_whichever_node_has_him(nodes: Nodes) -> None:
    a, b = nodes
    callers = [node.caller(f"{node.records.run_id}-{n}") for n in range(5) for node in nodes]
    got = await asyncio.gather(*(caller.dials() for caller in callers))
    assert got.count(True) == 1
    assert (a.alone, b.alone) == (0, 0)


@pytest.mark.usefixtures("patience")
async def test_the_most_urgent_gets_the_line_that_comes_free_at_another_node(
    nodes: Nodes, engine: Engine
) -> None:
    a, b = nodes
    first, low, high = a.caller("first"), a.caller("low", 5.0), b.caller("high", 9.0)
    assert await first.dials()
    assert not await low.dials()
    assert not await high.dials()
    await until(lambda: waiting(engine) == ["high", "low"])
    first.hangs_up()
    await high.given()
    assert not low.grants
    high.hangs_up()
    await low.given()


@pytest.mark.usefixtures("patience")
async def test_a_line_that_nobody_takes_is_the_next_callers(nodes: Nodes, engine: Engine) -> None:
    a, b = nodes
    first, high, low = a.caller("first"), b.caller("high", 9.0), a.caller("low")
    assert await first.dials()
    assert not await high.dials()
    assert not await low.dials()
    await until(lambda: waiting(engine) == ["high", "low"])
    first.hangs_up()
    await until(lambda: high.grants)
    high.hangs_up()  # before he has dialled
    await low.given()


@pytest.mark.usefixtures("patience")
async def test_the_line_of_a_node_that_died_is_free_after_its_time(
    settings: Settings, records: Records, engine: Engine
) -> None:
    other = await Records.open(settings)
    dying, living = Node(records, 1), Node(other, 1)
    async with running(living.shared, living.waiting):
        async with running(dying.shared, dying.waiting) as task:
            assert await dying.caller("1").dials()
            task.cancel()
        second = living.caller("2")
        assert not await second.dials()
        long_ago = text(f"UPDATE police_line SET kept_until = kept_until - {KEPT_S}")
        with engine.begin() as connection:
            connection.execute(long_ago)
        await second.given()
    await other.close()


@pytest.mark.usefixtures("patience")
async def test_a_node_that_ends_leaves_its_lines_to_the_others(nodes: Nodes) -> None:
    a, b = nodes
    assert await a.caller("1").dials()
    second = b.caller("2")
    assert not await second.dials()
    await a.shared.close()
    await second.given()


@pytest.mark.usefixtures("patience")
async def test_a_call_that_is_over_when_it_is_given_a_line_has_none(
    nodes: Nodes, engine: Engine
) -> None:
    a, b = nodes
    gone, other = a.caller("gone"), b.caller("other")
    asked = gone.asks()
    gone.hangs_up()
    assert not await asked
    if not await other.dials():
        await other.given()
    await until(lambda: in_use(engine) == ["other"])
    assert a.waiting.taken == frozenset()


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("count", [3])
async def test_what_110_gives_to_understand_at_one_node_is_known_at_the_other(
    nodes: Nodes, engine: Engine
) -> None:
    a, b = nodes
    first, second, third, fourth = a.caller("1"), a.caller("2"), b.caller("3"), b.caller("4")

    def free(doubtful: bool) -> int:
        with engine.connect() as connection:
            which = "kept_until <= extract(epoch FROM clock_timestamp()) AND doubtful = :doubtful"
            found = text(f"SELECT count(*) FROM police_line WHERE {which}")
            return int(connection.scalar(found, {"doubtful": doubtful}) or 0)

    assert await first.dials()
    assert await second.dials()
    first.hears(LegState.BUSY)
    first.waiting.renew("1", Claim("h"), time.monotonic())
    await until(lambda: free(doubtful=True) == 2)
    assert not await third.dials()
    third.hangs_up()
    second.hears(LegState.ANSWERED)
    await until(lambda: free(doubtful=False) == 1)
    assert await fourth.dials()


async def test_nodes_that_know_of_different_numbers_of_lines_say_so_and_have_the_greater(
    settings: Settings, records: Records
) -> None:
    other = await Records.open(settings)
    whole, part = Node(records, 2), Node(other, 1)
    with capture_logs() as said:
        async with running(whole.shared, whole.waiting), running(part.shared, part.waiting):
            await until(lambda: part.shared._counts == {LOCAL: 2})
    differing = [line for line in said if line["event"] == "police_lines_differ"]
    assert {"numbers": {LOCAL: (1, 2)}, "own": {LOCAL: 1}} in [
        {"numbers": line["numbers"], "own": line["own"]} for line in differing
    ]
    assert len(differing) <= 2, "once at each"
    await other.close()


# ── a database that is slow, or away ──────────────────────────────────────────────


async def test_a_caller_in_danger_is_put_through_though_the_database_does_not_answer(
    nodes: Nodes, engine: Engine
) -> None:
    a, _ = nodes
    with slow(engine):
        began, asked = time.monotonic(), a.shared._taking
        assert await a.caller("1").dials()
        assert time.monotonic() - began < LOCKED_S / 2
        assert not await a.caller("2").dials(), "this node's own list has given its one line"
        assert a.shared._taking == asked + 1, "nobody else waits for an answer"
        assert a.alone == 2
    await until(lambda: in_use(engine) == ["1"])
    await until(lambda: a.shared.in_touch)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("count", [3])
async def test_one_answer_that_is_late_gives_nobody_who_waits_a_line_that_another_node_has(
    nodes: Nodes, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes
    own, *others = a.caller("own"), b.caller("b1"), b.caller("b2")
    for caller in (own, *others):
        assert await caller.dials()
    waits = [a.caller(f"waits {number}") for number in range(3)]
    for caller in waits:
        assert not await caller.dials()
    await until(lambda: a.shared.elsewhere(time.monotonic()) == {LOCAL: 2})
    monkeypatch.setattr(shared_lines, "LEASE_ANSWER_S", 0.3)
    with slow(engine):
        new = a.caller("new")
        own.hangs_up()
        assert not await new.dials()
        a.waiting.deal(time.monotonic(), now=True)
        assert sum(len(caller.grants) for caller in (*waits, new)) == 1, "the one that own had"
        assert a.alone == 2, "a caller who was not asked about, and a line that was given out"
    later = time.monotonic() + KEPT_S
    assert a.shared.elsewhere(later) == {}, "by then nobody knows"


@pytest.mark.usefixtures("patience")
async def test_who_waits_is_given_nothing_until_the_others_have_told_what_they_have_dialled(
    nodes: Nodes, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes
    monkeypatch.setattr(shared_lines, "SETTLED_S", 600.0)
    first, waits, last = b.caller("first"), a.caller("waits"), a.caller("last")
    assert await first.dials()
    a.shared._lose_touch("slow")
    await until(lambda: a.shared.in_touch)
    waits.waits()
    first.hangs_up()
    await until(lambda: waiting(engine) == ["waits"] and in_use(engine) == [])
    for _ in range(2):
        told_at = a.shared._elsewhere[1]
        await until(lambda told_at=told_at: a.shared._elsewhere[1] > told_at)  # type: ignore[misc]
    assert not waits.grants
    a.shared._settled_at = 0.0
    await waits.given()
    assert not await last.dials()


async def test_a_busy_signal_that_could_not_be_told_is_told_later(
    nodes: Nodes, engine: Engine
) -> None:
    a, _ = nodes
    caller = a.caller("1")
    assert await caller.dials()
    await until(lambda: in_use(engine) == ["1"])
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE police_line RENAME TO away"))
    try:
        caller.hears(LegState.BUSY)
        await until(lambda: not a.shared.in_touch)
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO police_line"))

    def doubtful() -> bool:
        with engine.connect() as connection:
            return bool(connection.scalar(text("SELECT bool_or(doubtful) FROM police_line")))

    await until(doubtful)


@pytest.mark.usefixtures("patience", "seldom")
async def test_a_call_that_gives_up_in_the_moment_of_the_answer_leaves_its_line(
    nodes: Nodes, engine: Engine
) -> None:
    a, _ = nodes
    before = set(a.shared._under_way)
    taking = asyncio.create_task(a.shared.take("gone", LOCAL))
    await asyncio.sleep(0)
    (asked,) = a.shared._under_way - before
    asked.add_done_callback(lambda _: taking.cancel())
    await asyncio.gather(taking, return_exceptions=True)
    assert taking.cancelled()
    assert asked.result() is True
    await until(lambda: in_use(engine) == [])
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT call_id FROM police_line")) == "", "it is no lapse"


async def test_an_answer_for_which_nobody_waits_any_more_is_not_asked_for(
    records: Records, engine: Engine
) -> None:
    asked = records.run_id, 1, "1", LOCAL, 1
    too_late = time.monotonic() - 1.0
    assert await records.promptly(shared_lines._take_in_time, too_late, *asked) is None


async def test_a_node_that_ends_while_it_tells_leaves_nothing_behind(
    settings: Settings, records: Records, engine: Engine
) -> None:
    node = Node(records, 1)
    async with running(node.shared, node.waiting) as task:
        assert await node.caller("1").dials()
        await until(lambda: in_use(engine) == ["1"])
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE police_line_count IN ACCESS EXCLUSIVE MODE"))
            node.shared.give_back()
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            closing = asyncio.create_task(node.shared.close())
            await asyncio.sleep(0.05)
        await closing
    await until(lambda: not node.shared._under_way)
    assert in_use(engine) == []


async def test_what_both_nodes_dialled_meanwhile_counts_afterwards(
    nodes: Nodes, engine: Engine
) -> None:
    a, b = nodes
    first, second, third = a.caller("1"), b.caller("2"), b.caller("3")
    with slow(engine):
        assert await first.dials()
        assert await second.dials(), "danger goes before the count"
    await until(lambda: in_use(engine) == ["1", "2"] and a.shared.in_touch and b.shared.in_touch)
    assert not await third.dials()
    first.hangs_up()
    await until(lambda: in_use(engine) == ["2"])
    assert not third.grants
    second.hangs_up()
    await third.given()


async def test_a_line_that_is_given_too_late_is_given_back(nodes: Nodes, engine: Engine) -> None:
    a, b = nodes
    gone, other = a.caller("gone"), b.caller("other")
    with slow(engine):
        asked = gone.asks()
        await asyncio.sleep(0.05)
        asked.cancel()  # he has hung up
        gone.hangs_up()
    await asyncio.gather(asked, return_exceptions=True)
    assert asked.cancelled()
    await until(lambda: not a.shared._asked)
    await until(lambda: b.shared.in_touch)
    if not await other.dials():
        await other.given()
    await until(lambda: in_use(engine) == ["other"])


async def test_who_waits_is_served_by_his_own_node_while_the_database_is_away(
    nodes: Nodes, engine: Engine
) -> None:
    a, b = nodes
    first, low, high = a.caller("first"), a.caller("low", 5.0), a.caller("high", 9.0)
    assert await first.dials()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE police_line RENAME TO away"))
    try:
        for caller in (low, high):
            assert not await caller.dials()
        await until(lambda: not (a.shared.in_touch or b.shared.in_touch))
        first.hangs_up()
        a.waiting.deal(time.monotonic(), now=True)
        await high.given(0.1)
        assert not low.grants
        assert await b.caller("elsewhere").dials()
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO police_line"))
    await until(lambda: in_use(engine) == ["elsewhere", "high"])


# ── whole services ────────────────────────────────────────────────────────────────


@pytest.fixture
async def sides(
    nats_server: NatsServer,  # noqa: F811
    settings: Settings,
    records: Records,
) -> AsyncIterator[tuple[Side, Side]]:
    handoff = settings.handoff.model_copy(update={"lines": {LOCAL: 1}})
    counted = settings.model_copy(update={"handoff": handoff})
    other = await Records.open(settings)
    async with two_services(nats_server.url, counted, records, Engines(), other) as made:
        a, b = (side.service for side in made)
        assert a.shared_lines is not None
        assert b.shared_lines is not None
        async with running(a.shared_lines, a.waiting), running(b.shared_lines, b.waiting):
            yield made
    await other.close()


async def test_a_service_shares_its_lines_while_it_runs_and_leaves_them_when_it_ends(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = Engines()
    engines.embedder = None  # type: ignore[attr-defined]
    monkeypatch.setattr("voicebot.app.open_embedder", lambda _: None)
    monkeypatch.setattr("voicebot.app.open_engines", lambda *_: engines)
    handoff = settings.handoff.model_copy(update={"lines": {LOCAL: 1}})
    counted = settings.model_copy(update={"handoff": handoff})
    async with open_service(counted) as service:
        assert service.shared_lines is not None
        await until(lambda: service.shared_lines.in_touch)  # type: ignore[union-attr]
        assert await Caller(service.waiting, "1").dials()
        await until(lambda: in_use(engine) == ["1"])
    assert in_use(engine) == []


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told or asked for unless something happens."""
    monkeypatch.setattr(shared_lines, "POLL_S", 60.0)
    monkeypatch.setattr(shared_lines, "RENEW_S", 60.0)


@pytest.mark.usefixtures("patience", "seldom")
async def test_the_other_node_hears_at_once_that_a_line_is_free(
    sides: tuple[Side, Side], engine: Engine
) -> None:
    a, b = sides
    first, second = Caller(a.service.waiting, "first"), Caller(b.service.waiting, "second")
    assert await first.dials()
    assert not await second.dials()
    await until(lambda: waiting(engine) == ["second"])
    first.hangs_up()
    await second.given()


async def test_each_call_about_which_a_node_decides_alone_is_counted(
    sides: tuple[Side, Side], engine: Engine
) -> None:
    a, _ = sides
    with slow(engine):
        assert await Caller(a.service.waiting, "1").dials()
    counted = a.service.metrics.registry.get_sample_value("voicebot_police_lines_alone_total")
    assert counted == 1.0


async def test_what_is_no_word_of_a_free_line_is_passed_over(sides: tuple[Side, Side]) -> None:
    a, b = sides
    for wrong in (
        {"node": "a", "numbers": 7},
        {"node": "a", "numbers": [7]},
        {"node": "a\nb", "numbers": [LOCAL]},
        {"numbers": [LOCAL]},
    ):
        a.member.bus.publish(subjects.POLICE_LINES, wrong)
    await until(lambda: b.member.bus.figures.unreadable == 4)
    assert b.service.shared_lines is not None
    assert b.service.shared_lines.in_touch


@pytest.mark.usefixtures("patience")
async def test_the_board_lists_the_callers_of_all_nodes_by_their_urgency(
    sides: tuple[Side, Side],
) -> None:
    a, b = sides
    talks = Caller(a.service.waiting, "talks")
    long = Caller(a.service.waiting, "long", 5.0)
    long.began -= 300.0
    worse = Caller(b.service.waiting, "worse", 6.0)
    for caller in (talks, long, worse):
        await caller.dials()
    for side in sides:
        listed: list[dict[str, Any]] = []

        def both(side: Side = side, listed: list[dict[str, Any]] = listed) -> bool:
            listed[:] = side.service.waiting.waiting(time.monotonic())
            return len(listed) == 2

        await until(both)
        assert [each["call_id"] for each in listed] == ["long", "worse"]
