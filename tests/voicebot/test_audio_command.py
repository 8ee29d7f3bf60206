"""`voicebot audio telephone`: a recording as it sounds at the other end of the line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from telephony.line_simulation import active_level


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Three seconds of sound in the rhythm of speech; a name with a blank, in two channels."""
    pcm = np.random.default_rng(1).normal(0, 0.05, 3 * 44_100)
    pcm *= np.arange(pcm.size) / 44_100 % 0.3 < 0.2
    path = tmp_path / "a question.flac"
    soundfile.write(path, np.stack([pcm, pcm], axis=1), 44_100)
    return path


def heard(path: Path) -> tuple[np.ndarray, int]:
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
    samples, rate = soundfile.read(path, dtype="float32")
    return samples, rate


def test_a_recording_goes_over_the_line(voicebot_here: Any, speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "line.wav"
    done = voicebot_here(
        "audio", "telephone", str(speech), str(out), "--level", "-30", "--noise", "pink",
        "--snr", "30", "--echo", "-30:120ms", "--loss", "10%", "--burst", "--seed", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    samples, rate = heard(out)
    assert rate == 8000
    assert samples.size == pytest.approx(24_000, abs=2)
    assert active_level(samples) == pytest.approx(-30, abs=1)
    assert "3.00 s" in done.stdout
    assert "of 150 packets" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_the_same_seed_writes_the_same_file(
    voicebot_here: Any, speech: Path, tmp_path: Path
) -> None:
    def bytes_of(name: str, seed: str) -> bytes:
        options = ("--loss", "20%", "--noise", f"babble:{speech}", "--seed", seed)
        done = voicebot_here("audio", "telephone", str(speech), str(tmp_path / name), *options)
        assert done.returncode == 0, done.stderr
        return (tmp_path / name).read_bytes()

    first = bytes_of("1.wav", "7")
    assert bytes_of("2.wav", "7") == first
    assert bytes_of("3.wav", "8") != first


def test_16_khz_are_written_for_recognisers(
    voicebot_here: Any, speech: Path, tmp_path: Path
) -> None:
    voicebot_here("audio", "telephone", str(speech), str(tmp_path / "wide.wav"), "--rate", "16000")
    samples, rate = heard(tmp_path / "wide.wav")
    assert rate == 16_000
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(samples.size, 1 / rate)
    assert power[hertz > 4200].sum() < 1e-4 * power.sum()


def test_a_file_is_not_written_over_unasked(
    voicebot_here: Any, speech: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kept.wav"
    out.write_bytes(b"kept")
    refused = voicebot_here("audio", "telephone", str(speech), str(out))
    assert refused.returncode == 1
    assert "--force writes over it" in refused.stderr
    assert out.read_bytes() == b"kept"
    assert voicebot_here("audio", "telephone", str(speech), str(out), "--force").returncode == 0
    assert heard(out)[1] == 8000


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--codec", "gsm"], "use alaw, mulaw or l16"),
        (["--rate", "11025"], "use 8000 or 16000"),
        (["--snr", "10"], "add --noise"),
        (["--burst"], "add --loss"),
        (["--loss", "3"], "write it like 3%"),
        (["--loss", "100%"], "no such line"),
        (["--level", "5"], "no such line"),
        (["--echo", "loud"], "write it like -30:120ms"),
        (["--echo", "-30:9000ms"], "no such line"),
        (["--noise", "brown"], "file:FILE or babble:FILE"),
        (["--noise", "file:none.wav"], "none.wav: there is no such file"),
        (["--noise", "white", "--snr", "900"], "no such line"),
    ],
)
def test_wrong_options_are_said(
    options: list[str], sentence: str, speech: Path, tmp_path: Path, in_process: Any
) -> None:
    code, told = in_process("audio", "telephone", str(speech), str(tmp_path / "o.wav"), *options)
    assert code == 1
    assert sentence in told
    assert not (tmp_path / "o.wav").exists()


def test_wrong_files_are_said(speech: Path, tmp_path: Path, in_process: Any) -> None:
    notes, silent = tmp_path / "notes.wav", tmp_path / "silent.wav"
    notes.write_text("会议记录")
    soundfile.write(silent, np.zeros(8000), 8000)
    wav = tmp_path / "speech.wav"
    soundfile.write(wav, soundfile.read(speech)[0], 44_100)
    for source, target, options, sentence in [
        ("none.wav", "o.wav", [], "there is no such file"),
        (notes, "o.wav", [], "is no audio file"),
        (speech, "o.mp3", [], "name it o.wav"),
        (wav, "speech.wav", [], "OUT is IN"),
        (speech, "nowhere/o.wav", [], "No such file or directory"),
        (speech, "o.wav", ["--noise", f"babble:{silent}"], "is silent"),
    ]:
        code, told = in_process("audio", "telephone", str(source), str(tmp_path / target), *options)
        assert code == 1
        assert sentence in told


@pytest.fixture
def in_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line without a process: exit code and standard error."""
    from voicebot import cli

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["voicebot", *arguments])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        return int(ending.value.code or 0), capsys.readouterr().err

    return run


def test_speech_is_still_understood_over_an_ordinary_line(
    voicebot_here: Any, listener_dir: Path, shared_dir: Path, tmp_path: Path
) -> None:
    from asr.alignment import PatternSet
    from asr.audio import read
    from asr.listener import Listener

    spoken = tmp_path / "spoken.wav"
    whole = soundfile.read(shared_dir / "data/speech/long/s0150_w0187_w0198.wav", frames=128_000)
    soundfile.write(spoken, *whole)
    voicebot_here("audio", "telephone", str(spoken), str(tmp_path / "line.wav"), "--level", "-26")
    voicebot_here(
        "audio", "telephone", str(spoken), str(tmp_path / "bad.wav"), "--noise", "pink",
        "--snr", "-5", "--loss", "40%", "--burst",
    )  # fmt: skip
    listener = Listener(listener_dir)
    clear, line, bad = (
        listener.transcribe(read(tmp_path / f"{name}.wav")).syllables
        for name in ("spoken", "line", "bad")
    )
    alike = PatternSet([clear]).similarities
    assert float(alike(line)[0]) > 0.7
    assert float(alike(bad)[0]) < 0.5
