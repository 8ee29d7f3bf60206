"""`voicebot doctor`: findings, remedies, and that it never ends in a traceback."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from tests.voicebot.certificates import self_signed
from tests.voicebot.webhook_receivers import webhook
from voicebot import doctor
from voicebot import doctor_records as records
from voicebot.config import Settings
from voicebot.doctor import healthy, run_checks, to_dict, to_table
from voicebot.finding import Check
from voicebot.models import ModelState
from voicebot.records.database import migrate
from voicebot.security import prepare, token_store


def settings_for(tmp_path: Path, models: Path, **sections: object) -> Settings:
    paths = {"models": str(models), "state": str(tmp_path / "var"), "shared": str(tmp_path)}
    return Settings.model_validate({"paths": paths, **sections})


def test_everything_installed_is_found_and_works(models_dir: Path, tmp_path: Path) -> None:
    checks = {c.name: c for c in run_checks(settings_for(tmp_path, models_dir))}
    assert checks["audio"].ok, checks["audio"].detail
    assert checks["embedder"].ok, checks["embedder"].detail
    assert checks["model whisper"].ok
    assert healthy(list(checks.values()))


def test_without_models_each_is_named_with_what_to_do(tmp_path: Path) -> None:
    checks = {c.name: c for c in run_checks(settings_for(tmp_path, tmp_path / "none"))}
    assert not healthy(list(checks.values()))
    assert checks["model whisper"].ok is False
    assert "fetch" in checks["model whisper"].remedy
    assert checks["audio"].ok is False
    assert checks["embedder"].ok is False
    assert all(check.remedy for check in checks.values() if check.ok is False)


def test_a_missing_listener_is_only_a_warning(tmp_path: Path) -> None:
    assert doctor.listener(None).ok is None
    assert doctor.model(ModelState("listener", "missing", "", "no network")).ok is None


def test_a_port_in_use_is_a_warning_naming_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check = doctor.port("127.0.0.1", taken.getsockname()[1])
    assert check.ok is None
    assert "server.port" in check.remedy


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    check = records.database(f"sqlite:///{tmp_path / 'voicebot.db'}")
    assert check.ok is None
    assert not (tmp_path / "voicebot.db").exists()


def test_a_database_of_another_revision_is_reported(tmp_path: Path) -> None:
    (tmp_path / "voicebot.db").touch()
    check = records.database(f"sqlite:///{tmp_path / 'voicebot.db'}")
    assert check.ok is False
    assert "voicebot db migrate" in check.remedy


def test_a_migrated_database_is_fine(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'voicebot.db'}"
    migrate(url)
    assert records.database(url).ok is True


def test_an_unreachable_server_hides_its_password() -> None:
    check = records.database("postgresql+psycopg://bot:secret@127.0.0.1:1/voicebot")
    assert check.ok is False
    assert "secret" not in check.detail


@pytest.mark.parametrize("url", ["nonsense", "mongodb://bot:secret@x/y", "sqlite+x:///a"])
def test_a_senseless_database_url_names_the_setting(url: str) -> None:
    check = records.database(url)
    assert check.ok is False
    assert "database.url" in check.remedy
    assert "secret" not in check.detail


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    check = records.database("postgresql+psycopg://bot@127.0.0.1/voicebot")
    assert "voicebot[postgres]" in check.remedy


def test_the_state_folder_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    assert records.state_folder(folder).ok is None
    folder.mkdir(mode=0o755)
    assert "chmod" in records.state_folder(folder).remedy
    folder.chmod(0o700)
    assert records.state_folder(folder).ok is True
    (folder / "spool").mkdir()
    (folder / "spool" / "rejected.jsonl").touch()
    assert "rejected.jsonl" in records.state_folder(folder).detail
    assert records.state_folder(folder / "spool" / "rejected.jsonl").ok is False


def test_tokens_that_are_missing_are_named_with_the_command(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, tmp_path)
    assert "voicebot db migrate" in records.tokens(settings).remedy
    prepare(settings)
    assert records.tokens(settings).ok is True
    (settings.paths.state / "secrets" / "desk.token").unlink()
    assert "desk" in records.tokens(settings).remedy
    store = token_store(settings)
    for row in store.listed():
        store.revoke(row["id"])
    assert "voicebot token create media" in records.tokens(settings).remedy


def test_tokens_before_the_first_start_are_no_fault(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, tmp_path)
    migrate(settings.database_url)
    check = records.tokens(settings)
    assert check.ok is True
    assert "first start" in check.detail


def test_an_empty_knowledge_base_says_how_to_fill_it(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, tmp_path)
    assert "voicebot kb publish" in records.knowledge_base(settings).remedy
    prepare(settings)
    check = records.knowledge_base(settings)
    assert (check.ok, "voicebot kb publish" in check.remedy) == (None, True)


def test_the_authority_of_the_nodes_is_read(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    found = doctor.nodes_certificates(str(certificate))
    assert (found.ok, found.name) == (True, "nodes")
    assert "with 1 in" in found.detail
    for wrong in (key, tmp_path / "none.pem"):
        found = doctor.nodes_certificates(str(wrong))
        assert found.ok is False
        assert "server.nodes_ca" in found.detail
    assert "this machine alone" in doctor.nodes_certificates("").detail


def test_a_check_that_fails_itself_sends_nobody_to_the_models() -> None:
    def broken() -> Check:
        raise RuntimeError("x")

    assert "models" in doctor._guarded("model whisper", broken).remedy
    assert "models" not in doctor._guarded("port", broken).remedy


def test_more_threads_than_cores_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert doctor.threads(1).ok is True
    assert doctor.threads(4096).ok is None
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    assert doctor.threads(1).ok is None


def test_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_BYTES", 10**18)
    assert doctor.disk(tmp_path / "var").ok is None


def test_findings_are_json_and_a_table() -> None:
    checks = [
        Check("a", True, "fine"),
        Check("b", None, "so so", "do this"),
        Check("c", False, "bad"),
    ]
    assert json.loads(json.dumps(to_dict(checks)))["ok"] is False
    assert to_table(checks).row_count == 3


def test_a_webhook_whose_key_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    one = webhook(tmp_path, "https://a.example/events")
    assert records.webhooks([one]).ok
    one.secret_file.chmod(0o644)
    check = records.webhooks([one])
    assert (check.ok, check.detail) == (None, "dispatch is told nothing")
    assert "chmod 600" in check.remedy
