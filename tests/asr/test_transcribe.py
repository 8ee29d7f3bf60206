"""Whole files to text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AudioNotReadable
from asr.listener import Listener
from asr.syllables import to_syllables
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
    for segment in result["segments"]:
        assert segment["readable"][-1] in "。？！"
        assert to_syllables(segment["readable"]) == to_syllables(segment["text"])
    assert any(segment["alternatives"] for segment in result["segments"])


def test_the_words_of_a_segment_are_those_of_its_text_whichever_reading_was_chosen(
    whisper: WhisperTranscriber,
    listener: Listener,
    shared_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(whisper, "capabilities", WhisperTranscriber.declared)
    samples, rate = soundfile.read(shared_dir / LONG, frames=20 * 16_000)
    soundfile.write(tmp_path / "call.wav", samples, rate)
    for engine in (whisper, listener):
        result = transcribe_file(tmp_path / "call.wav", engine, listener=listener)
        assert result["segments"]
        for segment in result["segments"]:
            letters = [c for word in segment["words"] for c in word["word"] if c.isalnum()]
            assert letters == [c for c in segment["text"] if c.isalnum()]
            last = segment["start"]
            for word in segment["words"]:
                assert last <= word["start"] <= word["end"] <= segment["end"] + 0.31
                last = word["end"]


@pytest.fixture(scope="session")
def call(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-channel recording as calls are recorded here: the caller, then the bot, in turn."""
    samples, rate = soundfile.read(shared_dir / LONG, frames=24 * 16_000)
    both = np.zeros((samples.size, 2))
    for turn in range(4):
        place = slice(turn * 6 * rate, (turn * 6 + 5) * rate)
        both[place, turn % 2] = samples[place]
    path = tmp_path_factory.mktemp("calls") / "call.wav"
    soundfile.write(path, both, rate, subtype="PCM_16")
    return path


def test_the_two_channels_of_a_call_are_two_speakers(listener: Listener, call: Path) -> None:
    seen: list[dict] = []
    result = transcribe_file(call, listener, on_segment=lambda segment, _: seen.append(segment))
    assert seen == result["segments"]
    starts = [segment["start"] for segment in result["segments"]]
    assert starts == sorted(starts)
    assert {segment["side"] for segment in result["segments"]} == {"caller", "agent"}
    for segment in result["segments"]:
        assert segment["channel"] == ["caller", "agent"].index(segment["side"])
        assert int(segment["start"] + 0.5) // 6 % 2 == segment["channel"]
    assert result["text"] == " ".join(segment["text"] for segment in result["segments"])
    for channel in (0, 1):
        samples, rate = soundfile.read(call)
        alone = call.with_name(f"{channel}.wav")
        soundfile.write(alone, samples[:, channel], rate, subtype="PCM_16")
        assert transcribe_file(alone, listener)["segments"] == [
            {key: value for key, value in segment.items() if key not in ("channel", "side")}
            for segment in result["segments"]
            if segment["channel"] == channel
        ]


def test_the_sides_of_a_call_have_the_names_that_are_given(listener: Listener, call: Path) -> None:
    result = transcribe_file(call, listener, sides=("坐席", "来电人"))
    assert {segment["side"] for segment in result["segments"]} == {"坐席", "来电人"}


def test_speakers_who_overlap_are_heard_each_by_itself(
    listener: Listener, shared_dir: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(shared_dir / LONG, frames=16 * 16_000)
    first, second = samples[: 8 * rate], samples[8 * rate :]
    soundfile.write(tmp_path / "both.wav", np.stack([first, second], axis=1), rate)
    both = transcribe_file(tmp_path / "both.wav", listener)
    for channel, pcm in enumerate((first, second)):
        soundfile.write(tmp_path / "one.wav", pcm, rate)
        told_apart = " ".join(s["text"] for s in both["segments"] if s["channel"] == channel)
        assert told_apart == transcribe_file(tmp_path / "one.wav", listener)["text"]


def test_mixed_channels_are_one_speaker(listener: Listener, call: Path) -> None:
    result = transcribe_file(call, listener, channels="mix")
    assert result["segments"]
    assert not any("side" in segment or "channel" in segment for segment in result["segments"])


def test_one_sound_in_two_channels_is_heard_once(
    listener: Listener, shared_dir: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(shared_dir / LONG, frames=6 * 16_000)
    soundfile.write(tmp_path / "one.wav", samples, rate)
    soundfile.write(tmp_path / "same.wav", np.stack([samples, samples], axis=1), rate)
    one, same = (transcribe_file(tmp_path / f"{n}.wav", listener) for n in ("one", "same"))
    assert same["segments"] == one["segments"] != []


def test_a_side_that_says_nothing_does_not_hold_back_the_other(
    listener: Listener, shared_dir: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(shared_dir / LONG, frames=6 * 16_000)
    soundfile.write(tmp_path / "c.wav", np.stack([samples * 0, samples], axis=1), rate)
    result = transcribe_file(tmp_path / "c.wav", listener)
    assert {segment["side"] for segment in result["segments"]} == {"agent"}


def test_damage_in_a_call_is_said_once_and_both_sides_are_kept(
    listener: Listener, call: Path, tmp_path: Path
) -> None:
    path = tmp_path / "call.flac"
    soundfile.write(path, *soundfile.read(call))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    progress: list[float] = []
    result = transcribe_file(path, listener, on_progress=lambda done, _: progress.append(done))
    assert result["error"]["code"] == "asr.audio_not_readable"
    assert {segment["side"] for segment in result["segments"]} == {"caller", "agent"}
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(result["seconds"], abs=0.01)


def test_the_memory_for_ten_minutes_of_two_channels_is_that_of_a_minute(tmp_path: Path) -> None:
    import tracemalloc

    from asr.hypothesis import Capabilities, Hypothesis

    class Quick:
        name = "quick"
        capabilities = Capabilities(False, False, False, False, False, ("zh",))

        def transcribe(self, pcm: np.ndarray) -> Hypothesis:
            return Hypothesis("quick", text="喂")

    def peak(minutes: int) -> tuple[int, int]:
        beat = (np.arange(60 * 8000) / 8000 % 4 < 2) * np.random.default_rng(0).normal(
            0, 0.1, 60 * 8000
        )
        with soundfile.SoundFile(tmp_path / "long.wav", "w", 8000, 2, "PCM_16") as file:
            for _ in range(minutes):
                file.write(np.stack([beat, np.roll(beat, 8000)], axis=1))
        tracemalloc.start()
        result = transcribe_file(tmp_path / "long.wav", Quick())  # type: ignore[arg-type]
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most, len(result["segments"])

    (short, few), (long, many) = peak(1), peak(10)
    assert many > 8 * few > 0
    assert long < short + 2_000_000


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


def test_what_comes_before_the_damage_is_kept_and_the_damage_said(
    listener: Listener, shared_dir: Path, tmp_path: Path
) -> None:
    samples, rate = soundfile.read(shared_dir / LONG, frames=40 * 16_000)
    path = tmp_path / "call.flac"
    soundfile.write(path, samples, rate)
    whole = transcribe_file(path, listener)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    progress: list[tuple[float, float]] = []
    result = transcribe_file(
        path, listener, on_progress=lambda done, length: progress.append((done, length))
    )
    assert result["error"]["code"] == "asr.audio_not_readable"
    assert "is damaged after" in result["error"]["message"]
    assert 25 < result["seconds"] < 35
    assert result["text"][:100] == whole["text"][:100]
    assert "error" not in whole
    done = [seconds for seconds, _ in progress]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(result["seconds"], abs=0.01)
    assert {length for _, length in progress} == {40.0}


def test_the_command_goes_on_after_each_bad_file(
    listener_dir: Path, shared_dir: Path, tmp_path: Path
) -> None:
    good, rate = soundfile.read(shared_dir / LONG, frames=5 * 16_000)
    soundfile.write(tmp_path / "good.wav", good, rate)
    (tmp_path / "notes.wav").write_text("会议记录")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "call.raw").write_bytes(b"\1\2" * 1000)
    strange = tmp_path / os.fsdecode(b"strange\xff.wav")
    strange.write_bytes((tmp_path / "good.wav").read_bytes())
    (tmp_path / os.fsdecode(b"bad\xfe.wav")).write_text("会议记录")
    files = [*sorted(tmp_path.glob("*.*"), key=lambda p: p.name == "good.wav"), tmp_path / "none"]
    done = subprocess.run(
        [
            Path(sys.executable).parent / "voicebot",
            *("transcribe", "--json", "--engine", "listener"),
            *files,
        ],
        env={**os.environ, "VOICEBOT_PATHS__LISTENER": str(listener_dir)},
        capture_output=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr.decode()
    assert len(lines) == len(files)
    heard = [line for line in lines if "text" in line]
    assert [Path(line["path"]).name for line in heard] == ["strange\\xff.wav", "good.wav"]
    assert heard[0]["text"] == heard[1]["text"] != ""
    errors = done.stderr.decode().splitlines()
    assert len([line for line in errors if line.startswith("voicebot: ")]) == len(files) - 2
    assert "fault of the program" not in done.stderr.decode()


def test_an_incomplete_listener_does_not_hinder_the_transcriber(
    whisper: WhisperTranscriber, tmp_path: Path
) -> None:
    from structlog.testing import capture_logs

    from asr.engines import EngineFolders
    from voicebot.config import Settings
    from voicebot.recognisers import open_ears_for

    (tmp_path / "tokens.txt").write_text("")
    with capture_logs() as lines:
        ears = open_ears_for(
            Settings(), EngineFolders(listener=tmp_path), open_engine=lambda *_, **__: whisper
        )
    assert (ears.transcriber, ears.listener) == (whisper, None)
    assert [line["event"] for line in lines] == ["listener_missing"]
