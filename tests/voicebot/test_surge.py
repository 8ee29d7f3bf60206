"""Offered calls go to seats, remote seats, the bot or a call-back, and it is on record why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from flows.surge import Destination, Mode, Reason
from telephony.call_control import CallInfo, IncomingCall, QueueState, Rejection, Trunk
from telephony.scripted import ScriptedLine
from tests.voicebot.test_app import Engines
from voicebot.admission import Room
from voicebot.app import Service
from voicebot.call_backs import CallBacks
from voicebot.callers import missed
from voicebot.callers.missed_rules import LOST_S
from voicebot.config import ConfigError, Settings, load_settings
from voicebot.figures.tables import DivertedCallRow
from voicebot.records.store import Records
from voicebot.surge import orders
from voicebot.surge.arrivals import Arrivals
from voicebot.surge.board import Board, SeatReport
from voicebot.surge.control import SurgeControl
from voicebot.surge.decisions import decision_of
from voicebot.surge.measured import Measured
from voicebot.surge.orders import Order, OrderRefused

pytestmark = pytest.mark.usefixtures("database_url")

HAIKOU, SANYA, LINE = "460100", "460200", "12345"
QUEUES = f"""
[[surge.queues]]
line = "{LINE}"
name = "agents"
region = "{HAIKOU}"
trunk = "seats"
[[surge.queues]]
line = "{LINE}"
name = "agents-sanya"
region = "{SANYA}"
local = false
"""
NONE_FREE, SOME_FREE = QueueState(10, 0, 5), QueueState(10, 3, 0)


def configured(settings: Settings, tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "surge.toml"
    file.write_text(
        f'[paths]\nstate = "{settings.paths.state}"\n'
        f'[database]\nurl = "{settings.database_url}"\n{text}'
    )
    return load_settings(file)


class Desk:
    """A service whose bot answers at once, and lines that call it."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self.answered: list[str] = []
        self.records = records
        self.service = Service(settings, Engines(), records, None, None)  # type: ignore[arg-type]
        self.lines: list[ScriptedLine] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def call(
        self, number: str = "", trunk: Trunk = Trunk.PUBLIC, **queues: QueueState
    ) -> ScriptedLine:
        """A caller; returns once it is decided who takes the call."""
        name = f"c-{len(self.lines)}"
        line = ScriptedLine(
            CallInfo(name, number or f"1380013{len(self.lines):04}", LINE, trunk=trunk)
        )
        return await self._offered(line, queues)

    async def again(self, line: ScriptedLine, **queues: QueueState) -> ScriptedLine:
        """Nobody has answered this caller, whom the queue gives back; returns as `call` does."""
        line.nobody_answers()
        await self.tasks[self.lines.index(line)]
        return await self._offered(ScriptedLine(replace(line.info, waited=True)), queues)

    async def _offered(self, line: ScriptedLine, queues: dict[str, QueueState]) -> ScriptedLine:
        line.queues = {key.replace("_", "-"): state for key, state in queues.items()}
        self.lines.append(line)
        task = asyncio.create_task(self.service.take(line))
        self.tasks.append(task)
        while not (  # noqa: ASYNC110 - one of four things, of which three have no event
            task.done() or line.rejected or line.diverted or line.info.call_id in self.answered
        ):
            await asyncio.sleep(0.01)
        return line

    async def end(self, line: ScriptedLine) -> None:
        line.caller_hangs_up()
        await self.tasks[self.lines.index(line)]

    async def decided(self, line: ScriptedLine) -> dict[str, Any] | None:
        await asyncio.gather(*self.records._tasks)
        return await self.records.read(decision_of, line.info.call_id)

    async def became(self) -> list[tuple[str, bool, str]]:
        """Of the calls given to people: id, whether a call-back was promised, their end."""
        await asyncio.gather(*self.records._tasks)
        row = DivertedCallRow
        return await self.records.read(
            lambda s: [
                tuple(each)
                for each in s.query(row.call_id, row.call_back, row.became).order_by(row.call_id)
            ]
        )

    async def missed(self) -> list[tuple[str, str, str]]:
        await asyncio.gather(*self.records._tasks)
        found = await self.records.read(lambda s: missed.listed(s, time.time(), everything=True))
        return [(each["call_id"], each["why"], each["state"]) for each in found]


@pytest.fixture
def open_desk(
    settings: Settings, records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Desk]:
    def made(text: str = QUEUES) -> Desk:
        desk = Desk(configured(settings, tmp_path, text), records)

        async def serve(self: Service, call: IncomingCall, info: CallInfo, *_: float) -> None:
            desk.answered.append(info.call_id)
            await call.closed()

        monkeypatch.setattr(Service, "_serve", serve)
        return desk

    return made


# ── where calls go ───────────────────────────────────────────────────────────────────


async def test_without_figures_the_bot_answers_and_nothing_is_kept(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk("")
    line = await desk.call()
    assert desk.answered == ["c-0"]
    assert await desk.decided(line) is None
    await desk.end(line)


async def test_without_figures_a_full_bot_refuses_as_ever(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk("[admission]\ncalls = 1\n")
    first, second = await desk.call(), await desk.call()
    assert second.rejected is Rejection.FULL
    assert second.diverted is None
    await desk.end(first)


async def test_a_free_seat_takes_the_call_and_the_bot_what_would_wait(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    bot = await desk.call(agents=NONE_FREE)
    assert desk.answered == ["c-0"]
    seat = await desk.call(agents=SOME_FREE)
    assert seat.diverted == ("agents", HAIKOU, False)
    decided = await desk.decided(bot)
    assert decided is not None
    assert decided["because"] == ("坐席已满，预计等待77秒，超过10秒上限，由机器人接听。")
    for line in (seat, bot):
        await desk.end(line)


async def test_seats_of_another_region_have_a_queue_of_their_own(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    line = await desk.call(agents=NONE_FREE, agents_sanya=QueueState(8, 4, 0))
    assert line.diverted == ("agents-sanya", SANYA, False)
    await desk.end(line)


async def test_a_burst_does_not_take_the_same_seats_twice(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.surge.control.QUEUE_SETTLES_S", 60.0)
    desk = open_desk()
    lines = [await desk.call(agents=QueueState(10, 2, 0)) for _ in range(3)]
    decided = [await desk.decided(line) for line in lines]
    assert [each and each["destination"] for each in decided] == [
        "local_seat",
        "local_seat",
        "bot",
    ]
    for line in lines:
        await desk.end(line)


async def test_a_pbx_that_does_not_answer_leaves_the_call_to_the_bot(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    line = await desk.call()  # no queue of this name
    assert desk.answered == ["c-0"]
    await desk.end(line)


async def test_a_transfer_by_the_police_is_never_sent_to_seats(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    line = await desk.call(trunk=Trunk.POLICE, agents=SOME_FREE)
    assert desk.answered == ["c-0"]
    await desk.end(line)


async def test_who_is_called_back_in_danger_and_rings_again_finds_a_place(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CallBacks, "pending", lambda _, number: number == "13800138000")
    desk = open_desk("[admission]\ncalls = 1\n" + QUEUES)
    bot = await desk.call(agents=NONE_FREE)
    danger = await desk.call("13800138000", agents=SOME_FREE)
    assert desk.answered == ["c-0", "c-1"]
    for line in (bot, danger):
        await desk.end(line)


async def test_one_number_takes_only_so_many_seats(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("[admission]\nper_number = 1\n" + QUEUES)
    first = await desk.call("13800138000", agents=SOME_FREE)
    second = await desk.call("13800138000", agents=SOME_FREE)
    assert first.diverted
    assert second.rejected is Rejection.TOO_MANY
    await desk.end(first)


async def test_figures_of_an_acd_count_until_they_are_stale(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk("")
    report = SeatReport.model_validate(
        {"line": LINE, "groups": [{"region": HAIKOU, "staffed": 10, "free": 3}]}
    )
    desk.service.surge.board.tell(report, time.time())
    fresh = await desk.call()
    assert fresh.diverted == ("", HAIKOU, False)
    desk.service.surge.board.tell(report, time.time() + 1)
    desk.service.surge.board._told[LINE] = desk.service.surge.board._told[LINE].__class__(
        report, time.time() - 16, 0.0
    )
    stale = await desk.call()
    assert desk.answered == ["c-1"]
    for line in (fresh, stale):
        await desk.end(line)


async def test_a_remote_seat_takes_an_outgoing_line(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    line = await desk.call(agents=NONE_FREE, agents_sanya=QueueState(8, 4, 0))
    assert desk.service.occupancy.lines == 1
    await desk.end(line)
    assert desk.service.occupancy.lines == 0


async def test_a_fault_of_surge_control_leaves_the_call_to_the_bot(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(desk.service.surge.board, "tell", broken)
    line = await desk.call(agents=SOME_FREE)
    assert desk.answered == ["c-0"]
    await desk.end(line)


# ── who waits in vain is called back ─────────────────────────────────────────────────


async def test_who_hangs_up_in_the_queue_was_missed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    line = await desk.call(agents=SOME_FREE)
    await desk.end(line)
    assert await desk.missed() == [("c-0", "queue", "waiting")]
    assert await desk.became() == [("c-0", False, "gone")]


async def test_whom_a_process_that_dies_leaves_in_the_queue_is_called_back_later(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    began = time.time()
    await desk.call("13800138000", agents=SOME_FREE)
    desk.tasks[0].cancel()
    await asyncio.gather(*desk.tasks, return_exceptions=True)
    assert await desk.missed() == [("c-0", "queued", "waiting")]

    async def open_at(seconds: float) -> list[str]:
        found = await desk.records.read(missed.listed, began + seconds)
        return [each["call_id"] for each in found]

    assert await open_at(LOST_S - 60) == [], "perhaps a seat has answered, or is about to"
    assert await open_at(86_400) == ["c-0"]
    (due,) = await desk.records.read(missed.due, began + 86_400)
    assert (due.number, due.call_id) == ("13800138000", "c-0")


async def test_nobody_is_in_the_queue_whose_number_is_not_on_record(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()
    before: list[list[tuple[str, str, str]]] = []

    async def divert(line: ScriptedLine, queue: str, region: str, *, call_back: bool) -> None:
        before.append(await desk.missed())
        line.diverted = queue, region, call_back

    monkeypatch.setattr(ScriptedLine, "divert", divert)
    line = await desk.call(agents=SOME_FREE)
    assert before == [[("c-0", "queued", "waiting")]]
    line.person_answers()
    await desk.end(line)


async def test_a_hidden_number_waits_in_the_queue_and_is_on_no_list(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    line = ScriptedLine(CallInfo("c-0", "", LINE))
    line.queues = {"agents": SOME_FREE}
    task = asyncio.create_task(desk.service.take(line))
    while not line.diverted:  # noqa: ASYNC110 - see Desk.call
        await asyncio.sleep(0.01)
    assert await desk.missed() == []
    line.caller_hangs_up()
    await task
    assert await desk.missed() == []


async def test_whom_no_seat_has_answered_the_bot_answers(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    line = await desk.call(agents=SOME_FREE)
    again = await desk.again(line, agents=SOME_FREE)
    assert desk.answered == ["c-0"]
    decided = await desk.decided(line)
    assert decided is not None
    assert decided["because"] == "已转人工坐席，但无人应答，由机器人接听。"
    assert await desk.became() == [("c-0", False, "returned")]
    assert await desk.missed() == []
    await desk.end(again)


async def test_whom_a_person_has_answered_was_not(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk()
    line = await desk.call(agents=SOME_FREE)
    assert await desk.became() == [("c-0", False, "")]
    line.person_answers()
    await desk.end(line)
    assert await desk.missed() == []
    assert await desk.became() == [("c-0", False, "met")]


async def test_a_call_back_is_on_record_before_it_is_offered_and_off_it_when_served(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk("[admission]\ncalls = 1\n" + QUEUES)
    full = QueueState(2, 0, 40)
    bot = await desk.call(agents=full)
    line = await desk.call(agents=full)
    assert line.diverted == ("agents", "", True)
    assert await desk.missed() == [("c-1", "surge", "waiting")]
    line.person_answers()
    await desk.end(line)
    assert await desk.missed() == [("c-1", "surge", "reached")]
    assert await desk.became() == [("c-1", True, "met")]
    await desk.end(bot)


async def test_a_call_back_is_told_once_however_often_the_caller_waits(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk("[admission]\ncalls = 1\n" + QUEUES)
    full = QueueState(2, 0, 40)
    bot = await desk.call(agents=full)
    line = await desk.call(agents=full)
    told = [line.diverted]
    for _ in range(2):
        line = await desk.again(line, agents=full)
        told.append(line.diverted)
    assert told == [("agents", "", True), ("agents", "", False), ("agents", "", False)]
    assert await desk.missed() == [("c-1", "surge", "waiting")], "what was promised stands"
    line.person_answers()
    await desk.end(line)
    assert await desk.missed() == [("c-1", "surge", "reached")]
    await desk.end(bot)


async def test_what_a_caller_was_told_is_forgotten_when_he_is_turned_away(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk("[admission]\ncalls = 1\n" + QUEUES)
    full = QueueState(2, 0, 40)
    bot = await desk.call(agents=full)
    line = await desk.call(agents=full)
    line.nobody_answers()
    await desk.tasks[-1]
    assert desk.service._diverting._told == {"c-1"}
    desk.service._admission.stop()
    again = ScriptedLine(replace(line.info, waited=True))
    again.queues = {"agents": full}
    await desk.service.take(again)
    assert again.rejected is Rejection.STOPPING
    assert desk.service._diverting._told == set()
    await desk.end(bot)


async def test_who_first_expected_a_short_wait_is_told_when_it_has_become_long(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk("[admission]\ncalls = 1\n" + QUEUES)
    bot = await desk.call(agents=QueueState(2, 0, 40))
    line = await desk.call(agents=SOME_FREE)
    assert line.diverted == ("agents", HAIKOU, False)
    again = await desk.again(line, agents=QueueState(2, 0, 40))
    assert again.diverted == ("agents", "", True)
    await desk.end(again)
    assert await desk.missed() == [("c-1", "surge", "waiting")]
    await desk.end(bot)


async def test_a_caller_who_waits_in_the_queue_is_not_called_back_meanwhile(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    line = await desk.call("13800138000", agents=SOME_FREE)
    assert desk.service._admission.calling("13800138000", ())
    await desk.end(line)
    assert not desk.service._admission.calling("13800138000", ())


# ── orders by hand ───────────────────────────────────────────────────────────────────


def give(order: Order, line: str = "", minutes: float = 60.0, why: str = "台风") -> Any:
    at = time.time()

    def work(session: Session) -> None:
        orders.give(
            session, order, line=line, who="王班长", why=why, at=at, until=at + 60 * minutes
        )

    return work


async def test_an_order_counts_in_new_calls_and_its_author_is_named(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk()
    await desk.records.transact(give(Order.BOT))
    await desk.service.surge.refresh()
    line = await desk.call(agents=SOME_FREE)
    decided = await desk.decided(line)
    assert decided is not None
    assert decided["because"] == "王班长手动设定为“机器人优先”（台风），由机器人接听。"
    await desk.end(line)


async def test_a_newer_order_ends_the_older_and_a_line_goes_before_all_lines(
    records: Records,
) -> None:
    for order, line in ((Order.BOT, ""), (Order.SEATS, ""), (Order.NORMAL, LINE)):
        await records.transact(give(order, line))
    standing = await records.read(orders.in_force, time.time())
    assert [(each.order, each.line) for each in standing] == [
        (Order.NORMAL, LINE),
        (Order.SEATS, ""),
    ]
    found = orders.override(standing, LINE, time.time())
    assert found is not None
    assert found.force.value == "normal"


async def test_the_kind_of_day_stands_beside_who_answers(records: Records) -> None:
    for order in (Order.TYPHOON, Order.BOT):
        await records.transact(give(order))
    standing, at = await records.read(orders.in_force, time.time()), time.time()
    assert orders.situation(standing, LINE, at) == "typhoon"
    found = orders.override(standing, LINE, at)
    assert found is not None
    assert found.force.value == "bot"


@pytest.mark.parametrize(("minutes", "why"), [(60, " "), (-1, "台风"), (8 * 24 * 60, "台风")])
async def test_an_order_has_a_reason_and_an_end(records: Records, minutes: float, why: str) -> None:
    with pytest.raises(OrderRefused):
        await records.transact(give(Order.BOT, minutes=minutes, why=why))


# ── figures ──────────────────────────────────────────────────────────────────────────


def test_arrivals_are_counted_over_five_minutes() -> None:
    arrivals = Arrivals(0.0)
    for second in range(0, 600, 10):
        arrivals.note(LINE, float(second))
    assert arrivals.per_min(LINE, 600.0) == pytest.approx(6.0)
    assert arrivals.per_min(LINE, 2000.0) == 0
    assert arrivals.per_min("12333", 600.0) == 0


def test_figures_that_come_late_do_not_replace_newer_ones() -> None:
    board = Board(Measured(180, 120))
    new = {"line": LINE, "groups": [], "waiting": 7}
    board.tell(SeatReport.model_validate(new), 100.0)
    board.tell(SeatReport.model_validate({**new, "waiting": 1, "age_s": 9.0}), 105.0)
    seats, age = board.seats(LINE, 103.0, 2.0)
    assert seats is not None
    assert (seats.waiting, seats.arrivals_per_min, age) == (7, 2.0, 3.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": [{"region": HAIKOU, "staffed": 1, "free": 2}]},
        {"groups": [{"region": "海口", "staffed": 1, "free": 1}]},
        {"groups": 2 * [{"region": HAIKOU, "staffed": 1, "free": 1}]},
        {"groups": [], "waiting": -1},
        {"groups": [], "oldest_wait_s": float("nan")},
        {"groups": [], "callers": ["13800138000"]},
    ],
)
def test_figures_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        SeatReport.model_validate({"line": LINE, **wrong})


def test_service_and_patience_are_measured() -> None:
    measured = Measured(180, 120)
    for _ in range(2000):
        measured.talked(LINE, 60)
        measured.waited(LINE, 10, gave_up=False)
        measured.waited(LINE, 10, gave_up=True)
    assert measured.service_s(LINE) == pytest.approx(60, rel=0.01)
    assert measured.patience_s(LINE) == pytest.approx(20, rel=0.01)


def test_a_day_on_which_hardly_anybody_waits_tells_nothing_of_patience() -> None:
    measured = Measured(180, 120)
    for _ in range(10_000):
        measured.waited(LINE, 0, gave_up=False)
    measured.waited(LINE, 3, gave_up=False)
    assert measured.patience_s(LINE) == pytest.approx(120, rel=0.01)


# ── settings ─────────────────────────────────────────────────────────────────────────


def test_a_line_has_a_policy_of_its_own(settings: Settings, tmp_path: Path) -> None:
    text = '[surge]\nhold_s = 60\n[[surge.lines]]\nline = "12333"\nbot_first = true\n'
    surge = configured(settings, tmp_path, text).surge
    assert (surge.policy("12333", 2).bot_first, surge.policy("12333", 2).hold_s) == (True, 60)
    assert not surge.policy(LINE, 2).bot_first
    assert surge.policy(LINE, 3).reserve == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[surge.lines]]\nline = "99999"\n', "no line here"),
        ("[surge]\nenter_wait_s = 5\nleave_wait_s = 5\n", "leave_wait_s"),
        (QUEUES.replace(SANYA, HAIKOU), "two queues of one region"),
        (QUEUES.replace("agents-sanya", "a,b"), "surge.queues"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    settings: Settings, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        configured(settings, tmp_path, text)


def test_modes_and_reasons_fit_their_columns() -> None:
    assert max(map(len, Destination)) <= 12
    assert max(map(len, Reason)) <= 20
    assert max(map(len, Mode)) <= 8
    assert max(map(len, Order)) <= 12


@pytest.mark.leaping_time
async def test_orders_are_followed_although_one_of_them_could_not_be_read(
    settings: Settings,
) -> None:
    reads: list[int] = []

    class Unreadable:
        async def read(self, *_: Any) -> Any:
            reads.append(1)
            if len(reads) == 2:
                raise ValueError("'storm' is no order")
            return []

    records: Any = Unreadable()
    surge = SurgeControl(settings, records, lambda: Room(0, 1, 1, 0), lambda *_: False, bool)
    following = asyncio.create_task(surge.run())
    await asyncio.sleep(30.0)
    assert not following.done()
    assert len(reads) > 2
    following.cancel()
