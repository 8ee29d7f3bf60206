"""Lists of the duty desk in pages: together all of a list, each row once, in its order."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from voicebot.callers import limits, missed
from voicebot.callers.tables import LimitRow, LimitStepRow, MissedCallRow
from voicebot.exchange.reconciliation import queue
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow
from voicebot.incidents import reading
from voicebot.incidents.tables import IncidentMemberRow, IncidentRow
from voicebot.web.console.duty.surge_view import line_view

NOON = 1_795_500_000.0


def limit(session: Session, state: str, **values: Any) -> int:
    usual = {"number": "13800138000", "reason": "silent", "evidence": [], "proposed_at": NOON,
             "ends_at": NOON + 60}  # fmt: skip
    row = LimitRow(state=state, **{**usual, **values})
    session.add(row)
    session.flush()
    return row.id


def test_limits_by_page_newest_first_with_their_steps(desk: Session) -> None:
    proposed, over, in_force = (
        limit(desk, "proposed"),
        limit(desk, "in_force", ends_at=NOON - 1),
        limit(desk, "in_force", appeal="open"),
    )
    desk.add(LimitStepRow(limit_id=in_force, at=NOON, step="set", who="李", why="反复", key="k"))
    desk.flush()

    def found(**how: Any) -> list[int]:
        return [each["id"] for each in limits.page(desk, NOON, **how)]

    assert found() == [in_force, proposed]
    assert found(which="appeals") == [in_force]
    assert found(which="all") == [in_force, over, proposed]
    assert found(which="all", most=1, before=in_force) == [over]
    (newest, *_) = limits.page(desk, NOON)
    assert [step["step"] for step in newest["steps"]] == ["set"]


@pytest.mark.parametrize("most", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("everything", "order"),
    [(False, ["d1", "d2", "c1", "c2"]), (True, ["c3", "c2", "d2", "d1", "c1"])],
)
def test_missed_calls_by_page_danger_first(
    desk: Session, most: int, everything: bool, order: list[str]
) -> None:
    for name, minute, danger, state in (
        ("c1", 0, False, "waiting"), ("d1", 1, True, "given_up"), ("d2", 2, True, "waiting"),
        ("c2", 3, False, "waiting"), ("c3", 4, False, "reached"),
    ):  # fmt: skip
        at = NOON + 60 * minute
        desk.add(MissedCallRow(call_id=name, number="1", did="", at=at, why="queue",
                               danger=danger, state=state, next_try_at=at))  # fmt: skip
    desk.flush()
    found: list[str] = []
    after = None
    while True:
        page = missed.page(desk, everything=everything, after=after, most=most)
        found += [each["call_id"] for each in page]
        if len(page) < most:
            break
        after = missed.page_key(page[-1])
    assert found == order


def test_differences_and_reconciliations_by_page(desk: Session) -> None:
    for number, day in enumerate(("2026-11-25", "2026-11-24", "2026-11-24"), 1):
        desk.add(DifferenceRow(finding="late", id=f"m{number}", subject="", sender="110", kind="",
                               day=day, repair="person", state="open", found_at=NOON,
                               seen_in=1))  # fmt: skip
        desk.add(ReconciliationRow(first_day=day, last_day=day, began_at=NOON, principal="",
                                   ours=0, theirs=0, found={}, unsettled=0))  # fmt: skip
        desk.flush()
    found: list[str] = []
    after = None
    while page := queue.search(desk, after=after, limit=1):
        found += [each.id for each in page]
        after = (page[-1].day, page[-1].number)
    assert found == ["m2", "m3", "m1"]
    newest, middle, oldest = (each["number"] for each in queue.runs(desk, 3))
    assert newest > middle > oldest
    assert [each["number"] for each in queue.runs(desk, 5, newest)] == [middle, oldest]


def test_incidents_that_are_over_by_page(desk: Session) -> None:
    for number in range(3):
        state = "closed" if number else "open"
        desk.add(IncidentRow(id=f"i{number}", opened_at=NOON, state=state))
    desk.add(IncidentMemberRow(handoff="h", incident="i2", call_id="c", at=NOON, lines=[],
                               words="", by_hand=False, revision=1))  # fmt: skip
    desk.flush()
    (first,) = reading.closed_incidents(desk, most=1)
    assert (first["incident"], first["callers"]) == ("i2", 1)
    rest = reading.closed_incidents(desk, after=(first["opened_at"], first["incident"]))
    assert [each["incident"] for each in rest] == ["i1"]


# ── a line at a glance ────────────────────────────────────────────────────────────

SEATS = {
    "groups": [
        {"region": "460100", "local": True, "staffed": 30, "free": 4},
        {"region": "460200", "local": False, "staffed": 12, "free": 5},
    ],
    "waiting": 2, "oldest_wait_s": 11.5, "arrivals_per_min": 6.0,
}  # fmt: skip


def line(mode: str = "normal", known: bool = True, seats: Any = SEATS, **values: Any) -> Any:
    return {
        "line": "12345", "name": "热线", "mode": mode, "since": NOON, "figures_known": known,
        "asked_at_each_call": False, "situation": "ordinary",
        "figures": {"seats": seats, "bot_calls": 1, "bot_room": 8},
        "newest": {"because": "由机器人接听。", "wait_s": 30.0, "outlook_s": 50.0},
        "policy": {"enter_wait_s": 10.0}, **values,
    }  # fmt: skip


def test_a_line_shows_its_own_seats_and_those_that_help_out() -> None:
    shown = line_view(line())
    assert (shown.free, shown.staffed) == (4, 30)
    assert (shown.remote_free, shown.remote_staffed) == (5, 12)
    assert (shown.state, shown.waiting, shown.because) == ("normal", 2, "由机器人接听。")


def test_a_line_in_surge_says_so_also_while_its_figures_are_old() -> None:
    assert line_view(line("surge", known=False)).state == "surge"


def test_without_figures_nothing_is_claimed() -> None:
    shown = line_view(line(known=False, seats=None, newest=None))
    assert (shown.state, shown.staffed, shown.because) == ("unknown", 0, "")
    assert not shown.endless


def test_nobody_at_the_seats_is_a_wait_without_end() -> None:
    assert line_view(line(seats={**SEATS, "groups": []})).endless


@pytest.mark.parametrize("most", [1, 2, 3, 50])
def test_callers_of_an_incident_by_page_the_greatest_risk_first(desk: Session, most: int) -> None:
    desk.add(IncidentRow(id="i1", opened_at=NOON))
    for handoff, minute, risk in (
        ("c", 0, 4.0), ("b", 2, 9.3), ("a", 1, 9.3), ("e", 3, 4.0), ("d", 3, 4.0),
    ):  # fmt: skip
        desk.add(
            IncidentMemberRow(
                handoff=handoff, incident="i1", call_id=handoff, at=NOON + 60 * minute, lines=[],
                words="", by_hand=False, revision=1, risk=risk,
            )
        )  # fmt: skip
    desk.flush()
    found, key = [], None
    while True:
        page, key = reading.incident_page(desk, "i1", after=key, most=most)
        assert page["callers"] == 5
        found += [member["handoff"] for member in page["members"]]
        if key is None:
            break
    assert found == ["a", "b", "c", "d", "e"]


def test_the_incidents_that_are_open_are_named_for_a_merge(desk: Session) -> None:
    for name, members in (("i1", 1), ("i2", 2), ("i3", 1)):
        desk.add(IncidentRow(id=name, opened_at=NOON, state="closed" if name == "i3" else "open"))
        for number in range(members):
            desk.add(
                IncidentMemberRow(
                    handoff=f"{name}-{number}", incident=name, call_id="", at=NOON, lines=[],
                    region="469001", words="山体滑坡了", by_hand=False, revision=1,
                )
            )  # fmt: skip
    desk.flush()
    found = [(each["incident"], each["callers"]) for each in reading.open_titles(desk)]
    assert found == [("i2", 2), ("i1", 1)]
    assert reading.open_titles(desk)[0]["title"] == "五指山市 山体滑坡"
