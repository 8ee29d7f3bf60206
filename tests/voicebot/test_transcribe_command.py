"""`voicebot transcribe` with real recordings and models."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
LONG = "data/speech/long/s0150_w0187_w0198.wav"


@pytest.fixture(scope="session")
def speech(shared_dir: Path) -> tuple[np.ndarray, int]:
    return soundfile.read(shared_dir / LONG, frames=12 * 16_000)


@pytest.fixture
def archive(speech: tuple[np.ndarray, int], tmp_path: Path) -> Path:
    """A call in two channels, a mono one with a GBK name deeper down, and a broken one."""
    samples, rate = speech
    folder = tmp_path / "archive"
    (folder / "2026 11").mkdir(parents=True)
    half = samples[: 6 * rate]
    call = np.stack([np.append(half, half * 0), np.append(half * 0, half)], axis=1)
    soundfile.write(folder / "call.wav", call, rate)
    gbk = os.fsdecode("投诉 录音.flac".encode("gbk"))
    with (folder / "2026 11" / gbk).open("wb") as file:
        soundfile.write(file, half, rate, format="FLAC")
    (folder / "broken.mp3").write_text("会议记录")
    return folder


@pytest.fixture
def transcribe(voicebot: Any, listener_dir: Path) -> Any:
    """The command with the listener, the quickest engine."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        named = {"--engine", "--model"} & set(map(str, arguments))
        engine = () if named else ("--engine", "listener")
        return voicebot(
            "transcribe", *map(str, arguments), *engine, VOICEBOT_PATHS__LISTENER=str(listener_dir)
        )

    return run


def test_an_archive_is_transcribed_once_and_what_is_broken_is_said_at_the_end(
    transcribe: Any, archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "transcripts"
    options = (archive, "--recursive", "--output", out, "--jobs", 2)
    done = transcribe(*options, "--json", "--srt", "--vtt", "--text")
    assert done.returncode == 1
    assert done.stdout == f"2 of 3 transcribed to {out}; 1 failed.\n"
    assert "broken.mp3 is no audio file" in done.stderr
    gbk = os.fsdecode("投诉 录音.flac".encode("gbk"))
    call = json.loads((out / "call.wav.json").read_text())
    assert [segment["side"] for segment in call["segments"]] == ["caller", "agent"]
    assert (out / "2026 11" / f"{gbk}.srt").read_text().startswith("1\n00:00:0")
    assert (out / "call.wav.vtt").read_text().startswith("WEBVTT\n\n")
    assert (out / "call.wav.txt").read_text().startswith("caller: ")
    assert "agent: " in (out / "call.wav.srt").read_text()
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert sorted((Path(line["path"]).name, line["status"]) for line in lines) == [
        ("broken.mp3", "failed"), ("call.wav", "done"), ("投诉 录音.flac", "done"),
    ]  # fmt: skip

    first = (out / "call.wav.json").stat()
    again = transcribe(*options)
    assert again.stdout == f"0 of 3 transcribed to {out}; 2 were there already; 1 failed.\n"
    assert (out / "call.wav.json").stat() == first
    forced = transcribe(archive / "call.wav", "--output", out, "--force")
    assert forced.returncode == 0
    assert (out / "call.wav.json").stat().st_mtime_ns > first.st_mtime_ns


def test_ctrl_c_leaves_whole_transcripts_and_the_next_run_goes_on(
    transcribe: Any, listener_dir: Path, speech: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    samples, rate = speech
    archive, out = tmp_path / "archive", tmp_path / "out"
    archive.mkdir()
    soundfile.write(archive / "0.wav", samples, rate)
    for number in range(1, 4):
        soundfile.write(archive / f"{number}.wav", np.tile(samples, 4), rate)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "voicebot.cli", "transcribe", archive),
            *("--output", out, "--engine", "listener"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "VOICEBOT_PATHS__LISTENER": str(listener_dir),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    first, deadline = out / "0.wav.json", time.monotonic() + 120
    while not first.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert told == "voicebot: stopped; the same command goes on from here.\n"
    made = sorted(path.name for path in out.iterdir())
    assert "0.wav.json" in made
    assert len(made) < 5
    for path in out.glob("*.json"):
        assert json.loads(path.read_text())["segments"]
    assert not [name for name in made if name.endswith(".part")]
    rest = transcribe(archive, "--output", out)
    assert rest.returncode == 0, rest.stderr
    assert f"{len(made) - 1} were there already" in rest.stdout
    assert len(list(out.glob("*.json"))) == 4


def test_a_call_on_the_screen_shows_who_speaks(transcribe: Any, archive: Path) -> None:
    shown = transcribe(archive / "call.wav").stdout.splitlines()
    assert [line.split()[2] for line in shown] == ["caller", "agent"]
    renamed = transcribe(archive / "call.wav", "--sides", "坐席,来电人", "--text").stdout
    assert [line.split(":")[0] for line in renamed.splitlines()] == ["坐席", "来电人"]
    mixed = transcribe(archive / "call.wav", "--channels", "mix", "--text").stdout
    assert "caller" not in mixed
    assert transcribe(archive / "call.wav", "--srt").stdout.startswith("1\n00:00:00,")


def test_several_recordings_on_the_screen_are_told_apart(
    transcribe: Any, archive: Path, speech: tuple[np.ndarray, int]
) -> None:
    soundfile.write(archive / "one.wav", *speech)
    soundfile.write(archive / "silent.wav", np.zeros(16_000), 16_000)
    files = [archive / name for name in ("one.wav", "silent.wav", "call.wav")]
    for jobs in (1, 2):
        lines = transcribe(*files, "--jobs", jobs).stdout.splitlines()
        heads = [line for line in lines if line.startswith("/")]
        assert heads == [
            f"{files[0]}:", f"{files[1]}: no speech was heard.", f"{files[2]}:"
        ]  # fmt: skip
        assert lines.index(f"{files[2]}:") == len(lines) - 3


def test_whisper_hears_both_sides_of_a_call(
    voicebot: Any, archive: Path, models_dir: Path, listener_dir: Path
) -> None:
    model = str(models_dir / "whisper-base")
    done = voicebot(
        *("transcribe", str(archive / "call.wav"), "--json", "--model", model),
        VOICEBOT_PATHS__LISTENER=str(listener_dir),
    )
    result = json.loads(done.stdout)
    assert result["engine"] == "whisper"
    assert [segment["side"] for segment in result["segments"]] == ["caller", "agent"]
    assert all(segment["alternatives"] for segment in result["segments"])
    assert result["segments"][0]["text"] == result["segments"][1]["text"]


def test_the_engine_of_a_model_folder_is_found(
    voicebot: Any, archive: Path, models_dir: Path, listener_dir: Path
) -> None:
    for folder, engine in [(models_dir / "vosk-ko", "vosk"), (listener_dir, "listener")]:
        done = voicebot("transcribe", str(archive / "call.wav"), "--json", "--model", str(folder))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["engine"] == engine


def test_mistakes_are_said_before_anything_is_read(
    archive: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    from voicebot import cli

    (tmp_path / "empty").mkdir()
    call = archive / "call.wav"
    for arguments, sentence in [
        ([tmp_path / "empty"], "holds no recording"),
        ([tmp_path], "--recursive looks into its folders too"),
        ([call, "--channels", "left"], "use split or mix"),
        ([call, "--sides", "caller"], "like caller,agent"),
        ([call, "--sides", "a,a"], "two names"),
        ([call, "--json", "--srt"], "add --output FOLDER"),
        ([archive, "--vtt"], "add --output FOLDER"),
        ([call, "--force"], "add --output FOLDER"),
    ]:
        monkeypatch.setattr("sys.argv", ["voicebot", "transcribe", *map(str, arguments)])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        assert ending.value.code == 1
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--engine", "siri"], "There is no engine 'siri'"),
        (["--model", "none"], "--model none: there is no such folder"),
        (["--model", "empty"], "there is no model in it that an engine here can load"),
        (["--model", "LISTENER", "--engine", "vosk"], "no model in it for the engine vosk"),
        (["--output", "file"], "file: File exists"),
    ],
)
def test_models_and_folders_that_cannot_be_used_are_said(
    options: list[str],
    sentence: str,
    transcribe: Any,
    archive: Path,
    listener_dir: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    named = [str(listener_dir) if option == "LISTENER" else option for option in options]
    result = transcribe(archive / "call.wav", *named)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
