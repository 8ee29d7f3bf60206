"""Recordings are closed with a public key, and opened by the holder of the secret one."""

import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from voicebot.recording_files import open_sealed
from voicebot.recording_keys.files import FileKeys, new_key, read_identities
from voicebot.recording_keys.provider import RecordingVaultError
from voicebot.recording_vault import RecordingVault


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "CA1.wav"
    noise = np.random.default_rng(1).integers(-9000, 9000, (16000, 2), np.int16)
    sf.write(path, noise, 8000)
    return path


def test_a_sealed_recording_opens_with_its_key_and_is_the_same(
    recording: Path, tmp_path: Path
) -> None:
    secret, public = new_key()
    plain = recording.read_bytes()
    vault = RecordingVault([FileKeys([public])])
    vault.seal(recording)
    sealed = vault.kept_as(recording)
    assert not recording.exists()
    assert plain[100:200] not in sealed.read_bytes()
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    open_sealed(sealed, tmp_path / "out.wav", [secret])
    assert (tmp_path / "out.wav").read_bytes() == plain


def test_another_key_or_a_damaged_file_opens_nothing(recording: Path, tmp_path: Path) -> None:
    secret, public = new_key()
    vault = RecordingVault([FileKeys([public])])
    vault.seal(recording)
    sealed, out = vault.kept_as(recording), tmp_path / "out.wav"
    with pytest.raises(RecordingVaultError, match="does not fit"):
        open_sealed(sealed, out, [new_key()[0]])
    data = bytearray(sealed.read_bytes())
    data[-100] ^= 1
    sealed.write_bytes(data)
    with pytest.raises(RecordingVaultError, match="damaged"):
        open_sealed(sealed, out, [secret])
    assert not out.exists()


def test_what_a_crash_left_plain_is_sealed_at_the_next_start(
    recording: Path, tmp_path: Path
) -> None:
    assert RecordingVault([]).seal_leftovers(tmp_path) == 0
    assert recording.exists()
    assert RecordingVault([FileKeys([new_key()[1]])]).seal_leftovers(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["CA1.wav.age"]


def test_a_disk_that_takes_no_more_keeps_the_plain_recording(recording: Path) -> None:
    vault = RecordingVault([FileKeys([new_key()[1]])])
    (recording.parent / "CA1.wav.age.part").mkdir()
    vault.seal(recording)
    assert recording.exists()


def test_something_that_is_no_key_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingVaultError, match="recording key"):
        FileKeys(["age1nonsense"])
    keys = tmp_path / "keys"
    keys.write_text("# a comment\n\nnonsense\n")
    assert read_identities(keys) == ["nonsense"]
    with pytest.raises(RecordingVaultError, match="AGE-SECRET-KEY"):
        open_sealed(tmp_path / "x.age", tmp_path / "x.wav", read_identities(keys))
