"""Tables of duty officers: what is wrong is named, what is right is kept, no line is closed."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.commands.duty_files import table
from voicebot.config import Settings
from voicebot.duty.changing import Plan, Who, apply, plan_numbers, plan_shifts
from voicebot.duty.directory import numbers, shifts
from voicebot.duty.hours import Hours
from voicebot.duty.names import LINES
from voicebot.duty.number_file import HEADINGS as NUMBER_HEADINGS
from voicebot.duty.number_file import number_cells, read_numbers
from voicebot.duty.rota import SUPERIOR, Shift
from voicebot.duty.shift_file import HEADINGS as SHIFT_HEADINGS
from voicebot.duty.shift_file import read_shifts, shift_cells, shift_key
from voicebot.duty.tables import DutyChangeRow
from voicebot.records.database import migrate, open_engine
from voicebot.records.duty import write_seed
from voicebot.records.tables import DutyNumberRow

ROTA = (
    "线路,地区,值班日,开始,结束,顺序,值班人,手机,邮箱\n"
    "供电,龙华区,工作日,08：00,18:00,1,王一,13800138001,\n"
    "供电,,每天,18:00,08:00,,李二,,li@example.com\n"
    "电力,全省,节假日,,,带班领导,张局,13800138003,\n"
)
NUMBERS = "号码,线路,地区,名称,通知地址,值班日,开始,结束\n"
WHO = Who("值班长", "root", "换班")


@pytest.fixture
def database(database_url: str, settings: Settings) -> Iterator[Session]:
    migrate(database_url)
    engine = open_engine(database_url, writes=True, patience_s=5.0)
    with Session(engine) as session:
        write_seed(session, settings.handoff)
        session.flush()
        yield session
    engine.dispose()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_rota_is_read_as_people_write_it(encoding: str) -> None:
    read = read_shifts(ROTA.encode(encoding))
    assert read.errors == ()
    first, night, superior = (shift for _, shift in read.rows)
    assert (first.line, first.region, first.rank, first.phone) == (
        "power",
        "460106",
        1,
        "13800138001",
    )
    assert (first.hours.days, first.hours.start, first.hours.end) == ("workday", 480, 1080)
    assert (night.region, night.hours.start, night.hours.end) == ("", 1080, 480)
    assert (superior.rank, superior.hours.days) == (SUPERIOR, "holiday")


def test_a_workbook_with_real_times_and_dates_is_read() -> None:
    from datetime import time
    from io import BytesIO

    from openpyxl import Workbook

    book = Workbook()
    assert book.active is not None
    book.active.append(["线路", "值班日", "开始", "结束", "值班人", "手机"])
    book.active.append(["119", date(2026, 10, 1), time(8), time(20), "王一", 13800138001])
    out = BytesIO()
    book.save(out)
    read = read_shifts(out.getvalue())
    assert read.errors == ()
    ((_, shift),) = read.rows
    assert (shift.hours.days, shift.hours.start, shift.hours.end) == ("2026-10-01", 480, 1200)
    assert shift.phone == "13800138001"


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("水利,,每天,,,1,王一,13800138001,", "线路", "is no line"),
        ("供电,北京,每天,,,1,王一,13800138001,", "地区", "is no place"),
        ("供电,,初一,,,1,王一,13800138001,", "值班日", "is no 每天"),
        ("供电,,每天,8点,18:00,1,王一,13800138001,", "开始", "no time of day"),
        ("供电,,每天,08:00,,1,王一,13800138001,", "结束", "give both"),
        ("供电,,每天,,,第一,王一,13800138001,", "顺序", "is no order"),
        ("供电,,每天,,,1,,13800138001,", "值班人", "a name"),
        ("供电,,每天,,,1,王一,一三八,", "手机", "no telephone number"),
        ("供电,,每天,,,1,王一,,wang", "邮箱", "no e-mail address"),
        ("供电,,每天,,,1,王一,,", "手机", "how to reach"),
    ],
)
def test_a_faulty_row_is_named_by_line_and_column(row: str, column: str, reason: str) -> None:
    read = read_shifts((ROTA + row + "\n").encode())
    assert len(read.rows) == 3
    (error,) = read.errors
    assert (error.line, error.column) == (5, column)
    assert reason in error.reason


def test_one_shift_twice_in_a_file_is_said() -> None:
    read = read_shifts((ROTA + "供电,龙华区,工作日,08:00,12:00,1,丁,13800138009,\n").encode())
    assert "says again what line 2 says" in read.errors[0].reason


def test_what_is_written_reads_back_without_a_difference(
    database: Session, settings: Settings
) -> None:
    bring_shifts(database, ROTA.encode())
    written = table(shift_cells(shifts(database)), ".csv", "gbk")
    again = plan_shifts(database, read_shifts(written))
    assert again == Plan((), ())
    cells = number_cells(numbers(database))
    for data in (table(cells, ".csv", "utf-8"), table(cells, ".xlsx", "utf-8")):
        read = read_numbers(data)
        assert read.errors == ()
        assert len(read.rows) == len(cells) - 1
        assert plan_numbers(database, read, settings) == Plan((), ())


HOURS = st.builds(
    Hours,
    st.sampled_from(["daily", "workday", "rest", "holiday", "sun", "2026-10-01"]),
    st.integers(0, 1439),
    st.integers(1, 1440),
    st.none() | st.dates(date(2020, 1, 1), date(2025, 1, 1)),
    st.none() | st.dates(date(2025, 1, 2), date(2030, 1, 1)),
)
SHIFTS = st.builds(
    Shift,
    st.sampled_from(["119", "power", "railway"]),
    st.sampled_from(["", "460000", "460106", "469030"]),
    st.text("甲乙=+-'@,\"a", min_size=1, max_size=8),
    st.sampled_from([1, 2, 17, SUPERIOR]),
    HOURS,
    st.sampled_from(["13800138001", "089866778899", "95598"]),
    st.sampled_from(["", "a.b@example.com"]),
    st.sampled_from(["", "https://example.com/x"]),
)


@settings_of_hypothesis(max_examples=30)
@given(st.lists(SHIFTS, min_size=1, max_size=5, unique_by=shift_key))
def test_any_rota_comes_back_from_its_table_as_it_was(rota: list[Shift]) -> None:
    cells = shift_cells(rota)
    for data in (table(cells, ".csv", "gb18030"), table(cells, ".xlsx", "utf-8")):
        read = read_shifts(data)
        assert read.errors == ()
        assert [shift for _, shift in read.rows] == rota


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (ROTA + text).encode()))
def test_no_file_breaks_the_reading(data: bytes) -> None:
    for read in (read_shifts(data), read_numbers(data)):
        assert read.rows or read.removed or read.errors


def test_every_column_is_explained_to_duty_officers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "duty.md").read_text("utf-8")
    for headings in (NUMBER_HEADINGS, SHIFT_HEADINGS):
        for field, names in headings.names.items():
            assert names[0] in page, field
    assert all(name in page for name in LINES.values())


def bring_shifts(database: Session, data: bytes, *, replace: bool = False) -> Plan:
    plan = plan_shifts(database, read_shifts(data), replace=replace)
    apply(database, plan.changes, WHO, 1.0)
    database.flush()
    return plan


def test_a_rota_said_anew_replaces_its_people_and_leaves_others(database: Session) -> None:
    bring_shifts(database, ROTA.encode())
    head = ROTA.splitlines()[0]
    plan = bring_shifts(
        database, f"{head}\n供电,龙华区,工作日,08:00,18:00,1,赵六,13800138006,\n".encode()
    )
    (change,) = plan.changes
    assert change.kind == "changed"
    assert ("person", "王一", "赵六") in change.fields()
    assert len(shifts(database)) == 3


def test_replacing_a_rota_removes_what_its_file_lacks_of_its_place_alone(
    database: Session,
) -> None:
    bring_shifts(database, ROTA.encode())
    head = ROTA.splitlines()[0]
    night = f"{head}\n供电,全省,每天,18:00,08:00,1,李二,,li@example.com\n"
    plan = bring_shifts(database, night.encode(), replace=True)
    assert [change.kind for change in plan.changes] == ["removed"]
    assert [shift.person for shift in shifts(database)] == ["王一", "李二"]


def test_a_row_that_is_removed_while_its_rota_is_replaced_is_removed_once(
    database: Session,
) -> None:
    bring_shifts(database, ROTA.encode())
    gone = "线路,地区,值班日,开始,结束,顺序,值班人,邮箱,删除\n"
    gone += "供电,,每天,18:00,08:00,,李二,li@example.com,删除\n"
    plan = bring_shifts(database, gone.encode(), replace=True)
    assert [change.kind for change in plan.changes] == ["removed", "removed"]
    assert len({change.key for change in plan.changes}) == 2


def test_a_faulty_row_keeps_a_rota_from_being_replaced(database: Session) -> None:
    bring_shifts(database, ROTA.encode())
    head = ROTA.splitlines()[0]
    plan = bring_shifts(
        database, f"{head}\n供电,,坏,,,1,李二,13800138002,\n".encode(), replace=True
    )
    assert plan.changes == ()
    assert len(shifts(database)) == 3


def bring(
    database: Session, settings: Settings, rows: str, head: str = NUMBERS, **more: bool
) -> Plan:
    plan = plan_numbers(database, read_numbers((head + rows).encode()), settings, **more)
    apply(database, plan.changes, WHO, 1.0)
    database.flush()
    return plan


def test_a_number_of_a_county_is_added_with_the_addresses_of_the_settings(
    database: Session, settings: Settings
) -> None:
    plan = bring(database, settings, "119-460106,119,龙华区,龙华消防,,每天,08:00,20:00\n")
    assert [change.kind for change in plan.changes] == ["added"]
    row = database.get(DutyNumberRow, "119-460106")
    assert row is not None
    assert (row.kind, row.region, row.http_url) == ("119", "460106", settings.handoff.desk_http)
    assert not row.seeded


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("110-460106,119,龙华区,,,,,", "keeps its line and place"),
        ("119,119,,消防,,工作日,08:00,18:00", "in force at all hours"),
        ("110-460106,110,龙华区,龙华分局,,,,", "--confirm"),
    ],
)
def test_a_row_that_would_close_a_line_is_left_out_and_said(
    database: Session, settings: Settings, row: str, reason: str
) -> None:
    plan = bring(database, settings, f"{row}\n119-469001,119,五指山市,五指山消防,,,,\n")
    assert [change.key for change in plan.changes] == ["119-469001"]
    (left_out,) = plan.left_out
    assert reason in left_out.reason
    assert left_out.line == 2


def test_a_110_is_changed_when_that_is_confirmed(database: Session, settings: Settings) -> None:
    plan = bring(database, settings, "110-460106,110,龙华区,龙华分局,,,,\n", confirmed=True)
    (change,) = plan.changes
    assert [name for name, _, _ in change.fields()] == ["name"]


def test_what_was_delivered_is_not_removed(database: Session, settings: Settings) -> None:
    head = "号码,线路,地区,删除\n"
    rows = "110-460106,110,龙华区,删除\n119,119,,删除\n120-9,120,,删除\n"
    plan = bring(database, settings, rows, head, confirmed=True)
    assert plan.changes == ()
    assert [("never removed" in each.reason) for each in plan.left_out] == [True, True, False]


def test_a_trunk_that_is_not_there_and_an_open_address_are_left_out(
    database: Session, settings: Settings
) -> None:
    head = "号码,线路,话务地址,通知地址\n"
    rows = "119-1,119,trunk:nowhere/119,\n119-2,119,ws://10.0.0.9/x,\n119-3,119,,http://10.0.0.9\n"
    read = read_numbers((head + rows).encode())
    assert [error.column for error in read.errors] == ["话务地址", "通知地址"]
    plan = plan_numbers(database, read, settings)
    assert plan.changes == ()
    assert "no trunk 'nowhere'" in plan.left_out[0].reason


def test_every_change_is_on_record_with_who_and_why(database: Session, settings: Settings) -> None:
    bring(database, settings, "119-460106,119,龙华区,龙华消防,,,,\n")
    bring(database, settings, "119-460106,119,龙华区,龙华大队,,,,\n")
    bring(database, settings, "119-460106,119,龙华区,删除\n", "号码,线路,地区,删除\n")
    added, changed, removed = database.scalars(select(DutyChangeRow).order_by(DutyChangeRow.id))
    assert (added.who, added.login, added.why) == ("值班长", "root", "换班")
    assert added.before is None
    assert changed.before == added.after
    assert json.dumps(changed.after)
    assert removed.after is None


def test_a_file_that_is_no_table_is_said(tmp_path: Path) -> None:
    assert read_numbers(b"").errors[0].reason == "the file is empty"
    assert "lacks the column" in read_numbers("姓名\n王\n".encode()).errors[0].reason
