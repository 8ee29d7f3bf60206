"""An alarm stands as long as its cause does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.voicebot.test_web import _Service
from voicebot import alarms
from voicebot.alarms import Alarm, in_order, of_records, of_service
from voicebot.callers.tables import LimitRow, MissedCallRow
from voicebot.duty.tables import DutyNoticeRow
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow
from voicebot.figures.tables import TopicAlarmRow
from voicebot.incidents.tables import AnnouncementRow
from voicebot.loop_lag import Lag
from voicebot.metrics.standing import Standing
from voicebot.records.tables import Base, OutboxRow, TicketRow
from voicebot.webhooks.tables import WebhookEventRow

NOON = 1_795_500_000.0
AGO = NOON - 3600.0


def message(state: str, at: float) -> OutboxRow:
    return OutboxRow(kind="dossier", handoff="h", key=f"{state}{at}", url="", payload={},
                     state=state, created_at=at, next_attempt_at=at)  # fmt: skip


def missed(state: str, danger: bool) -> MissedCallRow:
    return MissedCallRow(call_id=f"{state}{danger}", number="1", did="", at=AGO, why="danger",
                         danger=danger, state=state, next_try_at=AGO)  # fmt: skip


def notice(state: str) -> DutyNoticeRow:
    return DutyNoticeRow(id=state, key=state, line="119", region="", subject="", caller="",
                         state=state, told=1, created_at=AGO, due_at=AGO,
                         acknowledged_by="")  # fmt: skip


def envelope(state: str, at: float, priority: int) -> EnvelopeRow:
    name = f"{state}{at}{priority}"
    return EnvelopeRow(id=name, subject=name, sequence=1, priority=priority, envelope={},
                       state=state, created_at=at, next_attempt_at=at)  # fmt: skip


def received(state: str, at: float) -> InboxRow:
    return InboxRow(id=f"{state}{at}", content_hash="", subject="", sequence=1, envelope={},
                    state=state, received_at=at)  # fmt: skip


def ticket(awaited_by: float | None) -> TicketRow:
    return TicketRow(id=f"t{awaited_by}", call_id="", matter="", created_at=AGO, updated_at=AGO,
                     awaited_by=awaited_by)  # fmt: skip


def difference(state: str) -> DifferenceRow:
    return DifferenceRow(finding="late", id=state, subject="", sender="110", kind="", day="",
                         repair="person", state=state, found_at=AGO, seen_in=1)  # fmt: skip


def limit(state: str, appeal: str = "", ends_at: float = NOON + 60) -> LimitRow:
    return LimitRow(number="1", state=state, reason="silent", evidence=[], proposed_at=AGO,
                    set_at=AGO, ends_at=ends_at, appeal=appeal)  # fmt: skip


def text(**values: Any) -> AnnouncementRow:
    return AnnouncementRow(incident="i", text="x", did="", region="", proposed_by="a",
                           **{"proposed_at": AGO, **values})  # fmt: skip


def rising(at: float) -> TopicAlarmRow:
    return TopicAlarmRow(topic=1, day=f"{at:.0f}", region="", count=9, expected=1.0, chance=0.0,
                         new=False, raised_at=at)  # fmt: skip


def event(waiting_for: str | None, at: float) -> WebhookEventRow:
    return WebhookEventRow(webhook="w", id="e", event="call.ended", subject="C1", at=at, data={},
                           waiting_for=waiting_for, next_attempt_at=at)  # fmt: skip


def run(began_at: float, ended_at: float | None) -> ReconciliationRow:
    return ReconciliationRow(first_day="2026-11-25", last_day="2026-11-25", began_at=began_at,
                             ended_at=ended_at, principal="", ours=0, theirs=0, found={},
                             unsettled=0)  # fmt: skip


@pytest.mark.parametrize(
    ("code", "cause", "none"),
    [
        ("dossier_waits", message("waiting", AGO), message("delivered", AGO)),
        ("dossier_waits", message("waiting", AGO), message("waiting", NOON - 5)),
        ("missed_in_danger", missed("given_up", True), missed("waiting", False)),
        ("missed_in_danger", missed("waiting", True), missed("reached", True)),
        ("notice_unanswered", notice("alarm"), notice("acknowledged")),
        ("police_order_waits", envelope("waiting", AGO, 0), envelope("waiting", NOON, 0)),
        ("envelope_waits", envelope("waiting", AGO, 1), envelope("delivered", AGO, 1)),
        ("webhook_waits", event("w", AGO), event(None, AGO)),
        ("webhook_waits", event("w", AGO), event("w", NOON - 5)),
        ("message_not_taken", received("conflict", AGO), received("applied", AGO)),
        ("message_not_taken", received("refused", AGO), received("refused", AGO - 30 * 86400)),
        ("ticket_overdue", ticket(AGO), ticket(NOON + 60)),
        ("ticket_overdue", ticket(AGO), ticket(None)),
        ("difference_open", difference("open"), difference("mending")),
        ("appeal_open", limit("in_force", "open"), limit("in_force", "open", AGO)),
        ("limit_proposed", limit("proposed"), limit("dismissed")),
        ("announcement_to_approve", text(), text(approved_at=NOON)),
        ("topic_rising", rising(AGO), rising(AGO - 30 * 86400)),
        ("reconciliation_broken_off", run(AGO - 60, None), run(AGO - 60, AGO)),
        ("reconciliation_broken_off", run(AGO - 60, None), run(NOON - 60, None)),
    ],
)
def test_a_cause_raises_its_alarm_and_what_is_none_does_not(
    desk: Session, code: str, cause: Base, none: Base
) -> None:
    with desk.begin_nested() as nested:
        desk.merge(none)
        desk.flush()
        assert [each.code for each in of_records(desk, NOON)] == []
        nested.rollback()
    desk.merge(cause)
    desk.flush()
    (found,) = of_records(desk, NOON)
    assert (found.code, found.count) == (code, 1)
    assert found.since is not None


def test_more_than_can_be_counted_are_told_as_so_many(
    desk: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "MOST_COUNTED", 3)
    for number in range(5):
        desk.add(ticket(AGO - number))
    desk.flush()
    (found,) = of_records(desk, NOON)
    assert found.count == 3


def standing(**values: Any) -> Standing:
    usual: dict[str, Any] = {
        "calls": 1, "room": 8, "lines": 1, "lines_room": 16, "stopping": False,
        "available": True, "recognition": _Service.recognition, "lag": Lag(1.0, 2.0, 3.0),
    }  # fmt: skip
    return Standing(**{**usual, **values})


def test_a_service_that_is_well_raises_none() -> None:
    assert of_service(standing(), 0) == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"available": False}, "records_away"),
        ({"stopping": True}, "stopping"),
        ({"lines": 16}, "lines_full"),
        ({"calls": 8}, "calls_full"),
        ({"lag": Lag(1.0, 300.0, 400.0)}, "slow"),
    ],
)
def test_a_service_says_what_is_wrong_with_it(values: dict[str, Any], code: str) -> None:
    assert [each.code for each in of_service(standing(**values), 0)] == [code]


def test_who_waits_for_110_and_lines_without_figures_are_named() -> None:
    found = of_service(standing(), 2, ["12345"])
    assert found == [
        Alarm("waits_for_police", "danger", 2),
        Alarm("figures_stale", "warn", about="12345"),
    ]


def test_danger_comes_first_then_the_oldest() -> None:
    late, old, new = (
        Alarm("a", "warn", since=1.0), Alarm("b", "danger", since=1.0), Alarm("c", "danger")
    )  # fmt: skip
    assert in_order([late, new, old]) == [old, new, late]
