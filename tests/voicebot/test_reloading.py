"""Settings read again while calls run: what can change counts from the next call on, the rest is
named and stays, and a file that cannot be used changes nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from telephony.call_control import CallInfo, Rejection
from tests.voicebot.test_web import _opened, _Service, bearer
from voicebot.admission import Admission
from voicebot.config import ConfigError, Settings, load_settings
from voicebot.records.tables import AuditRow
from voicebot.reloading import AT_ONCE, OnHangUp, reload, reloaded
from voicebot.security import Principal
from voicebot.web.api import create_app

ROOT = Path(__file__).resolve().parents[2]
ADMIN = Principal("admin", "admin", "1")
LINES = """
[[lines]]
did = "12345"
greeting = "{greeting}"
[[lines]]
did = "12333"
"""


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "voicebot.toml"
    file.write_text(text)
    return load_settings(file)


def test_what_can_change_counts_and_what_is_built_at_the_start_stays(tmp_path: Path) -> None:
    running = settings_of(tmp_path, "[admission]\ncalls = 8\n[server]\nport = 8445\n")
    file = settings_of(tmp_path, "[admission]\ncalls = 12\n[server]\nport = 9000\n")
    found = reloaded(running, file)
    assert (found.changed, found.restart) == (("admission.calls",), ("server.port",))
    assert (found.settings.admission.calls, found.settings.server.port) == (12, 8445)


def test_a_line_greets_otherwise_and_keeps_its_number(tmp_path: Path) -> None:
    running = settings_of(tmp_path, LINES.format(greeting="greeting"))
    file = settings_of(tmp_path, LINES.format(greeting="greeting_12333"))
    found = reloaded(running, file)
    assert found.changed == ("lines.12345.greeting",)
    assert found.settings.greetings["12345"] == "greeting_12333"


def test_lines_that_come_or_go_need_a_restart_and_none_of_them_changes(tmp_path: Path) -> None:
    running = settings_of(tmp_path, LINES.format(greeting="greeting"))
    file = settings_of(tmp_path, '[[lines]]\ndid = "12345"\ngreeting = "greeting_12333"\n')
    found = reloaded(running, file)
    assert (found.changed, found.restart) == ((), ("lines",))
    assert found.settings.lines == running.lines


def test_what_waits_for_a_restart_is_named_each_time(tmp_path: Path) -> None:
    running = settings_of(tmp_path, "")
    file = settings_of(tmp_path, "[sip]\nprocesses = 4\n")
    once = reloaded(running, file)
    assert reloaded(once.settings, file).restart == ("sip.processes",)


@given(calls=st.integers(1, 99), port=st.integers(1, 65535), patience=st.floats(0.1, 9))
def test_the_same_file_again_changes_nothing(calls: int, port: int, patience: float) -> None:
    running = Settings()
    file = running.model_copy(
        update={
            "admission": running.admission.model_copy(update={"calls": calls}),
            "server": running.server.model_copy(update={"port": port}),
            "dialogue": running.dialogue.model_copy(update={"patience_s": patience}),
        }
    )
    once = reloaded(running, file)
    again = reloaded(once.settings, file)
    assert (again.changed, again.settings) == ((), once.settings)
    assert again.restart == once.restart


def test_what_counts_at_once_are_settings_and_in_the_document() -> None:
    document = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    for section, keys in AT_ONCE.items():
        field = Settings.model_fields[section]
        known = (
            set(type(Settings().lines[0]).model_fields)
            if section == "lines"
            else set(field.annotation.model_fields)  # type: ignore[union-attr]
        )
        assert keys <= known, section
        (row,) = re.findall(rf"^\| `\[+{section}\]+` \|(.*)\|$", document, re.M)
        assert set(re.findall(r"`(\w+)`", row)) == keys, section


def test_whoever_has_a_place_keeps_it_and_the_next_one_meets_the_new_limit() -> None:
    class Recogniser:
        def serving(self, calls: int) -> None: ...
        def takes_another(self, within_s: float) -> bool:
            return True

    limits = Settings().admission
    admission = Admission(limits, lambda: 0, Recogniser())
    first, second = (CallInfo(name, caller, "12345") for name, caller in (("C1", "1"), ("C2", "2")))
    assert admission.reserve(first) is None
    admission.take_settings(limits.model_copy(update={"calls": 1}))
    assert admission.reserve(second) is Rejection.FULL
    assert admission.occupancy.calls == 1


@pytest.fixture
def client(service: _Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Its settings are those of the file `voicebot.toml` in `tmp_path`."""
    file = tmp_path / "voicebot.toml"
    file.write_text("")
    monkeypatch.setenv("VOICEBOT_CONFIG", str(file))
    with TestClient(create_app(service, service.announcements)) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def acts(service: _Service, client: TestClient) -> list[tuple[str, str, bool]]:
    def read(session: Session) -> list[tuple[str, str, bool]]:
        rows = session.scalars(select(AuditRow).where(AuditRow.action == "config.reload"))
        return [(row.principal, row.subject, row.allowed) for row in rows]

    assert client.portal is not None
    return client.portal.call(service.records.read, read)


def test_an_admin_has_the_file_read_again_and_it_is_on_record(
    client: TestClient, service: _Service, tmp_path: Path
) -> None:
    (tmp_path / "voicebot.toml").write_text("[admission]\ncalls = 12\n")
    headers = bearer(service, "admin")
    tried = client.post("/v1/config/reload", json={"dry_run": True}, headers=headers)
    assert tried.json()["changed"] == ["admission.calls"]
    assert (service.settings.admission.calls, acts(service, client)) == (8, [])
    done = client.post("/v1/config/reload", json={}, headers=headers)
    assert done.json()["changed"] == ["admission.calls"]
    assert service.settings.admission.calls == 12
    assert acts(service, client) == [("admin", "admission.calls", True)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[admission]\ncalls = 0\n", "admission.calls"),
        ("[admission\n", "TOML"),
        ("[admision]\ncalls = 3\n", "no setting"),
        (LINES.format(greeting="greting"), "line 12345 can greet with greeting"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing_and_says_why(
    client: TestClient, service: _Service, tmp_path: Path, text: str, why: str
) -> None:
    before = service.settings = service.settings.model_copy(
        update={"lines": load_settings(_file(tmp_path, LINES.format(greeting="greeting"))).lines}
    )
    (tmp_path / "voicebot.toml").write_text(text)
    answer = client.post("/v1/config/reload", json={}, headers=bearer(service, "admin"))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_config")
    assert why in answer.json()["message"]
    assert service.settings is before
    assert acts(service, client) == [("admin", "refused", False)]


def _file(folder: Path, text: str) -> Path:
    file = folder / "before.toml"
    file.write_text(text)
    return file


async def test_sighup_reloads_once_the_service_is_there_and_ends_nothing_before(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text("[dialogue]\npatience_s = 1.5\n")
    monkeypatch.setenv("VOICEBOT_CONFIG", str(file))
    hang_up = OnHangUp()
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.sleep(0)
    service = _Service(settings, await _opened(settings))
    taken = asyncio.Event()

    def take(new: Settings) -> None:
        service.settings = new
        taken.set()

    service.take_settings = take  # type: ignore[method-assign]
    hang_up.service = service
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(10):
            await taken.wait()
        assert service.settings.dialogue.patience_s == 1.5
        file.write_text("[dialogue]\npatience_s = -1\n")
        with pytest.raises(ConfigError):
            await reload(service, ADMIN)
        assert service.settings.dialogue.patience_s == 1.5
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        await service.records.close()
