"""`voicebot tickets …`: what people do with work orders at this machine."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from tests.voicebot.ticket_desk import DAY, MONDAY, act, opened
from voicebot.commands.session import InputError
from voicebot.commands.tickets import app
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import AuditRow
from voicebot.tickets.errors import ActRefused, TicketChanged, UnknownTicket
from voicebot.tickets.states import Act

Run = Callable[..., Result]
LONG_AGO = MONDAY - 365 * DAY


@pytest.fixture(scope="module")
def two_tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tickets") / "state"
    url = f"sqlite:///{folder / 'voicebot.db'}"
    migrate(url)
    engine = open_engine(url, writes=True)
    with Session(engine) as session, session.begin():
        opened(session, at=LONG_AGO)
        opened(session, "C2-t1", at=MONDAY, matter="=小区噪音", confidential=True, name="张三")
        act(session, Act.DISPATCH, "C2-t1")
        act(session, Act.RETURN, "C2-t1", why="不属本局")
    engine.dispose()
    return folder


@pytest.fixture
def database(tmp_path: Path, two_tickets: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    copytree(two_tickets, tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))
    return f"sqlite:///{tmp_path / 'state' / 'voicebot.db'}"


@pytest.fixture
def run(database: str) -> Run:
    def invoke(*arguments: str, fails: type[Exception] | None = None) -> Result:
        result = CliRunner().invoke(app, arguments)
        if fails is None:
            assert result.exit_code == 0, result.output + repr(result.exception)
        else:
            assert isinstance(result.exception, fails), result.output
        return result

    return invoke


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_tickets_are_listed_the_newest_first(run: Run) -> None:
    assert [each["id"] for each in lines(run("list", "--json"))] == ["C2-t1", "C1-t1"]
    longest, *_ = lines(run("list", "--overdue", "--json"))
    assert longest["id"] == "C1-t1"
    said = run("list", "--status", "returned").stdout
    assert "C2-t1  已退回  未派单" in said
    assert "C1-t1" not in said


def test_a_ticket_is_shown_with_its_history(run: Run) -> None:
    said = run("show", "C2-t1").stdout
    assert "退回  王座席：不属本局" in said
    (found,) = lines(run("show", "C1-t1", "--json"))
    assert (found["status"], found["duplicates"]) == ("created", [])


def test_an_act_at_the_command_line_is_on_record(run: Run, database: str) -> None:
    (done,) = lines(run("act", "dispatch", "C1-t1", "--department", "市水务局", "--json"))
    assert (done["status"], done["history"][-1]["role"]) == ("dispatched", "local")
    engine = open_engine(database)
    with Session(engine) as session:
        assert "ticket.dispatch" in list(session.scalars(select(AuditRow.action)))
    engine.dispose()


def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(run: Run) -> None:
    run("act", "close", "C1-t1", fails=ActRefused)
    run("act", "note", "C1-t1", fails=ActRefused)
    run("act", "note", "C1-t1", "--why", "x", "--version", "7", fails=TicketChanged)
    run("act", "note", "T9", "--why", "x", fails=UnknownTicket)
    run("act", "explode", "C1-t1", fails=InputError)
    run("list", "--status", "odd", fails=InputError)
    assert lines(run("show", "C1-t1", "--json"))[0]["version"] == 1


def test_reminders_that_are_due_are_written_once(run: Run) -> None:
    assert lines(run("remind", "--json"))[0]["reminders"] >= 1
    assert lines(run("remind", "--json")) == [{"reminders": 0}]
    assert "【通报】应于" in run("show", "C1-t1").stdout


def test_disputes_are_listed_decided_and_taken_back(run: Run, tmp_path: Path) -> None:
    days = ("--since", "2026-11-20", "--until", "2026-11-25")
    (found,) = lines(run("disputes", *days, "--json"))
    assert (found["tickets"], found["refused_by"]) == (["C2-t1"], {"市水务局": 1})
    book = tmp_path / "disputes.xlsx"
    run("disputes", *days, "--to", str(book))
    assert load_workbook(book)["争议事项"].max_row == 2
    run("decide", "市城管局", "小区", "噪音", "--source", "纪要1号", "--region", "460100")
    (rule,) = lines(run("rules", "--json"))
    assert (rule["words"], rule["department"]) == (["小区", "噪音"], "市城管局")
    run("undecide", str(rule["id"]))
    assert run("rules").stdout == ""


def test_an_export_opens_in_a_spreadsheet_and_keeps_what_is_confidential(
    run: Run, tmp_path: Path
) -> None:
    days = ("--since", "2025-11-01", "--until", "2026-11-30")
    for name in ("out.csv", "out.xlsx"):
        run("export", name, *days)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text("utf-8-sig"))))
    assert [row["工单号"] for row in rows] == ["C1-t1", "C2-t1"]
    assert (rows[1]["诉求"], rows[1]["电话"], rows[1]["姓名"]) == ("'=小区噪音", "保密", "保密")
    assert (rows[1]["状态"], rows[1]["办理时限"]) == ("已退回", "2026-11-30 23:59")
    assert load_workbook(tmp_path / "out.xlsx")["工单"].max_row == 3
    run("export", "out.pdf", fails=InputError)
    run("export", "out.csv", "--since", "yesterday", fails=InputError)
