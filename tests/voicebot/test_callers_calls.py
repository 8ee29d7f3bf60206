"""What calls know of their callers, and leave about them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import datetime
from datetime import time as clock
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from flows.actions import AppealLimit, Evaluate, Route
from flows.events import CallStarted
from flows.pending import HandoffState
from flows.state import CallerTurn, State
from flows.triage import Assessment
from telephony.call_control import CallInfo, Capability, Rejection, Trunk
from telephony.scripted import ScriptedLine
from tests.voicebot.postgres import sqlite_only
from tests.voicebot.test_app import Engines as _Engines
from voicebot.app import Service
from voicebot.call.journal import Journal
from voicebot.call.live import LiveFeed
from voicebot.callers import evaluations, limits, missed, nuisance, on_call, proposing
from voicebot.callers.asking import Asking
from voicebot.callers.calling import LOST, MISSED, CallingBack
from voicebot.callers.days import end_of_limit, last_day_spoken
from voicebot.callers.limited import LimitedNumbers
from voicebot.callers.missed_rules import Window
from voicebot.callers.service import CallerService
from voicebot.callers.tables import EvaluationRow
from voicebot.clock import BEIJING
from voicebot.config import ConfigError, Settings, load_settings
from voicebot.config_callers import DialledLine
from voicebot.exchange.tables import EnvelopeRow
from voicebot.records.store import Records
from voicebot.records.tables import CallRow, TicketRow

pytestmark = pytest.mark.usefixtures("database_url")

NUMBER = "13800138000"


def service(settings: Settings, records: Records) -> CallerService:
    return CallerService(settings, records, lambda *_: False, lambda: True)


def with_callers(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "other.toml"
    file.write_text(f'[paths]\nstate = "{tmp_path / "state"}"\n{text}')
    return load_settings(file)


async def start(callers: CallerService, **info: object) -> CallStarted:
    call = CallInfo(**{"call_id": "C1", "caller": NUMBER, "did": "12345", **info})  # type: ignore[arg-type]
    return await callers.known(CallStarted(0.0, call.call_id, call.caller, call.did), call)


async def limit(records: Records) -> int:
    def work(session: Session) -> int:
        session.merge(CallRow(id="C0", caller=NUMBER, started_at=time.time()))
        session.flush()
        row = limits.set_limit(
            session,
            NUMBER,
            reason="abuse",
            evidence=["C0"],
            who="王",
            why="辱骂",
            at=time.time(),
        )
        return row.id

    return await records.transact(work)


# ── limited numbers ───────────────────────────────────────────────────────────────


async def test_a_call_of_a_limited_number_knows_it_and_its_last_day(
    settings: Settings, records: Records
) -> None:
    callers = service(settings, records)
    number = await limit(records)
    await callers.limited.refresh()
    started = await start(callers)
    assert started.limited
    assert started.limited_until == last_day_spoken(end_of_limit(time.time(), 30))
    assert not (await start(callers, caller="13900139000")).limited
    assert not (await start(callers, caller="")).limited
    assert not (await start(callers, trunk=Trunk.POLICE)).limited, "110 brings whom it brings"
    await records.transact(limits.lift, number, who="王", why="误判", at=time.time())
    await callers.limited.refresh()
    assert not (await start(callers)).limited


async def test_a_limit_ends_in_a_running_service_without_being_read_again(
    settings: Settings, records: Records
) -> None:
    await limit(records)
    known = LimitedNumbers(records)
    await known.refresh()
    end = end_of_limit(time.time(), 30)
    assert known.last_day(NUMBER, end - 1)
    assert known.last_day(NUMBER, end) == ""


async def test_a_limit_that_is_lifted_is_over_for_the_next_call(
    settings: Settings, records: Records
) -> None:
    callers = service(settings, records)
    number = await limit(records)
    await callers.limited.refresh()
    await records.transact(limits.lift, number, who="王", why="误判", at=time.time())
    assert not (await start(callers)).limited


@pytest.mark.parametrize("fault", ["hangs", "fails"])
async def test_a_database_that_hangs_or_a_reader_that_fails_leaves_nobody_limited(
    settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    callers = service(settings, records)
    await limit(records)
    await callers.limited.refresh()
    assert callers.limited.last_day(NUMBER, time.time())

    async def read(*_: object) -> None:
        if fault == "fails":
            raise ValueError
        await asyncio.Event().wait()

    monkeypatch.setattr("voicebot.callers.limited.ASKED_S", 0.01)
    monkeypatch.setattr(records, "read", read)
    running = asyncio.create_task(callers.limited.run())
    async with asyncio.timeout(60):
        while callers.limited.last_day(NUMBER, time.time()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()


@sqlite_only
async def test_with_the_database_away_nobody_is_limited(
    settings: Settings, records: Records
) -> None:
    callers = service(settings, records)
    await limit(records)
    await callers.limited.refresh()
    (settings.paths.state / "voicebot.db").rename(settings.paths.state / "gone.db")
    records._reader.dispose()
    await callers.limited.refresh()
    assert not (await start(callers)).limited


async def test_an_appeal_by_telephone_is_open_at_the_limit_once(records: Records) -> None:
    await limit(records)
    action = AppealLimit("C2-t1", "我要申诉")
    on_call.appealed(records, NUMBER, action)
    on_call.appealed(records, NUMBER, action)
    await settled(records)
    (found,) = await records.read(limits.history, NUMBER, time.time())
    assert found["appeal"] == "open"
    assert [step["why"] for step in found["steps"] if step["step"] == "appealed"] == [
        "工单 C2-t1：我要申诉"
    ]


async def settled(records: Records) -> None:
    await asyncio.gather(*records._tasks)


# ── what counts as nuisance ───────────────────────────────────────────────────────

HEARD = CallerTurn(1, "他们都在害我", transcribed=True, ended=True)
RUDE = State(
    call_id="c",
    caller=NUMBER,
    turns=(HEARD,),
    assessment=Assessment("12345", {"12345": 0.9}, "continue", flags=("drunk",)),
)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RUDE, "drunk"),
        (replace(RUDE, assessment=Assessment("12345", {}, "continue", flags=("nuisance",))),
         "harassment"),
        (State(call_id="c", caller=NUMBER, seat_failed=True), "silent"),
        (State(call_id="c", caller=NUMBER), None),
        (replace(RUDE, caller=""), None),
        (replace(RUDE, trunk="110"), None),
        (replace(RUDE, calling="missed"), None),
        (State(call_id="c", caller=NUMBER, seat_failed=True, calling="danger"), None),
        (replace(RUDE, answered=1), None),
        (replace(RUDE, reached="seat"), None),
        (replace(RUDE, ticket_written=True), None),
    ],
)  # fmt: skip
def test_what_a_call_counts_as(state: State, expected: str | None) -> None:
    assert nuisance.of_call(state) == expected


@pytest.mark.parametrize(
    "danger",
    [
        {"doubt": 0.2},
        {"asked_danger": 1},
        {"distress": ("scream",)},
        {"assessment": Assessment("110_now", {}, "handoff", flags=("drunk", "nuisance"))},
        {"assessment": Assessment("110", {}, "handoff", flags=("drunk",))},
    ],
    ids=["doubt", "asked", "distress", "danger", "police"],
)
def test_a_call_in_which_danger_came_up_never_counts(danger: dict[str, object]) -> None:
    assert nuisance.of_call(replace(RUDE, **danger)) is None  # type: ignore[arg-type]


async def test_calls_propose_a_limit_by_themselves_and_wait_for_a_person(records: Records) -> None:
    for n in range(3):
        on_call.ended(records, replace(RUDE, call_id=f"N{n}"), "12345", Window(), 0.0)
    await settled(records)
    (found,) = await records.read(limits.listed, time.time())
    assert (found["state"], found["reason"]) == ("proposed", "drunk")
    assert await records.read(limits.in_force, time.time()) == {}
    assert len(await records.read(proposing.counts, time.time())) == 1


# ── missed ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("why", "listed"),
    [(Rejection.FULL, True), (Rejection.STOPPING, True), (Rejection.TOO_MANY, False)],
)
async def test_who_was_refused_for_want_of_room_is_missed(
    settings: Settings, records: Records, why: Rejection, listed: bool
) -> None:
    service(settings, records).turned_away(CallInfo("C1", "+8613800138000", "12345"), why)
    await settled(records)
    found = await records.read(missed.listed, time.time())
    assert [(each["number"], each["why"]) for each in found] == [(NUMBER, "refused")] * listed


async def test_the_answered_call_back_is_a_call_that_says_why(
    settings: Settings, records: Records
) -> None:
    callers = service(settings, records)
    assert (await start(callers, called=MISSED + "C0")).calling == "missed"
    assert (await start(callers, called=LOST + "C0")).calling == "danger"
    assert (await start(callers, called="C0-h1")).calling == ""


# ── lines ─────────────────────────────────────────────────────────────────────────

OFFICE = DialledLine.model_validate(
    {"did": "12333", "opens": "08:00", "closes": "18:00", "weekdays": [1, 2, 3, 4, 5]}
)
NIGHT = DialledLine.model_validate(
    {"did": "1", "opens": "20:00", "closes": "06:00", "weekdays": [5]}
)


@pytest.mark.parametrize(
    ("line", "when", "closed"),
    [
        (OFFICE, "2026-11-02 08:00", False),  # a Monday
        (OFFICE, "2026-11-02 07:59", True),
        (OFFICE, "2026-11-02 18:00", True),
        (OFFICE, "2026-11-01 12:00", True),
        (NIGHT, "2026-11-06 23:00", False),
        (NIGHT, "2026-11-07 05:59", False),
        (NIGHT, "2026-11-07 06:00", True),
        (NIGHT, "2026-11-07 20:00", True),
        (NIGHT, "2026-11-06 05:00", True),
        (DialledLine(did="12345"), "2026-11-01 03:00", False),
    ],
)
def test_a_line_is_open_in_its_hours(line: DialledLine, when: str, closed: bool) -> None:
    moment = datetime.fromisoformat(when).replace(tzinfo=BEIJING)
    assert line.closed_at(moment) == closed


async def test_a_cancelled_number_is_served_as_the_line_it_went_into(
    settings: Settings, records: Records
) -> None:
    callers = service(settings, records)
    started = await start(callers, did="96377")
    assert (started.did, started.serves_as) == ("96377", "12345")
    assert (await start(callers, did="12333")).serves_as == ""


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('did = "1"\nmerged_into = "2"', "no line here"),
        ('did = "1"\nopens = "08:00"', "belong together"),
        ('did = "1"\nopens = "08:00"\ncloses = "08:00"', "the same"),
        ('did = "1"\nweekdays = [0]', "1 .Monday. to 7"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        with_callers(tmp_path, f"[[lines]]\n{line}")


# ── evaluations ───────────────────────────────────────────────────────────────────


async def test_nobody_is_asked_for_an_evaluation_unless_it_is_set(
    settings: Settings, records: Records
) -> None:
    assert not (await start(service(settings, records))).evaluates


async def test_a_number_that_was_asked_is_left_alone_for_thirty_days(
    tmp_path: Path, settings: Settings, records: Records
) -> None:
    callers = service(with_callers(tmp_path, "[callers]\nevaluate_calls = true"), records)
    assert (await start(callers)).evaluates
    assert not (await start(callers, caller="")).evaluates
    on_call.evaluated(records, "C1", NUMBER, Evaluate())
    await settled(records)
    assert not (await start(callers)).evaluates
    await records.transact(_asked_earlier, 31)
    assert (await start(callers)).evaluates


def _asked_earlier(session: Session, days: int) -> None:
    for row in session.scalars(select(EvaluationRow)):
        row.asked_at -= days * 86400


async def test_the_first_reply_of_a_call_counts_however_its_writes_come(
    settings: Settings, records: Records
) -> None:
    on_call.evaluated(records, "C1", NUMBER, Evaluate("C1-t1", 2, "key"))
    on_call.evaluated(records, "C1", NUMBER, Evaluate("C1-t1"))
    on_call.evaluated(records, "C1", NUMBER, Evaluate("C1-t1", 3, "voice"))
    await settled(records)
    (found,) = await records.read(evaluations.listed)
    assert (found["score"], found["via"], found["ticket"]) == (2, "key", "C1-t1")


@sqlite_only
async def test_with_the_database_away_nobody_is_asked(tmp_path: Path, records: Records) -> None:
    callers = service(with_callers(tmp_path, "[callers]\nevaluate_calls = true"), records)
    (tmp_path / "state" / "voicebot.db").rename(tmp_path / "state" / "gone.db")
    records._reader.dispose()
    assert not (await start(callers)).evaluates


# ── finished tickets ──────────────────────────────────────────────────────────────


def finished(session: Session, /, **changes: object) -> None:
    """A ticket that was answered two hours ago."""
    now = time.time()
    values = {
        "id": "T-1",
        "call_id": "C0",
        "matter": "路灯坏了",
        "number": NUMBER,
        "created_at": now - 90000,
        "updated_at": now - 90000,
        "status": "answered",
        "answered_at": now - 7200,
    }
    session.add(TicketRow(**{**values, **changes}))


def endpoint(records: Records) -> tuple[ScriptedLine, CallingBack]:
    """A line that can call out at any hour, not yet seen."""
    always = Window(clock(0), clock(23, 59, 59, 999999))
    capable = frozenset({Capability.CALLS_OUT})
    line = ScriptedLine(CallInfo("c-9", "x", "12345"), capabilities=capable)
    return line, CallingBack(records, "carrier", always, 2, lambda *_: False, lambda: True)


async def asked(records: Records, at: float | None = None) -> list[str]:
    now = time.time() if at is None else at
    found = await records.read(evaluations.to_ask, now, now - 30 * 86400)
    return [ask.ticket for ask in found]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"status": "closed"}, True),
        ({"status": "working", "answered_at": None}, False),
        ({"answered_at": time.time() - 60}, False),
        ({"answered_at": time.time() - 8 * 86400}, False),
        ({"number": ""}, False),
        ({"confidential": True}, False),
        ({"escalated_at": time.time()}, False),
    ],
    ids=["answered", "closed", "open", "just now", "long ago", "no number", "confidential", "110"],
)
async def test_whose_ticket_is_finished_is_asked(
    records: Records, changes: dict[str, object], wanted: bool
) -> None:
    await records.transact(finished, **changes)
    assert await asked(records) == ["T-1"] * wanted


async def test_a_caller_is_called_about_a_ticket_once_and_asked_at_the_start(
    tmp_path: Path, settings: Settings, records: Records
) -> None:
    callers = service(settings, records)
    line = ScriptedLine(
        CallInfo("c-9", "x", "12345"), capabilities=frozenset({Capability.CALLS_OUT})
    )
    line.ends_of_calls_out = ["no_answer"]
    always = Window(clock(0), clock(23, 59, 59, 999999))
    calling = CallingBack(records, "carrier", always, 2, lambda *_: False, lambda: True)
    asking = Asking(records, calling, "12345", 30, lambda *_: False)
    await records.transact(finished)
    await asking.once(time.time())
    assert line.calls_out == [], "no endpoint is known yet"
    calling.seen(line)
    await asking.once(time.time())
    await asking.once(time.time())
    ((_, number, did, reference),) = line.calls_out
    assert (number, did) == (NUMBER, "12345")
    started = await start(callers, called=reference)
    assert (started.calling, started.about) == ("evaluation", "T-1")


@pytest.mark.parametrize("number", ["+85223456789", "95598", "anonymous", "1380013"])
async def test_numbers_that_nobody_can_call_hold_up_nobody_behind_them(
    records: Records, number: str
) -> None:
    line, calling = endpoint(records)
    calling.seen(line)
    now = time.time()

    def many(session: Session) -> None:
        for each in range(450):
            finished(session, id=f"T{each:03}", number=number, answered_at=now - 90_000 + each)
        finished(session, id="T-fit", answered_at=now - 7200)

    await records.transact(many)
    await Asking(records, calling, "12345", 30, lambda *_: False).once(now)
    assert [called for _, called, _, _ in line.calls_out] == [NUMBER]


async def test_of_two_services_one_asks_about_a_ticket(records: Records) -> None:
    line, calling = endpoint(records)
    calling.seen(line)
    await records.transact(finished)
    asking = [Asking(records, calling, "12345", 30, lambda *_: False) for _ in range(2)]
    await asyncio.gather(*(each.once(time.time()) for each in asking), return_exceptions=True)
    assert len(line.calls_out) == 1


async def test_a_limited_number_is_not_called_for_an_evaluation(records: Records) -> None:
    line = ScriptedLine(
        CallInfo("c-9", "x", "12345"), capabilities=frozenset({Capability.CALLS_OUT})
    )
    always = Window(clock(0), clock(23, 59, 59, 999999))
    calling = CallingBack(records, "carrier", always, 2, lambda *_: False, lambda: True)
    calling.seen(line)
    await records.transact(finished)
    await Asking(records, calling, "12345", 30, lambda *_: True).once(time.time())
    assert line.calls_out == []


@pytest.mark.parametrize(("channel", "told"), [("110", 1), ("telephone", 0)])
async def test_110_is_told_how_content_the_caller_of_its_matter_is_once(
    records: Records, channel: str, told: int
) -> None:
    await records.transact(finished, channel=channel)
    for _ in range(2):
        on_call.evaluated(records, "C1", NUMBER, Evaluate("T-1", 3, "key"))
        await settled(records)
    sent = await records.read(_sent)
    assert sent == [("T-1", 2)] * told


def _sent(session: Session) -> list[tuple[str, int]]:
    rows = session.scalars(select(EnvelopeRow))
    return [(row.subject, row.envelope["body"]["score"]) for row in rows]


# ── as calls do it ────────────────────────────────────────────────────────────────


async def test_what_a_call_decides_about_its_caller_is_on_record_when_it_is_over(
    records: Records,
) -> None:
    journal = Journal(records, LiveFeed(), lambda say: say.prompt or "")
    await journal.start(CallStarted(0.0, "C1", NUMBER, "12333"), "")
    journal.evaluated(Evaluate("", 1, "voice"))
    seat = HandoffState("C1-h1", "requested_human", (Route("seat", "seat"),), "")
    await journal.finish(State(call_id="C1", caller=NUMBER, did="12333", handoff=seat))
    await settled(records)
    (judged,) = await records.read(evaluations.listed)
    assert (judged["call_id"], judged["score"]) == ("C1", 1)
    (lost,) = await records.read(missed.listed, time.time())
    assert (lost["call_id"], lost["did"], lost["why"]) == ("C1", "12333", "queue")


@sqlite_only
async def test_the_service_tells_each_call_what_is_known_of_its_caller_and_its_line(
    settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[CallStarted] = []

    class Engines(_Engines):
        def text(self, *_: object) -> str:
            return ""

    class Session:
        lines_in_use, left = 0, False

        def __init__(self, _line: object, start: CallStarted, **_: object) -> None:
            begun.append(start)

        async def run(self, *_: object) -> None:
            pass

    monkeypatch.setattr("voicebot.app.CallSession", Session)
    serving = Service(settings, Engines(), records, None, None)  # type: ignore[arg-type]
    await limit(records)
    await serving.callers.limited.refresh()
    await serving.take(ScriptedLine(CallInfo("C1", "+86 138 0013 8000", "96377")))
    await serving.take(ScriptedLine(CallInfo("C2", "13900139000", "12345")))
    first, second = begun
    assert (first.limited, first.did, first.serves_as) == (True, "96377", "12345")
    assert (second.limited, second.closed, second.serves_as) == (False, False, "")
    serving._admission.stop()
    await serving.take(ScriptedLine(CallInfo("C3", "13900139000", "12345")))
    await settled(records)
    assert [each["call_id"] for each in await records.read(missed.listed, time.time())] == ["C3"]
