"""The figures as people get them: table, CSV, workbook, page, published summary."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from tests.voicebot.figures_days import Days, at, records
from voicebot.commands.figures import app
from voicebot.figures.counting import Lowest
from voicebot.figures.definitions import definitions, markdown
from voicebot.figures.indicators import BY_NAME, INDICATORS, PUBLISHED, Figure
from voicebot.figures.page import page
from voicebot.figures.report import (
    Period,
    PeriodError,
    Report,
    as_csv,
    divisible,
    published,
    report,
    table,
)
from voicebot.figures.workbook import workbook
from voicebot.records.database import open_engine

ROOT = Path(__file__).resolve().parents[2]
LINES = {"12345": "政务服务便民热线"}
SECOND = Period(date(2026, 11, 2), date(2026, 11, 2))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with records(tmp_path) as opened:
        yield opened


@pytest.fixture
def found(session: Session) -> Report:
    """Twelve calls to 12345 of which three are refused, two to a number that begins with =."""
    days = Days(session)
    for _ in range(9):
        days.call(at(2, "10:00:00"), region="460106")
    for _ in range(3):
        days.refused(at(2, "10:00:00"))
    for _ in range(2):
        days.call(at(2, "11:00:00"), did="=1+1")
    session.flush()
    return report(session, SECOND, "line", at(3), LINES)


def test_a_period_takes_in_its_last_day() -> None:
    assert Period(date(2026, 11, 2), date(2026, 11, 3)).moments == (at(2), at(4))


def test_a_period_that_ends_before_it_begins_or_after_a_year_is_refused() -> None:
    for last in (date(2026, 11, 1), date(2027, 11, 3)):
        with pytest.raises(PeriodError, match="first day"):
            Period(date(2026, 11, 2), last)


def test_the_busiest_line_is_first_and_the_total_last(found: Report) -> None:
    head, first, second, total = table(found)
    assert head[0] == "线路"
    connection = head.index("接通率")
    assert (first[0], first[connection]) == ("12345 政务服务便民热线", "75.0%")
    assert (second[0], second[connection]) == ("=1+1", "100.0%")
    assert (total[0], total[connection]) == ("合计", "78.6%")


def test_refused_calls_have_no_region_so_connection_is_not_divided_by_it() -> None:
    by_region = {each.name for each in divisible("region")}
    assert not {"connection", "answered_15s", "calls"} & by_region
    assert {"answered_calls", "human_connection", "response"} <= by_region
    assert {each.name for each in divisible("department")} == {
        "tickets", "response", "resolution", "satisfaction",
    }  # fmt: skip
    assert divisible("line") == divisible("day") == divisible("hour") == INDICATORS


def test_a_csv_holds_no_formula_and_reads_back(found: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["线路"] for row in rows] == ["12345", "'=1+1", ""]
    assert float(rows[0]["接通率"]) == 0.75
    assert rows[0]["满意度"] == ""


def test_the_workbook_has_totals_groups_and_definitions(found: Report) -> None:
    book = load_workbook(io.BytesIO(workbook(found)))
    assert book.sheetnames == ["概况", "按线路", "口径"]
    totals = {row[0].value: row for row in book["概况"].iter_rows(min_row=2)}
    assert totals["接通率"][1].value == pytest.approx(11 / 14)
    assert totals["接通率"][1].number_format == "0.0%"
    assert totals["接通率"][5].value == "未达标"
    assert book["按线路"]["A3"].value == "'=1+1"
    assert book["按线路"]._charts
    assert book["口径"].max_row == len(INDICATORS) + 1


def test_the_page_stands_alone_and_shows_definitions_beside_the_figures(found: Report) -> None:
    text = page(found)
    assert not re.search(r"(?:src|href)=.(?!#)|https?://", text)
    assert "=1+1" in text
    assert "<svg" in text
    assert all(row[1] in text for row in definitions())
    assert "未达标" in text


def test_the_public_is_told_no_share_of_a_handful_of_people(found: Report) -> None:
    told = published(found)
    assert [each.name for each in told.indicators] == list(PUBLISHED)
    lines = {row.key: row.figures for row in told.rows}
    assert lines["12345"]["connection"].value == 9 / 12
    assert lines["=1+1"]["connection"].value is None
    assert lines["=1+1"]["calls"].value is None
    text = page(told)
    assert "不足 10 件的不公布" in text
    assert "误转率" not in text


@pytest.mark.parametrize(("offered", "told"), [(9.0, False), (10.0, True)])
def test_the_public_is_told_no_worst_24_hours_of_a_handful_of_calls(
    found: Report, offered: float, told: bool
) -> None:
    quiet = replace(found, lowest=Lowest(at(2), Figure(5 / offered, 5.0, offered)))
    public = published(quiet)
    assert (public.lowest is not None) == told
    assert ("接通率最低" in page(public)) == told
    assert "接通率最低" in page(quiet)


def test_json_tells_numerators_goals_and_the_worst_24_hours(found: Report) -> None:
    told = json.loads(json.dumps(found.as_dict()))
    connection = told["total"]["connection"]
    assert connection == {
        "value": 11 / 14, "numerator": 11, "denominator": 14, "meets_goal": False,
    }  # fmt: skip
    assert told["lowest_24h"]["offered"] == 14
    assert told["lowest_24h"]["from"] == "2026-11-02T00:00:00+08:00"
    assert set(told["rows"][0]["figures"]) == set(BY_NAME)


def test_the_documented_definitions_are_those_of_the_code() -> None:
    documented = (ROOT / "docs" / "figures.md").read_text("utf-8")
    assert markdown() in documented, "put voicebot.figures.definitions.markdown() into the page"


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


@pytest.fixture
def on_new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))
    return tmp_path


def test_commands_define_without_a_database() -> None:
    assert "接通率" in run("define").output
    assert len(json.loads(run("define", "--json").output)) == len(INDICATORS)


def test_a_day_that_is_none_is_a_sentence(on_new_machine: Path) -> None:
    result = run("show", "--from", "30.11.2026", code=1)
    assert "2026-11-01" in str(result.exception)


def test_figures_that_cannot_be_read_say_so_and_what_to_do(on_new_machine: Path) -> None:
    from voicebot.config import load_settings
    from voicebot.security import prepare

    settings = load_settings()
    prepare(settings)
    engine = open_engine(settings.database_url, writes=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE refused_call")
    engine.dispose()
    said = str(run("show", "--from", "2026-11-02", code=1).exception)
    assert said.startswith("The figures cannot be read: ")
    assert "knowledge" not in said


def test_commands_write_three_files_of_an_empty_day(on_new_machine: Path) -> None:
    from voicebot.config import load_settings
    from voicebot.security import prepare

    prepare(load_settings())
    out = on_new_machine / "out"
    out.mkdir()
    run("export", "--from", "2026-11-02", "--by", "day", "--output", str(out))
    run("publish", "--from", "2026-11-02", "--output", str(out))
    assert sorted(each.name for each in out.iterdir()) == [
        f"{name}.{ending}"
        for name in ("figures-2026-11-02-2026-11-02-day", "published-2026-11-02-2026-11-02-line")
        for ending in ("csv", "html", "xlsx")
    ]
    shown = json.loads(run("show", "--from", "2026-11-02", "--json").output)
    assert shown["total"]["calls"]["value"] == 0
    assert "接通率" in run("show", "--from", "2026-11-02").output


def test_many_days_are_shown_one_a_row(on_new_machine: Path) -> None:
    from voicebot.config import load_settings
    from voicebot.security import prepare

    settings = load_settings()
    prepare(settings)
    engine = open_engine(settings.database_url, writes=True)
    with Session(engine) as session, session.begin():
        days = Days(session)
        for day in range(2, 10):
            days.call(at(day, "10:00:00"))
    engine.dispose()
    shown = run("show", "--from", "2026-11-01", "--to", "2026-11-09", "--by", "day").output
    assert [line for line in shown.splitlines() if "2026-11-0" in line and "│" in line][7:] != []
    assert "--json" in shown
