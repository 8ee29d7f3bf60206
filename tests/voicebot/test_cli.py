"""The command line answers in sentences and exit codes."""

import json
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from voicebot.cli import app

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def walk(name: str, command: Any) -> None:
        for child, each in getattr(command, "commands", {}).items():
            walk(f"{name} {child}".strip(), each)
        if not hasattr(command, "commands"):
            found.append((name, command))

    walk("", typer.main.get_command(app))
    return found


@pytest.mark.parametrize(
    ("name", "command"),
    [pytest.param(name, each, id=name) for name, each in commands() if not each.hidden],
)
def test_every_command_shows_examples(name: str, command: Any) -> None:
    assert command.help
    assert f"voicebot {name}" in command.help
    assert "Examples:" in command.help


def test_starting_is_light() -> None:
    heavy = {"numpy", "torch", "sqlalchemy", "fastapi", "pydantic", "pipecat", "httpx", "rich"}
    loaded = subprocess.run(
        [sys.executable, "-c", "import voicebot.cli, sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert heavy.isdisjoint(loaded)


def test_tokens_are_made_listed_and_revoked(voicebot: Any, tmp_path: Path) -> None:
    made = voicebot("db", "migrate")
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("shown once") == 3
    assert "shown once" not in voicebot("db", "migrate").stdout
    created = voicebot("token", "create", "agent", "--name", "seat 7", "--save")
    assert created.stdout.startswith("vb_")
    rows = [json.loads(line) for line in voicebot("token", "list", "--json").stdout.splitlines()]
    assert [row["role"] for row in rows] == ["media", "admin", "desk", "agent"]
    assert created.stdout.strip() not in json.dumps(rows)
    assert voicebot("token", "revoke", rows[-1]["id"]).returncode == 0
    database = tmp_path / "state" / "voicebot.db"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_a_desk_that_comes_first_shows_the_tokens_it_makes(voicebot: Any) -> None:
    result = voicebot("desk", "--mode", "nonsense")
    assert result.stderr.count("shown once") == 3
    assert "shown once" not in voicebot("db", "migrate").stdout


def test_a_replay_is_on_record(voicebot: Any, tmp_path: Path) -> None:
    voicebot("db", "migrate")
    with closing(sqlite3.connect(tmp_path / "state" / "voicebot.db")) as database:
        started = '{"at": 0.0, "call_id": "C1", "caller": "13800138000", "did": "12345"}'
        database.execute(
            "insert into call_event values ('C1', 1, 0.0, 'in', 'CallStarted', ?)", (started,)
        )
        database.commit()
        voicebot("replay", "C1")
        voicebot("replay", "C2")
        rows = database.execute(
            "select role, subject from audit where action = 'call.replay'"
        ).fetchall()
    assert rows == [("local", "C1")]


def test_config_show_says_where_values_come_from(voicebot: Any, tmp_path: Path) -> None:
    (tmp_path / "voicebot.toml").write_text("[server]\nport = 9000\n")
    shown = voicebot("config", "show", "--json", VOICEBOT_ASR__THREADS="1")
    values = json.loads(shown.stdout)
    assert values["server.port"] == {"value": "9000", "source": "voicebot.toml"}
    assert values["asr.threads"]["source"] == "environment VOICEBOT_ASR__THREADS"


@pytest.mark.parametrize("command", [["config", "check"], ["doctor", "--quick"], ["serve"]])
def test_settings_that_cannot_be_used_are_refused_before_anything_else(
    voicebot: Any, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "voicebot.toml").write_text('[[lines]]\ndid = "12345"\ngreeting = "none"\n')
    result = voicebot(*command)
    assert result.returncode == 1
    assert "lines.0.greeting: line 12345 can greet with greeting, greeting_12333" in result.stderr


def test_settings_can_be_looked_at_before_a_service_reads_them(
    voicebot: Any, tmp_path: Path
) -> None:
    (tmp_path / "new.toml").write_text("[server]\nport = 9000\n")
    found = json.loads(voicebot("config", "check", "new.toml", "--json").stdout)
    assert found["ok"]
    assert "server.port" in found["given"]
    (tmp_path / "new.toml").write_text("[server]\nport = 70000\n")
    assert "server.port" in voicebot("config", "check", "new.toml").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["token", "create", "king"], 1, "There is no role 'king'"),
        (["token", "revoke", "x"], 1, "There is no token 'x'"),
        (["replay", "nobody"], 1, "There is no event log of a call 'nobody'"),
        (["--config", "none.toml", "config", "show"], 1, "none.toml is not there"),
        (["call", "--audio", "none.wav"], 1, "none.wav"),
        (["call"], 2, "audio"),
        (["desk", "--number", "110"], 1, "write it like 110-460106=busy"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_mistakes_are_sentences_without_traceback(
    voicebot_here: Any, arguments: list[str], code: int, sentence: str
) -> None:
    voicebot_here("db", "migrate")
    result = voicebot_here(*arguments)
    assert result.returncode == code, result.stderr
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_broken_database_is_a_sentence(voicebot: Any, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "voicebot.db").write_text("no database " * 100)
    for arguments in (["db", "migrate"], ["token", "list"], ["replay", "x"]):
        result = voicebot(*arguments)
        assert result.returncode == 1
        assert "file is not a database" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_fault_of_ours_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from voicebot import cli

    def broken() -> None:
        raise KeyError("13800138000")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ending:
        cli.main()
    assert ending.value.code == 70
    told = capsys.readouterr().err
    assert "a fault of the program" in told
    assert "13800138000" not in told
