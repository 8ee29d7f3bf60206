"""Call-progress tones by their cadence, at any level and on any line, and never in speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.call_progress import CallProgress, Tone
from telephony.codecs import Int16, WireFormat
from telephony.resampling import StreamResampler

CADENCES: dict[Tone, list[tuple[float, float]]] = {
    Tone.RINGBACK: [(1.0, 4.0)],
    Tone.BUSY: [(0.35, 0.35)],
    Tone.CONGESTION: [(0.7, 0.7)],
    Tone.UNOBTAINABLE: [(0.1, 0.1)] * 3 + [(0.4, 0.4)],
}
ALAW = WireFormat.named("alaw")


def played(
    cadence: list[tuple[float, float]],
    seconds: float,
    *,
    rate: int = 8000,
    hertz: float = 450.0,
    dbfs: float = -15.0,
    noise_dbfs: float = -65.0,
    offset_s: float = 0.0,
    seed: int = 0,
) -> Int16:
    """A tone of this cadence, heard from `offset_s` after its beginning on."""
    total = round((seconds + offset_s) * rate)
    on = np.zeros(total, bool)
    at = 0.0
    while at < seconds + offset_s:
        for sound, pause in cadence:
            on[round(at * rate) : round((at + sound) * rate)] = True
            at += sound + pause
    amplitude = 32768 * 10 ** (dbfs / 20) * np.sqrt(2)
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(total) / rate) * on
    wave += np.random.default_rng(seed).normal(0, 32768 * 10 ** (noise_dbfs / 20), total)
    return np.clip(wave, -32768, 32767).astype(np.int16)[round(offset_s * rate) :]


def heard(pcm: Int16, rate: int = 8000, step: int = 160) -> list[tuple[Tone, float]]:
    """(tone, seconds at which it was certain)."""
    line = CallProgress(rate)
    found = []
    for at in range(0, len(pcm), step):
        tone = line.push(pcm[at : at + step])
        if tone is not None:
            found.append((tone, (at + step) / rate))
    return found


@pytest.mark.parametrize(("tone", "cadence"), CADENCES.items())
@given(
    hertz=st.floats(430, 470),
    dbfs=st.floats(-35, -6),
    offset_s=st.floats(0, 1.2),
    stretch=st.floats(0.92, 1.08),
    rate=st.sampled_from([8000, 16000]),
    step=st.sampled_from([80, 160, 333, 800]),
    seed=st.integers(0, 9),
)
@settings(max_examples=30, deadline=None)
def test_each_tone_is_told_by_its_cadence(
    tone: Tone,
    cadence: list[tuple[float, float]],
    hertz: float,
    dbfs: float,
    offset_s: float,
    stretch: float,
    rate: int,
    step: int,
    seed: int,
) -> None:
    stretched = [(on * stretch, off * stretch) for on, off in cadence]
    pcm = played(stretched, 12.0, rate=rate, hertz=hertz, dbfs=dbfs, offset_s=offset_s, seed=seed)
    if rate == 8000:
        pcm = ALAW.decode(ALAW.encode(pcm))
    assert {found for found, _ in heard(pcm, rate, step)} == {tone}


@pytest.mark.parametrize(
    ("tone", "within_s"),
    [(Tone.BUSY, 1.2), (Tone.CONGESTION, 2.3), (Tone.UNOBTAINABLE, 0.8), (Tone.RINGBACK, 2.1)],
)
def test_a_tone_is_certain_soon(tone: Tone, within_s: float) -> None:
    assert heard(played(CADENCES[tone], 6.0))[0][1] <= within_s


def test_a_tone_that_never_pauses_is_the_dial_tone() -> None:
    assert {tone for tone, _ in heard(played([(60.0, 0.0)], 6.0))} == {Tone.DIAL}


@pytest.mark.parametrize("hertz", [300.0, 350.0, 620.0, 950.0, 1000.0])
def test_another_frequency_is_no_tone_of_these(hertz: float) -> None:
    assert heard(played(CADENCES[Tone.BUSY], 6.0, hertz=hertz)) == []


def test_another_cadence_is_none() -> None:
    assert heard(played([(0.2, 1.5)], 10.0)) == []
    assert heard(played([(0.5, 0.2)], 10.0)) == []


@given(st.integers(0, 1000), st.floats(-60, -5))
@settings(max_examples=30, deadline=None)
def test_noise_is_no_tone(seed: int, dbfs: float) -> None:
    noise = np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), 16000)
    assert heard(np.clip(noise, -32768, 32767).astype(np.int16)) == []


def test_while_a_tone_sounds_and_in_its_pauses_nothing_else_does() -> None:
    line = CallProgress(8000)
    pcm = played(CADENCES[Tone.BUSY], 3.0)
    inside = []
    for at in range(0, len(pcm), 160):
        line.push(pcm[at : at + 160])
        inside.append(line.in_tone)
    assert all(inside[4:])


def speech(shared_dir: Path) -> list[Path]:
    folder = shared_dir / "data" / "speech"
    return sorted(folder.glob("aishell*/*.wav")) + sorted(folder.glob("mini_zh/*.wav"))


def test_speech_on_the_telephone_is_no_tone(shared_dir: Path) -> None:
    files = speech(shared_dir)
    assert len(files) > 60
    seconds = 0.0
    for path in files:
        pcm, rate = sf.read(path, dtype="int16")
        resampler = StreamResampler(rate, 8000)
        pcm = np.concatenate([resampler.push(pcm), resampler.flush()])
        seconds += len(pcm) / 8000
        assert heard(ALAW.decode(ALAW.encode(pcm))) == [], path
    assert seconds > 200
