"""`voicebot webhooks`: who is told, what waits, and sending it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.voicebot.conftest import VoicebotHere
from tests.voicebot.webhook_receivers import Scripted, key_file, receiving
from voicebot.config_webhooks import Webhook
from voicebot.records import operations
from voicebot.records.database import open_engine
from voicebot.webhooks import queue
from voicebot.webhooks.telling import subscribe

NOON = 1_795_406_400.0


@pytest.fixture
def cli(voicebot_here: VoicebotHere, tmp_path: Path) -> Any:
    """Commands with one receiver, ``dispatch``, that has two events waiting."""
    with receiving() as receiver:
        key = key_file(tmp_path)
        (tmp_path / "voicebot.toml").write_text(
            f'[[webhooks]]\nname = "dispatch"\nurl = "{receiver.url}"\nsecret_file = "{key}"\n'
            'events = ["call.started", "call.ended"]\n'
        )
        assert voicebot_here("db", "migrate").returncode == 0
        engine = open_engine(f"sqlite:///{tmp_path / 'state' / 'voicebot.db'}", writes=True)
        hook = Webhook(name="dispatch", url=receiver.url, secret_file=key)
        with Session(engine) as session, session.begin():
            subscribe(session, [hook])
            operations.start_call(
                session, call_id="C1", caller="13800138000", did="12345", started_at=NOON,
                recording="",
            )  # fmt: skip
            operations.finish_call(
                session, call_id="C1", ended_at=NOON + 60, outcome="answered", region=None
            )
            (due,) = queue.claim(session, "dispatch", NOON, 5)
            queue.settle(session, [queue.Attempt(due.number, NOON, "HTTP 503", NOON + 30)])
        engine.dispose()
        yield voicebot_here, receiver


def test_list_says_what_waits_and_why(cli: tuple[VoicebotHere, Scripted]) -> None:
    voicebot, receiver = cli
    (line,) = json.loads(voicebot("webhooks", "list", "--json").stdout)
    assert (line["name"], line["url"], line["waiting"]) == ("dispatch", receiver.url, 2)
    assert (line["last_error"], line["delivered_at"]) == ("HTTP 503", None)
    shown = voicebot("webhooks", "list").stdout
    assert "2 waiting" in shown
    assert "HTTP 503" in shown


def test_list_names_a_key_that_cannot_be_used(
    cli: tuple[VoicebotHere, Scripted], tmp_path: Path
) -> None:
    voicebot, _ = cli
    (tmp_path / "webhook.key").chmod(0o644)
    assert "chmod 600" in voicebot("webhooks", "list").stdout


def test_list_without_any_says_where_they_are_named(voicebot_here: VoicebotHere) -> None:
    voicebot_here("db", "migrate")
    assert "[[webhooks]]" in voicebot_here("webhooks", "list").stdout


def test_test_sends_one_and_says_what_came_of_it(cli: tuple[VoicebotHere, Scripted]) -> None:
    voicebot, receiver = cli
    done = voicebot("webhooks", "test", "dispatch")
    assert (done.returncode, done.stdout) == (0, "dispatch has it.\n")
    assert [event["event"] for event in receiver.taken] == ["webhook.test"]
    receiver.answer = lambda _: 401
    refused = voicebot("webhooks", "test", "dispatch", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"] == "HTTP 401"


def test_show_tells_events_by_what_they_are_about(cli: tuple[VoicebotHere, Scripted]) -> None:
    voicebot, _ = cli
    found = json.loads(voicebot("webhooks", "show", "dispatch", "C1", "--json").stdout)
    assert [each["event"] for each in found] == ["call.ended", "call.started"]
    (one,) = json.loads(voicebot("webhooks", "show", "dispatch", found[1]["id"], "--json").stdout)
    assert (one["state"], one["attempts"], one["last_error"]) == ("waiting", 1, "HTTP 503")
    assert "138******00" in voicebot("webhooks", "show", "dispatch").stdout
    assert "No event" in voicebot("webhooks", "show", "dispatch", "C9").stdout


def test_retry_makes_what_waits_due_and_is_audited(cli: tuple[VoicebotHere, Scripted]) -> None:
    voicebot, _ = cli
    assert voicebot("webhooks", "retry", "dispatch").stdout == "2 to be sent again.\n"
    unknown = voicebot("webhooks", "retry", "dispatch", "none")
    assert unknown.returncode == 1
    assert "nothing was changed" in unknown.stderr
    assert "webhooks.retry" in voicebot("audit", "list").stdout


def test_an_unknown_receiver_is_named_with_those_there_are(
    cli: tuple[VoicebotHere, Scripted],
) -> None:
    voicebot, _ = cli
    for command in ("test", "show", "retry"):
        done = voicebot("webhooks", command, "nobody")
        assert done.returncode == 1
        assert "dispatch" in done.stderr
