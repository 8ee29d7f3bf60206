"""Whole files to text."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AudioNotReadable
from asr.listener import Listener
from asr.transcribe import transcribe_file
from asr.whisper import WhisperTranscriber

LONG = "data/speech/long/s0150_w0187_w0198.wav"


def test_the_listener_writes_syllables(listener: Listener, shared_dir: Path) -> None:
    result = transcribe_file(shared_dir / LONG, listener)
    assert set(result) == {"path", "text", "seconds", "engine", "segments"}
    assert result["engine"] == "listener"
    assert result["seconds"] == pytest.approx(67.15, abs=0.1)
    assert len(result["text"].split()) > 150
    last = 0.0
    for segment in result["segments"]:
        assert last <= segment["start"] < segment["end"] <= result["seconds"] + 0.01
        last = segment["end"]
    assert json.loads(json.dumps(result, ensure_ascii=False)) == result


def test_whisper_writes_hanzi_with_alternatives(
    whisper: WhisperTranscriber, listener: Listener, shared_dir: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(shared_dir / LONG, frames=20 * 16_000)
    path = tmp_path / "call.flac"
    soundfile.write(path, np.stack([samples, samples], axis=1), rate)
    seen: list[str] = []
    result = transcribe_file(
        path, whisper, listener=listener, on_segment=lambda segment, _: seen.append(segment["text"])
    )
    assert "现金" in result["text"]
    assert seen == [segment["text"] for segment in result["segments"]]
    assert any(segment["alternatives"] for segment in result["segments"])


def test_a_silent_file_has_no_text(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(80_000, np.float32), 8_000)
    result = transcribe_file(path, listener)
    assert (result["text"], result["segments"], result["seconds"]) == ("", [], 10.0)


def test_a_bad_file_is_refused(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("会议记录")
    with pytest.raises(AudioNotReadable, match="no audio file"):
        transcribe_file(path, listener)
