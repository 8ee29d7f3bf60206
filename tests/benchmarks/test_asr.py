"""The recognition benchmark: all sides hear what the service hears, and the last line is JSON."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.asr import calls_per_core
from benchmarks.asr_calls import Figures, Script, Seen, figures
from benchmarks.speech_data import ROOT, spoken_extent, telephone
from flows.events import CallerSpeaking, Ear, Event, Heard, TurnEnded


def test_the_telephone_is_the_services_own_path() -> None:
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
    heard = telephone(tone)
    assert heard.dtype == np.float32
    assert heard.size == tone.size
    assert np.array_equal(heard * 32768, np.rint(heard * 32768))  # 16-bit samples
    middle = heard[2_000:12_000]
    time = np.arange(middle.size) / 16_000  # whatever the delay, a tone is a sine and a cosine
    waves = np.stack([np.sin(2 * np.pi * 440 * time), np.cos(2 * np.pi * 440 * time)], axis=1)
    noise = middle - waves @ np.linalg.lstsq(waves, middle, rcond=None)[0]
    assert np.square(noise).mean() < 0.001 * np.square(tone).mean()  # A-law: -38 dB
    assert np.abs(telephone(np.zeros(801, np.float32))).max() < 0.001


def seen(*events: tuple[float, Event]) -> Seen:
    call = Seen()
    for at, event in events:
        call.take(at, event)
    return call


def test_times_count_from_the_first_sound_and_from_the_end_of_the_turn() -> None:
    script = Script(np.zeros(16_000 * 10, np.int16), ((1.0, 3.0),))
    call = seen(
        (1.2, CallerSpeaking(1.2, 1)),
        (1.4, Heard(1.4, 1, Ear.LISTENER, syllables=("ni3",))),
        (1.7, Heard(1.7, 1, Ear.LISTENER, syllables=("ni3", "hao3"))),
        (1.9, Heard(1.9, 1, Ear.TRANSCRIBER, text="")),
        (2.0, Heard(2.0, 1, Ear.TRANSCRIBER, text="你")),
        (2.5, Heard(2.5, 1, Ear.TRANSCRIBER, text="你好")),
        (3.3, TurnEnded(3.3, 1)),
        (3.45, Heard(3.45, 1, Ear.TRANSCRIBER, text="你好", final=True)),
        (7.0, CallerSpeaking(7.0, 2)),
        (8.0, TurnEnded(8.0, 2)),
    )
    found = figures([script], [call], 0.05)
    assert (found.first_syllables_ms_p50, found.syllables_every_ms_p95) == (400.0, 300.0)
    assert (found.first_ms_p50, found.transcribed_ms_p50) == (400.0, 1000.0)
    assert (found.final_ms_p50, found.finals, found.lost) == (150.0, 1, 1)


def test_calls_per_core_stops_where_finals_come_late_or_never() -> None:
    def found(calls: int, p95: float | None, lost: int = 0) -> Figures:
        return Figures(calls, None, None, None, None, None, None, p95, p95, 9, lost, 0.1)

    assert calls_per_core([found(1, 200), found(4, 900), found(8, 1100)], 2) == 2.0
    assert calls_per_core([found(1, 200), found(4, 900, lost=1)], 2) == 0.5
    assert calls_per_core([found(1, None)], 2) == 0.0
    assert calls_per_core([], 2) is None


def test_the_last_line_is_json(models_dir: Path, shared_dir: Path, tmp_path: Path) -> None:
    if not (models_dir / "whisper-base" / "model.bin").exists():
        pytest.skip("Whisper is not fetched.")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.asr", "--limit", "2"),
            *("--calls", "1", "--seconds", "3", "--pictures", str(tmp_path)),
            *("--data", str(shared_dir / "data"), "--models", str(models_dir)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    for side in ("ours", "plain"):
        assert set(result[side]) == {"cer", "syllable_error", "cpu_s_per_audio_s"}
    assert result["ratio_cpu"] > 1
    (one,) = result["by_calls"]
    assert {"calls", "final_ms_p95", "rtf"} <= set(one)
    assert one["finals"] > 0
    assert result["final_ms"]["p50"] > 0
    assert "first_ms_p50" in result["partials"]
    assert "calls_per_core" in result
    assert {path.name for path in tmp_path.iterdir()} == {
        "asr-accuracy.png",
        "asr-final.png",
        "asr-first.png",
    }


def test_speech_begins_where_it_is_plainly_audible() -> None:
    noise = np.random.default_rng(1).normal(0, 0.002, 32_000).astype(np.float32)
    noise[4_000:4_200] += 0.3  # a click
    noise[12_000:20_000] += 0.2 * np.sin(np.arange(8_000) / 9).astype(np.float32)
    assert spoken_extent(noise) == pytest.approx((0.75, 1.25), abs=0.03)
    assert spoken_extent(np.zeros(100, np.float32)) is None
