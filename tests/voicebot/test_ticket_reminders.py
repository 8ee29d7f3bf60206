"""Reminders (督办) come before and after a deadline, once each, and stop when it is met."""

import asyncio
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.ticket_desk import DAY, MONDAY, SUPERVISOR, act, opened, sent, steps
from voicebot.config import Settings
from voicebot.config_notices import Notices
from voicebot.duty.changing import Who, apply, plan_shifts
from voicebot.duty.notices import content, queue
from voicebot.duty.shift_file import read_shifts
from voicebot.duty.tables import DutyMessageRow, DutyNoticeRow
from voicebot.records.store import Records
from voicebot.records.tables import TicketRow
from voicebot.tickets import supervision, working_days
from voicebot.tickets.errors import ActRefused
from voicebot.tickets.reading import detail
from voicebot.tickets.reminding import Reminding, remind
from voicebot.tickets.states import Act
from voicebot.tickets.supervision import Level
from voicebot.tickets.tables import TicketReminderRow


def moment(text: str) -> float:
    return datetime.fromisoformat(f"{text}+08:00").timestamp()


def reminders(session: Session, ticket: str = "C1-t1") -> list[tuple[int, str]]:
    rows = session.scalars(
        select(TicketReminderRow)
        .where(TicketReminderRow.ticket == ticket)
        .order_by(TicketReminderRow.at)
    )
    return [(row.level, row.text) for row in rows]


def test_the_three_levels_of_a_deadline_over_a_weekend() -> None:
    friday = working_days.end_of(moment("2026-11-26T10:00"), 1)
    assert supervision.moments(friday) == (
        (moment("2026-11-27T00:00"), Level.REMIND),
        (moment("2026-11-28T00:00"), Level.SUPERVISE),
        (moment("2026-12-02T00:00"), Level.NOTICE),
    )


def test_a_ticket_is_reminded_of_before_and_after_its_deadline_once_each(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH)  # Monday 23 November; five working days: Monday the 30th
    for hour in range(0, 24 * 20, 6):
        remind(desk, MONDAY + hour * 3600.0)
    assert reminders(desk) == [
        (1, "【提醒】应于2026年11月30日前（含当日）答复诉求人，请抓紧办理。"),
        (2, "【督办】应于2026年11月30日前（含当日）答复诉求人，已超期，请立即办理并说明原因。"),
        (3, "【通报】应于2026年11月30日前（含当日）答复诉求人，已超期3个工作日，现予通报。"),
    ]
    assert [each["level"] for each in detail(desk, "C1-t1")["reminders"]] == [1, 2, 3]


def test_what_nobody_dispatches_is_reminded_of_too(desk: Session) -> None:
    opened(desk)
    remind(desk, MONDAY + 2 * DAY)
    assert reminders(desk) == [
        (2, "【督办】应于2026年11月24日前（含当日）派单，已超期，请立即办理并说明原因。")
    ]


@pytest.mark.parametrize("done", [Act.ANSWER, Act.SUSPEND, Act.WITHDRAW, Act.LINK])
def test_what_is_answered_suspended_withdrawn_or_merged_is_left_alone(
    desk: Session, done: Act
) -> None:
    opened(desk, "C2-t1")
    opened(desk)
    act(desk, Act.DISPATCH)
    act(desk, Act.ACCEPT)
    act(desk, done, main="C2-t1")
    remind(desk, MONDAY + 30 * DAY)
    assert reminders(desk) == []


def test_an_extension_moves_the_reminders(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH)
    act(desk, Act.EXTEND, days=5)
    remind(desk, MONDAY + 8 * DAY)
    assert reminders(desk) == []
    remind(desk, moment("2026-12-07T00:00"))
    assert [level for level, _ in reminders(desk)] == [1]


def test_what_was_slept_through_is_told_at_its_highest_level(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH)
    assert remind(desk, MONDAY + 30 * DAY) == 1
    assert remind(desk, MONDAY + 31 * DAY) == 0
    assert [level for level, _ in reminders(desk)] == [3]


def test_110_hears_of_it_where_it_has_a_part_in_the_matter(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH)
    order = act(desk, Act.ESCALATE).police_order
    opened(desk, "C2-t1")
    act(desk, Act.DISPATCH, "C2-t1")
    remind(desk, working_days.end_of(MONDAY, 5))
    told = sent(desk, order)
    assert [message["kind"] for message in told] == ["police_order", "supervision"]
    assert (told[1]["body"]["reason"], told[1]["body"]["level"]) == ("overdue", 2)
    assert sent(desk, "C2-t1") == []


def test_a_supervisor_orders_supervision_by_hand_with_a_reason_and_duty_is_told(
    desk: Session,
) -> None:
    opened(desk)
    act(desk, Act.DISPATCH, department="供电")
    order = act(desk, Act.ESCALATE).police_order
    due = desk.get_one(TicketRow, "C1-t1").awaited_by
    with pytest.raises(ActRefused, match="for a supervisor"):
        act(desk, Act.SUPERVISE, why="催了三次没有回音")
    row = act(desk, Act.SUPERVISE, by=SUPERVISOR, why="催了三次没有回音")
    assert (row.status, row.awaited_by) == ("dispatched", due)
    last = steps(desk)[-1]
    assert (last.act, last.who, last.why) == ("supervise", "李督办", "催了三次没有回音")
    (told,) = notices(desk)
    assert (told.line, told.text) == ("power", "【督办】催了三次没有回音。工单C1-t1。")
    body = sent(desk, order)[-1]["body"]
    assert (body["reason"], body["level"]) == ("instructed", 2)
    act(desk, Act.SUPERVISE, by=SUPERVISOR, at=MONDAY + 60.0, why="催了三次没有回音")
    assert len(notices(desk)) == 2, "the second time is told as well"


def test_a_word_that_was_pasted_with_characters_that_no_message_may_have_is_told_without_them(
    desk: Session,
) -> None:
    opened(desk)
    act(desk, Act.DISPATCH)
    order = act(desk, Act.ESCALATE).police_order
    act(desk, Act.SUPERVISE, by=SUPERVISOR, why="催了三次\x0b没有回音")
    assert sent(desk, order)[-1]["body"]["text"] == "【督办】催了三次 没有回音。"


def notices(session: Session) -> list[DutyNoticeRow]:
    return list(session.scalars(select(DutyNoticeRow).order_by(DutyNoticeRow.line)))


def test_whoever_is_on_duty_is_told_of_all_that_falls_due_together_and_not_at_night(
    desk: Session,
) -> None:
    for ticket, department in (("C1-t1", "市水务局"), ("C2-t1", "市城管局"), ("C3-t1", "供电")):
        opened(desk, ticket, region="460106")
        act(desk, Act.DISPATCH, ticket, department=department)
    for _ in range(2):
        remind(desk, moment("2026-12-01T00:00"))
    power, own = notices(desk)
    assert (power.line, power.subject, own.line) == ("power", "C3-t1", "seat")
    assert {each.region for each in (power, own)} == {"460100"}
    assert {each.due_at for each in (power, own)} == {moment("2026-12-01T08:00")}
    assert own.text == (
        "【督办】应于2026年11月30日前（含当日）答复诉求人，已超期，请立即办理并说明原因。"
        "工单C1-t1等多件。"
    )
    assert power.text.endswith("工单C3-t1。")


def test_a_reminder_says_what_is_late_and_nothing_of_the_caller(desk: Session) -> None:
    opened(desk, number="13800138000")
    remind(desk, moment("2026-11-25T09:00"))
    (notice,) = notices(desk)
    assert notice.due_at == moment("2026-11-25T09:00")
    on_duty = "线路,值班人,手机\n人工座席,王一,13800138001\n".encode()
    apply(desk, plan_shifts(desk, read_shifts(on_duty)).changes, Who("甲", "甲", ""), 1.0)
    step = queue.advance(desk, notice.id, notice.due_at, Notices(), {"sms"})
    assert step is not None
    assert notice.due_at == moment("2026-11-25T10:00"), "an hour until the next one is told"
    desk.flush()
    (message,) = desk.scalars(select(DutyMessageRow))
    said = content.message(Notices(), message.payload, "token")
    assert said["text"].startswith("12345督办：人工座席，海口市。【督办】应于2026年11月24日前")
    assert said["title"] == "12345督办 人工座席 C1-t1"
    assert "138" not in str(said)


def test_a_batch_leaves_the_rest_for_the_next(desk: Session) -> None:
    for each in range(5):
        opened(desk, f"C{each}-t1")
    assert [remind(desk, MONDAY + 2 * DAY, limit=2) for _ in range(4)] == [2, 2, 1, 0]


@given(st.integers(int(MONDAY), int(MONDAY) + 400 * 86_400), st.integers(1, 20))
def test_levels_come_in_order_and_none_is_due_before_its_moment(at: int, days: int) -> None:
    deadline = working_days.end_of(float(at), days)
    times = [when for when, _ in supervision.moments(deadline)]
    assert times == sorted(times)
    for when, level in supervision.moments(deadline):
        assert supervision.due(deadline, when) is level
        assert supervision.due(deadline, when - 1.0) is not level
    assert supervision.next_after(deadline, times[-1]) is None


async def test_the_service_writes_what_is_due(settings: Settings) -> None:
    records = await Records.open(settings)
    written = asyncio.Event()
    loop = asyncio.get_running_loop()
    records.on_written(lambda: loop.call_soon_threadsafe(written.set))
    await records.transact(lambda session: opened(session, at=MONDAY - 365 * DAY) and None)
    written.clear()
    task = asyncio.create_task(Reminding(records).run())
    try:
        async with asyncio.timeout(60):
            while not await records.read(reminders):
                await written.wait()
                written.clear()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await records.close()
