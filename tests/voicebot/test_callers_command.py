"""`voicebot callers`: what people at this machine can do about callers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from voicebot.callers import missed
from voicebot.cli import app
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import AuditRow, CallRow

NUMBER = "13800138000"
Run = Callable[..., Result]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Callable[[Session], Any]], Any]:
    url = f"sqlite:///{tmp_path / 'state' / 'voicebot.db'}"

    def work(do: Callable[[Session], Any]) -> Any:
        migrate(url)
        engine = open_engine(url, writes=True)
        with Session(engine) as session, session.begin():
            done = do(session)
        engine.dispose()
        return done

    return work


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))

    def command(*arguments: str, fails: bool = False) -> Result:
        result = CliRunner().invoke(app, ["callers", *arguments])
        assert (result.exit_code != 0) == fails, result.output + repr(result.exception)
        return result

    return command


def calls(session: Session) -> None:
    for number in ("C1", "C2", "C3"):
        session.add(CallRow(id=number, caller=NUMBER, started_at=time.time()))


def test_a_limit_is_proposed_set_appealed_reviewed(run: Run, write: Any) -> None:
    write(calls)
    for call in ("C1", "C2", "C3"):
        run("mark", call, "--reason", "abuse")
    assert "建议" in run("limits").output
    assert f"{NUMBER}  辱骂  3次" in run("counts").output
    set_ = run("limit", NUMBER, "--reason", "abuse", "--why", "一周三次", "--as", "王", "--json")
    limit = json.loads(set_.output)
    assert (limit["state"], limit["evidence"]) == ("in_force", ["C1", "C2", "C3"])
    run("appeal", NUMBER, "--why", "不是本人")
    assert "申诉待复核" in run("limits").output
    number = str(limit["id"])
    same = run("review", number, "--keep", "--why", "x", "--as", "王", fails=True)
    assert "somebody else" in str(same.exception)
    run("review", number, "--lift", "--why", "误判", "--as", "李")
    assert "There is none." in run("limits").output
    shown = run("limits", NUMBER).output
    for step in ("proposed", "set", "appealed", "reviewed", "lifted"):
        assert step in shown


def test_every_look_and_every_act_is_audited(run: Run, write: Any) -> None:
    write(calls)
    run("limits")
    run("limit", NUMBER, "--reason", "abuse", "--why", "x", "--call", "C1")
    run("missed")
    rows = write(lambda s: [(row.action, row.role) for row in s.query(AuditRow)])
    assert rows == [
        ("callers.limits.read", "local"),
        ("callers.limit.set", "local"),
        ("callers.missed.read", "local"),
    ]


def test_what_is_refused_leaves_nothing(run: Run, write: Any) -> None:
    write(calls)
    refused = run("limit", NUMBER, "--reason", "abuse", "--why", "x", "--call", "X1", fails=True)
    assert "No call of this number" in str(refused.exception)
    assert "There is none." in run("limits", "--all").output


def test_a_database_that_refuses_is_a_sentence_about_callers(run: Run, write: Any) -> None:
    write(lambda s: s.connection().exec_driver_sql("DROP TABLE caller_limit"))
    said = str(run("limits", fails=True).exception)
    assert said.startswith("What is on record about callers cannot be read or written: ")
    assert "doctor" in said


def test_nothing_is_proposed_where_nothing_was(run: Run) -> None:
    assert "No number" in run("propose").output


def test_missed_calls_are_listed_and_settled(run: Run, write: Any) -> None:
    def miss(session: Session) -> None:
        missed.note(
            session,
            call_id="C1",
            number=NUMBER,
            did="12345",
            at=time.time(),
            why="danger",
            danger=True,
            next_try_at=time.time(),
        )

    write(miss)
    assert "险情 险情中断" in run("missed").output
    run("done", "C1", "--note", "已回电，110已到", "--as", "坐席7")
    assert "No missed call is open." in run("missed").output
    (row,) = [json.loads(line) for line in run("missed", "--all", "--json").output.splitlines()]
    assert (row["state"], row["settled_by"]) == ("done", "坐席7")


@pytest.mark.parametrize(
    "command",
    ["limits", "propose", "limit", "lift", "dismiss", "review", "appeal", "report", "mark",
     "counts", "missed", "done", "evaluations"],
)  # fmt: skip
def test_each_command_shows_an_example(run: Run, command: str) -> None:
    assert f"voicebot callers {command}" in run(command, "--help").output
