"""`voicebot exchange` shows, repeats and gives out what the exchange has on record."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from tests.voicebot.exchange_messages import AT, message, status, ticket
from voicebot.commands.exchange import app
from voicebot.exchange.inbox import receive
from voicebot.exchange.sending import send
from voicebot.exchange.tables import EnvelopeRow
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import AuditRow

NOW = AT.timestamp()


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with two messages sent and two received, one of them too early."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))
    url = f"sqlite:///{tmp_path / 'state' / 'voicebot.db'}"
    migrate(url)
    engine = open_engine(url, writes=True)
    with Session(engine) as session, session.begin():
        send(session, ticket("W1"), subject="W1", at=NOW)
        send(session, status(), subject="W1", at=NOW)
        receive(session, message("F1", 1, status()), at=NOW, handlers={})
        receive(session, message("F2", 2), at=NOW, handlers={})
    engine.dispose()
    return url


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def audited(url: str) -> list[tuple[str, str]]:
    engine = open_engine(url)
    with Session(engine) as session:
        rows = [(row.action, row.subject) for row in session.scalars(select(AuditRow))]
    engine.dispose()
    return rows


def test_status_counts_what_waits(url: str) -> None:
    shown = json.loads(run("status", "--json").output)
    assert shown["counts"] == {"out": {"waiting": 2}, "in": {"applied": 1, "waiting": 1}}
    assert (shown["not_confirmed"], shown["not_applied"]) == (2, 1)
    assert shown["oldest_not_applied"] == ["110:status:F2:2"]
    assert "2 not confirmed (0 police orders)" in run("status").output


def test_show_gives_the_whole_matter_and_is_on_record(url: str) -> None:
    shown = json.loads(run("show", "W1", "--json").output)
    assert [each["id"] for each in shown["sent"]] == ["12345:ticket:W1:1", "12345:status:W1:2"]
    assert shown["sent"][0]["envelope"]["body"]["matter"] == "路灯坏了"
    assert "110:status:F1:1  applied" in run("show", "110:status:F1:1").output
    assert audited(url) == [("exchange.show", "W1"), ("exchange.show", "110:status:F1:1")]


def test_show_says_what_is_not_there(url: str) -> None:
    assert "no message about 'X9'" in str(run("show", "X9", code=1).exception)


def test_retry_lets_what_waits_go_at_once(url: str) -> None:
    assert json.loads(run("retry", "--json").output) == {"sent_again": 2, "applied": 0}
    run("retry", "12345:ticket:W1:1")
    assert min(next_attempts(url)) > NOW


def test_retry_of_an_unknown_id_changes_nothing_and_fails(url: str) -> None:
    result = run("retry", "12345:ticket:W1:1", "12345:ticket:W9:1", code=1)
    assert "no message of the id 12345:ticket:W9:1; nothing was changed" in str(result.exception)
    assert next_attempts(url) == [NOW, NOW]
    assert audited(url) == []


def next_attempts(url: str) -> list[float]:
    engine = open_engine(url)
    with Session(engine) as session:
        times = session.scalars(select(EnvelopeRow.next_attempt_at)).all()
    engine.dispose()
    return list(times)


def test_export_writes_a_line_for_each_message_for_its_owner_alone(
    url: str, tmp_path: Path
) -> None:
    file = tmp_path / "out.jsonl"
    run("export", str(file), "--from", "2026-11-26", "--to", "2026-11-27")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == [
        "12345:ticket:W1:1",
        "12345:status:W1:2",
        "110:status:F1:1",
        "110:status:F2:2",
    ]
    assert all(line["envelope"]["content_hash"] == line["content_hash"] for line in lines)
    assert file.stat().st_mode & 0o077 == 0
    assert ("exchange.export", "2026-11-26 2026-11-27") in audited(url)
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "26.11."), "2026-11-01"),
        (("--from", "2026-11-26", "--to", "2026-11-25"), "is before"),
    ],
)
def test_export_says_what_is_wrong_with_its_days(
    url: str, options: tuple[str, ...], words: str
) -> None:
    assert words in str(run("export", "x.jsonl", *options, code=1).exception)


def test_schema_writes_every_kind(url: str, tmp_path: Path) -> None:
    files = json.loads(run("schema", str(tmp_path / "schemas"), "--json").output)
    assert len(files) == 8
    assert json.loads(Path(files[0]).read_text("utf-8"))["$schema"]


def test_the_stand_in_needs_a_token(url: str) -> None:
    assert "needs a token" in str(run("stand-in", code=1).exception)


def test_the_stand_in_says_which_fault_it_does_not_know(url: str) -> None:
    result = run("stand-in", "--token", "x", "--faults", '{"tired": 1}', code=1)
    assert "--faults: tired" in str(result.exception)
