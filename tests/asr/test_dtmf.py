"""Keys pressed in the audio are not heard as speech; speech and music are not muted as keys."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio import read
from asr.dtmf import Int16, KeyMute, key_in
from tests.asr.synthetic_sounds import (
    DTMF,
    EAR_RATE,
    SOUNDS,
    Samples,
    at_level,
    dialled,
    key_tone,
    on_the_line,
    sound_of,
)

FRAME = EAR_RATE // 50
MS = EAR_RATE // 1000
LINE_DELAY = 24
"""Samples by which `on_the_line` comes late."""


def muted(pcm: Int16) -> tuple[Int16, npt.NDArray[np.bool_]]:
    """What is left of audio that comes in frames of 20 ms, and which of its samples changed."""
    mute = KeyMute(EAR_RATE)
    out = np.concatenate([mute.push(pcm[i : i + FRAME]) for i in range(0, len(pcm), FRAME)])
    return out, out != pcm[: len(out)]


def around(tone: Samples, before_ms: float, noise_dbfs: float = -65.0) -> Int16:
    """A sound on a line with a little noise, `before_ms` after the line begins."""
    quiet = np.zeros(round(8 * before_ms))
    sound = np.concatenate([quiet, tone, np.zeros(1600)])
    noise = np.random.default_rng(1).standard_normal(len(sound))
    return on_the_line(sound + at_level(noise, noise_dbfs))


@pytest.mark.parametrize("key", DTMF)
def test_each_key_is_told_by_its_two_tones(key: str) -> None:
    pcm = on_the_line(key_tone(key, 0.1))
    assert key_in(pcm[FRAME : 2 * FRAME], EAR_RATE) == key


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(sorted(DTMF)),
    before_ms=st.floats(100, 140),
    ms=st.sampled_from([40, 50, 100, 300]),
    dbfs=st.floats(-30, -10),
    twist_db=st.floats(-8, 4),
    detune=st.floats(-0.015, 0.015),
)
def test_a_key_within_q24_is_silenced_from_its_beginning(
    key: str, before_ms: float, ms: int, dbfs: float, twist_db: float, detune: float
) -> None:
    tone = key_tone(key, ms / 1000, dbfs=dbfs, twist_db=twist_db, detune=detune)
    pcm = around(tone, before_ms, noise_dbfs=dbfs - 20)
    out, changed = muted(pcm)
    begin = round(8 * before_ms) * 2 + LINE_DELAY
    tones = slice(begin, begin + ms * MS)
    kept = np.flatnonzero(~changed[tones] & (out[tones] != 0))
    # What sets in so late in a block of 10 ms that its energy does not jump is heard as a tick.
    assert len(kept) <= 4 * MS


def test_every_key_of_a_quickly_dialled_number_is_silenced() -> None:
    pcm = around(dialled("13876543210", on_s=0.05, off_s=0.05, dbfs=-20), 200)
    _, changed = muted(pcm)
    shares = [
        changed[begin : begin + 50 * MS].mean()
        for begin in range(200 * MS + LINE_DELAY, 1300 * MS, 100 * MS)
    ]
    assert len(shares) == 11
    assert min(shares) >= 0.9


@pytest.mark.parametrize(
    "tone",
    [
        key_tone("5", 0.02),
        key_tone("5", 0.2, dbfs=-48),
        key_tone("5", 0.2, twist_db=12),
        key_tone("5", 0.2, twist_db=-14),
        key_tone("5", 0.2, detune=0.035),
        key_tone("5", 0.2, detune=-0.035),
        key_tone("5", 0.2) + at_level(np.random.default_rng(0).standard_normal(1600), -12),
    ],
    ids=["too short", "faint", "twisted", "twisted back", "sharp", "flat", "in noise"],
)
def test_what_q24_refuses_is_left_alone(tone: Samples) -> None:
    assert not muted(around(tone, 100))[1].any()


def test_speech_never_sounds_like_a_key(shared_dir: Path) -> None:
    folder = shared_dir / "data" / "speech"
    rows = [json.loads(line) for line in (folder / "dev.jsonl").read_text("utf-8").splitlines()]
    for row in rows[::4]:
        narrow = soxr.resample(read(folder / row["path"]), EAR_RATE, 8000).astype(np.float64)
        assert not muted(on_the_line(narrow))[1].any(), row["id"]


@pytest.mark.parametrize("name", sorted(set(SOUNDS) - {"dtmf"}))
def test_music_noise_and_other_tones_are_no_keys(name: str) -> None:
    pcm = on_the_line(sound_of(name, 20, seed=7))
    assert muted(pcm)[1].mean() < 0.001


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 900), max_size=40),
    rate=st.sampled_from([8000, 16000]),
    seed=st.integers(0, 9),
)
def test_audio_that_holds_no_key_comes_out_as_it_went_in(
    sizes: list[int], rate: int, seed: int
) -> None:
    pcm = np.random.default_rng(seed).integers(-9000, 9000, sum(sizes), np.int16)
    mute, at, given_back = KeyMute(rate), 0, 0
    for size in sizes:
        out = mute.push(pcm[at : at + size])
        at += size
        assert np.array_equal(out, pcm[given_back : given_back + len(out)])
        given_back += len(out)
        assert at - given_back < 0.04 * rate
    assert at - given_back < 0.01 * rate or at < 0.05 * rate


def test_the_cut_of_the_stream_changes_nothing() -> None:
    pcm = around(dialled("12345#", on_s=0.08, off_s=0.08, dbfs=-15), 300)
    whole = KeyMute(EAR_RATE).push(pcm)
    framed, _ = muted(pcm)
    length = min(len(whole), len(framed))
    assert np.array_equal(whole[:length], framed[:length])
