"""The recognition benchmark: both sides hear what the service hears, and the last line is JSON."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bench_asr import ROOT, normalise, telephone


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


def test_texts_are_compared_by_their_words() -> None:
    assert normalise("（咳）要1.5倍，OK") == normalise("要一点五倍ok")
    assert normalise("幺幺零") == normalise("110")
    assert normalise("懷疑") == "怀疑"


def test_the_last_line_is_json(models_dir: Path, shared_dir: Path) -> None:
    if not (models_dir / "whisper-base" / "model.bin").exists():
        pytest.skip("Whisper is not fetched.")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.bench_asr", "--limit", "2"),
            *("--data", str(shared_dir / "data"), "--models", str(models_dir)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {"ours", "plain", "ratio_cpu"}
    for side in ("ours", "plain"):
        assert set(result[side]) == {"cer", "cpu_s_per_audio_s"}
    assert result["ratio_cpu"] > 1
