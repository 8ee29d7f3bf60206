"""Recorded prompts: checked when they are opened, heard instead of the voice or after it."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from flows.prompts import load_prompts
from telephony.codecs import Int16
from voicebot.call.recorded import PAUSE_S, Recorded, RecordingInvalid, open_recorded
from voicebot.config import load_settings

PROMPTS = load_prompts()
SPOKEN = np.full(800, 5, np.int16)
"""A synthesised prompt, 0.1 s at 8 kHz."""


def tone(seconds: float = 1.0, rate: int = 8000, peak: int = 12000) -> Int16:
    wave_ = np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.asarray(np.clip(wave_ * peak, -32768, 32767), np.int16)


def write(path: Path, pcm: Int16, rate: int = 8000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())


def opened(folder: Path) -> Recorded:
    """Without the English that is synthesised."""
    return open_recorded(folder, {n: p for n, p in PROMPTS.items() if not p.english})


def heard(recorded: Recorded, prompt: str) -> Int16:
    return np.concatenate([*recorded.with_others(prompt, [SPOKEN], 8000)])


def test_a_recording_is_heard_instead_of_the_voice(tmp_path: Path) -> None:
    write(tmp_path / "greeting.wav", tone(rate=16000), 16000)
    recorded = opened(tmp_path)
    assert len(heard(recorded, "greeting")) == 8000
    assert np.array_equal(heard(recorded, "goodbye"), SPOKEN)


def test_other_languages_are_heard_after_it_with_a_pause(tmp_path: Path) -> None:
    write(tmp_path / "failure_human.hainan.wav", tone(2.0))
    write(tmp_path / "failure_human.en.wav", tone(1.0))
    pcm = heard(opened(tmp_path), "failure_human")
    assert len(pcm) == len(SPOKEN) + 8000 + 16000 + 2 * round(PAUSE_S * 8000)
    assert np.array_equal(pcm[: len(SPOKEN)], SPOKEN)


@pytest.mark.parametrize(
    ("name", "pcm", "rate", "channels", "told"),
    [
        ("no_such_prompt.wav", tone(), 8000, 1, "PROMPT.wav"),
        ("clarify.wav", tone(), 8000, 1, "blanks"),
        ("greeting.wav", tone(), 44100, 1, "8000 or 16000 Hz"),
        ("greeting.wav", tone(), 8000, 2, "mono"),
        ("greeting.wav", tone(0.1), 8000, 1, "0.1 s long"),
        ("greeting.wav", tone(21), 8000, 1, "21.0 s long"),
        ("greeting.wav", tone(peak=90000), 8000, 1, "less loud"),
        ("greeting.wav", tone(peak=3), 8000, 1, "nothing to be heard"),
    ],
)
def test_what_cannot_be_played_is_told_by_file_with_what_to_do(
    tmp_path: Path, name: str, pcm: Int16, rate: int, channels: int, told: str
) -> None:
    write(tmp_path / name, pcm, rate, channels)
    with pytest.raises(RecordingInvalid, match=told) as error:
        opened(tmp_path)
    assert name in str(error.value)


def test_a_file_whose_chunks_go_beyond_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "greeting.wav").write_bytes(b"RIFF\x14\0\0\0WAVELIST\xff\xff\xff\x0f" + bytes(20))
    with pytest.raises(RecordingInvalid, match=r"greeting\.wav: cannot be read as WAV"):
        opened(tmp_path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path / "greeting.wav", tone(0.1))
    (tmp_path / "goodbye.wav").write_bytes(b"RIFF and no more")
    with pytest.raises(RecordingInvalid) as error:
        opened(tmp_path)
    assert "greeting.wav" in str(error.value)
    assert "goodbye.wav" in str(error.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingInvalid, match=r"speech\.recordings"):
        opened(tmp_path / "nowhere")


def test_only_who_spoke_english_hears_english_unless_it_was_recorded() -> None:
    assert [name for name, prompt in PROMPTS.items() if prompt.english] == ["language_human"]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_english_is_synthesised_where_it_was_not_recorded(tmp_path: Path) -> None:
    spoken = heard(open_recorded(None, PROMPTS), "language_human")
    assert len(spoken) > len(SPOKEN) + 2 * 8000
    write(tmp_path / "language_human.en.wav", tone(1.0))
    ours = heard(open_recorded(tmp_path, PROMPTS), "language_human")
    assert len(ours) == len(SPOKEN) + 8000 + round(PAUSE_S * 8000)


def test_the_folder_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text(f'[speech]\nrecordings = "{tmp_path}"\n')
    assert load_settings(file).speech.recordings == tmp_path
    file.write_text('[speech]\nrecordings = ""\n')
    assert load_settings(file).speech.recordings is None
