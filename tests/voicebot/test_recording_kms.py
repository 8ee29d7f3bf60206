"""Recordings whose keys a KMS keeps, over HTTP; what happens while it is away; rotation."""

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from tests.voicebot.conftest import VoicebotHere
from tests.voicebot.transit_stand_in import Transit, serving
from voicebot.config import Settings
from voicebot.config_recordings import Recordings
from voicebot.doctor_recordings import recordings
from voicebot.recording_files import beside_of, keep_beside, key_file, open_sealed
from voicebot.recording_keys.files import FileKeys, new_key
from voicebot.recording_keys.provider import KeysUnavailable, RecordingVaultError
from voicebot.recording_keys.transit import RENEW_S, TransitKeys, token_of
from voicebot.recording_rewrap import identities, reseal_all, rewrap
from voicebot.recording_vault import RecordingVault
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import AuditRow
from voicebot.retention.recordings import files, unlink

KEY = "voicebot-recordings"
SERVICE, LISTENER, KEEPER = "hvs.service", "hvs.listener", "hvs.keeper"
SOUND = b"RIFF" + bytes(range(256)) * 400


@pytest.fixture
def transit() -> Iterator[Transit]:
    rights = {
        SERVICE: {f"encrypt/{KEY}"},
        LISTENER: {f"decrypt/{KEY}"},
        KEEPER: {f"rewrap/{KEY}"},
    }
    made = Transit(rights)
    made.rotate(KEY)
    with serving(made):
        yield made


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recordings" / "CA1.wav"
    path.parent.mkdir()
    path.write_bytes(SOUND)
    return path


def kms(transit: Transit, token: str = SERVICE, **more: Any) -> TransitKeys:
    settings = Recordings(kms_url=transit.url, kms_token_file=Path("/dev/null"))
    return TransitKeys(settings, lambda: token, **more)


def sealed_by(vault: RecordingVault, recording: Path) -> Path:
    vault.look()
    vault.seal(recording)
    assert not recording.exists()
    return vault.kept_as(recording)


def opened(sealed: Path, transit: Transit, out: Path) -> bytes:
    open_sealed(sealed, out, identities(sealed, kms(transit, LISTENER)))
    found = out.read_bytes()
    out.unlink()
    return found


def test_who_may_decrypt_at_the_kms_opens_and_the_service_itself_does_not(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    sealed = sealed_by(RecordingVault([kms(transit)]), recording)
    assert SOUND[1000:1100] not in sealed.read_bytes()
    assert opened(sealed, transit, tmp_path / "out.wav") == SOUND
    with pytest.raises(KeysUnavailable, match="403"):
        identities(sealed, kms(transit, SERVICE))
    assert stat.S_IMODE(key_file(sealed).stat().st_mode) == 0o600
    assert "AGE-SECRET-KEY" not in key_file(sealed).read_text()


def test_a_call_waits_for_no_kms_once_there_is_a_data_key(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    keys = kms(transit)
    keys.renew()
    transit.sealed = True
    vault = RecordingVault([keys])
    vault.seal(recording)
    transit.sealed = False
    assert transit.asked == ["encrypt"]
    assert opened(vault.kept_as(recording), transit, tmp_path / "out.wav") == SOUND


def test_a_start_without_the_kms_goes_on_with_the_data_key_of_before(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    kept = tmp_path / "state" / "secrets" / "recording-key.json"
    kms(transit, kept=kept).renew()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "AGE-SECRET-KEY" not in kept.read_text()
    transit.sealed = True
    vault = RecordingVault([kms(transit, kept=kept)])
    vault.look()
    vault.seal(recording)
    assert vault.waiting == 0
    transit.sealed = False
    assert opened(vault.kept_as(recording), transit, tmp_path / "out.wav") == SOUND


@pytest.mark.parametrize("kept", ["", "{}", "[]", '{"public": "age1x", "made_at": 0}'])
def test_a_damaged_file_of_the_data_key_is_made_anew(
    transit: Transit, tmp_path: Path, kept: str
) -> None:
    file = tmp_path / "secrets" / "recording-key.json"
    file.parent.mkdir()
    file.write_text(kept)
    keys = kms(transit, kept=file)
    assert keys.sealing() is None
    keys.renew()
    assert json.loads(file.read_text())["wrapped"].startswith("vault:v1:")


def test_each_day_has_a_data_key_of_its_own(transit: Transit) -> None:
    now = [1000.0]
    keys = kms(transit, clock=lambda: now[0])
    keys.renew()
    first = keys.sealing()
    keys.renew()
    assert keys.sealing() is first
    now[0] += RENEW_S
    keys.renew()
    assert keys.sealing() != first
    assert transit.asked == ["encrypt", "encrypt"]


def test_without_any_key_a_recording_waits_is_reported_and_is_sealed_when_the_kms_is_back(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    transit.sealed = True
    vault = RecordingVault([kms(transit)])
    with capture_logs() as lines:
        vault.look()
        vault.seal(recording)
    assert recording.read_bytes() == SOUND
    assert vault.waiting == 1
    assert [line["event"] for line in lines] == ["recording_keys_away", "recording_waits_for_key"]
    assert "unsealed" in lines[0]["reason"]
    transit.sealed = False
    with capture_logs() as lines:
        vault.look()
    assert (vault.waiting, recording.exists()) == (0, False)
    assert [line["event"] for line in lines] == ["recording_keys_back"]
    assert opened(vault.kept_as(recording), transit, tmp_path / "out.wav") == SOUND


def test_with_a_local_key_it_is_sealed_to_that_meanwhile_and_comes_under_the_kms_later(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    secret, public = new_key()
    transit.sealed = True
    providers = [FileKeys([public]), kms(transit)]
    vault = RecordingVault(providers)
    with capture_logs() as lines:
        sealed = sealed_by(vault, recording)
    assert lines[-1] == {
        "event": "recording_sealed_without", "log_level": "warning", "file": "CA1.wav",
        "keys": "kms",
    }  # fmt: skip
    open_sealed(sealed, tmp_path / "local.wav", [secret])
    with pytest.raises(RecordingVaultError, match="no key of a KMS"):
        identities(sealed, kms(transit, LISTENER))
    transit.sealed = False
    counts: Counter[str] = Counter()
    reseal_all([sealed], providers, [secret], counts)
    assert counts == {"resealed": 1}
    assert opened(sealed, transit, tmp_path / "out.wav") == SOUND


def test_a_kms_that_is_not_there_at_all_is_said_so(recording: Path) -> None:
    nowhere = Recordings(kms_url="http://127.0.0.1:9", kms_token_file=Path("x"))
    keys = TransitKeys(nowhere, lambda: "t")
    with pytest.raises(KeysUnavailable, match="cannot be reached: ConnectError"):
        keys.renew()
    missing = token_of(Path("/nonexistent/token"))
    with pytest.raises(KeysUnavailable, match="token cannot be read"):
        missing()


# ── rotation ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data", [None, [], "x", {"ciphertext": 7}])
def test_an_answer_that_makes_no_sense_is_a_kms_that_is_away(
    transit: Transit, monkeypatch: pytest.MonkeyPatch, data: Any
) -> None:
    monkeypatch.setattr(transit, "answer", lambda *_: data)
    with pytest.raises(KeysUnavailable, match="200"):
        kms(transit).renew()


def test_keys_that_fail_in_whatever_way_end_no_looking_for_others(
    recording: Path, transit: Transit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, keys = kms(transit), kms(transit)
    monkeypatch.setattr(broken, "renew", lambda: 1 / 0)
    sealed = sealed_by(RecordingVault([broken, keys]), recording)
    assert opened(sealed, transit, tmp_path / "out.wav") == SOUND


def test_after_a_rotation_the_data_keys_come_under_the_new_version_and_recordings_stay(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    sealed = sealed_by(RecordingVault([kms(transit)]), recording)
    before = sealed.read_bytes()
    transit.rotate(KEY)
    counts: Counter[str] = Counter()
    rewrap([sealed], kms(transit, KEEPER), counts)
    rewrap([sealed], kms(transit, KEEPER), counts)
    assert counts == {"rewrapped": 1, "newest": 1}
    assert [each["wrapped"][:9] for each in beside_of(sealed)] == ["vault:v2:"]
    assert sealed.read_bytes() == before
    transit.keys[KEY][0] = bytes(32)  # the old version is gone
    assert opened(sealed, transit, tmp_path / "out.wav") == SOUND


def test_recordings_of_one_day_cost_the_kms_one_question(tmp_path: Path, transit: Transit) -> None:
    vault, sealed = RecordingVault([kms(transit)]), []
    for number in range(5):
        path = tmp_path / f"CA{number}.wav"
        path.write_bytes(SOUND)
        sealed.append(sealed_by(vault, path))
    transit.rotate(KEY)
    counts: Counter[str] = Counter()
    rewrap(sealed, kms(transit, KEEPER), counts)
    assert counts == {"rewrapped": 5}
    assert transit.asked.count("rewrap") == 1


def test_a_new_key_of_a_file_replaces_the_old_one(recording: Path, tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    sealed = sealed_by(RecordingVault([FileKeys([old[1]])]), recording)
    counts: Counter[str] = Counter()
    reseal_all([sealed], [FileKeys([new[1]])], [old[0]], counts)
    open_sealed(sealed, tmp_path / "out.wav", [new[0]])
    assert (tmp_path / "out.wav").read_bytes() == SOUND
    reseal_all([sealed], [FileKeys([new[1]])], [old[0]], counts)
    assert counts == {"resealed": 1, "not_opened": 1}
    assert [path.name for path in recording.parent.iterdir()] == ["CA1.wav.age"]


def test_a_damaged_recording_stays_as_it_is(recording: Path) -> None:
    secret, public = new_key()
    sealed = sealed_by(RecordingVault([FileKeys([public])]), recording)
    data = bytearray(sealed.read_bytes())
    data[-100] ^= 1
    sealed.write_bytes(data)
    counts: Counter[str] = Counter()
    reseal_all([sealed], [FileKeys([public])], [secret], counts)
    assert counts == {"not_opened": 1}
    assert sealed.read_bytes() == data
    assert [path.name for path in recording.parent.iterdir()] == ["CA1.wav.age"]


def test_sealing_anew_that_broke_off_leaves_both_keys_and_either_opens(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    sealed = sealed_by(RecordingVault([kms(transit)]), recording)
    other = kms(transit)
    other.renew()
    sealing = other.sealing()
    assert sealing is not None
    assert sealing.beside is not None
    keep_beside(sealed, [sealing.beside, *beside_of(sealed)])
    assert opened(sealed, transit, tmp_path / "out.wav") == SOUND


# ── retention, settings, commands ─────────────────────────────────────────────────


def test_the_retention_removes_the_key_with_its_recording(
    recording: Path, transit: Transit
) -> None:
    sealed = sealed_by(RecordingVault([kms(transit)]), recording)
    assert files(recording.parent) == [sealed]
    assert unlink(sealed)
    assert list(recording.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kms_url": "http://vault.example:8200", "kms_token_file": "t"}, "only over https"),
        ({"kms_url": "https://vault.example:8200"}, "needs kms_token_file"),
        ({"kms_mount": "/"}, "may not be empty"),
    ],
)
def test_a_kms_that_could_not_be_used_is_refused_at_the_start(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Recordings.model_validate(given)


def test_by_command_it_is_opened_rewrapped_and_on_record(
    voicebot_here: VoicebotHere, transit: Transit, recording: Path
) -> None:
    state = voicebot_here.folder / "state"
    state.mkdir()
    url = f"sqlite:///{state / 'voicebot.db'}"
    migrate(url)
    recording.parent.rename(state / "recordings")
    sealed = sealed_by(RecordingVault([kms(transit)]), state / "recordings" / "CA1.wav")
    for name, token in (("listener", LISTENER), ("keeper", KEEPER), ("service", SERVICE)):
        (voicebot_here.folder / name).write_text(f"{token}\n")
    set_ = {
        "VOICEBOT_RECORDINGS__KMS_URL": transit.url,
        "VOICEBOT_RECORDINGS__KMS_TOKEN_FILE": str(voicebot_here.folder / "service"),
    }
    shown = voicebot_here("recording", "status", "--json", **set_)
    assert json.loads(shown.stdout) == {"sealed": 1, "with_kms": 1, "plain": 0}
    refused = voicebot_here("recording", "open", str(sealed), "--out", "x.wav", **set_)
    assert refused.returncode == 1
    assert "403" in refused.stderr
    assert not (voicebot_here.folder / "x.wav").exists()
    opened_ = voicebot_here(
        "recording", "open", str(sealed), "--out", "x.wav", "--kms-token", "listener", **set_
    )
    assert opened_.returncode == 0, opened_.stderr
    assert (voicebot_here.folder / "x.wav").read_bytes() == SOUND
    transit.rotate(KEY)
    done = voicebot_here("recording", "rewrap", "--kms-token", "keeper", "--json", **set_)
    assert json.loads(done.stdout) == {"recordings": 1, "rewrapped": 1}
    engine = open_engine(url)
    with Session(engine) as session:
        acts = session.execute(select(AuditRow.action, AuditRow.subject).order_by(AuditRow.id))
        assert acts.all() == [
            ("recording.open", "CA1.wav.age"),
            ("recording.rewrap", "rewrapped 1"),
        ]
    engine.dispose()


def test_the_doctor_says_whether_the_kms_seals_and_what_waits(
    recording: Path, transit: Transit, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(SERVICE)
    given = {"kms_url": transit.url, "kms_token_file": tmp_path / "token"}
    settings = Settings.model_validate({"paths": {"state": tmp_path}, "recordings": given})
    assert recordings(settings).ok is True
    assert transit.asked == ["encrypt"]
    os.utime(recording, (0, 0))
    assert "1 are not sealed yet" in recordings(settings).detail
    transit.sealed = True
    found = recordings(settings)
    assert (found.ok, "503" in found.detail) == (None, True)


def test_rotation_without_a_kms_says_what_to_give(voicebot_here: VoicebotHere) -> None:
    refused = voicebot_here("recording", "rewrap")
    assert refused.returncode == 1
    assert "--key" in refused.stderr
