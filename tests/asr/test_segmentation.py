"""Finding sound and cutting long recordings at their pauses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.hypothesis import Pcm
from asr.segmentation import Segmenter, active_extent

RNG = np.random.default_rng(7)


def speechlike(seconds: float) -> Pcm:
    """Noise with syllable-like swings of its loudness, four a second."""
    count = round(seconds * 16_000)
    swing = np.sin(np.pi * 4 * np.arange(count) / 16_000) ** 2
    return (0.2 * swing * RNG.standard_normal(count)).clip(-1, 1).astype(np.float32)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * 16_000), np.float32)


@pytest.mark.parametrize("level", [0.0, 0.0002, 0.05])
@pytest.mark.parametrize("seconds", [3, 60])
def test_steady_background_holds_no_sound(level: float, seconds: int) -> None:
    noise = (level * RNG.standard_normal(seconds * 16_000)).astype(np.float32)
    assert active_extent(noise) is None
    assert list(Segmenter().split([noise])) == []


def test_the_extent_of_sound_is_found() -> None:
    extent = active_extent(np.concatenate([silence(1), speechlike(2), silence(1)]))
    assert extent is not None
    assert extent[0] == pytest.approx(1.0, abs=0.15)
    assert extent[1] == pytest.approx(3.0, abs=0.15)


def test_dense_loud_speech_without_a_pause_is_heard() -> None:
    envelope = np.repeat(RNG.choice([0.08, 0.11, 0.15, 0.2], 90), 320)
    pcm = (envelope * RNG.standard_normal(envelope.size)).clip(-1, 1).astype(np.float32)
    extent = active_extent(pcm)
    assert extent is not None
    assert extent[1] - extent[0] > 1.5


def test_a_pause_ends_a_piece_and_keeps_the_times() -> None:
    pcm = np.concatenate([silence(1), speechlike(3), silence(2), speechlike(4), silence(1)])
    first, second = Segmenter().split([pcm])
    assert first.start == pytest.approx(0.75, abs=0.3)
    assert second.end == pytest.approx(10.25, abs=0.3)
    assert first.end < 6.1 < second.start + 0.5


@settings(max_examples=60, deadline=None)
@given(
    before=st.floats(0.0, 60.0),
    word=st.floats(0.3, 1.5),
    after=st.floats(0.0, 20.0),
    noise=st.sampled_from([0.0, 0.0001, 0.001]),
    loudness=st.sampled_from([0.05, 1.0]),
)
def test_a_word_in_a_long_silence_is_found_and_the_silence_left_out(
    before: float, word: float, after: float, noise: float, loudness: float
) -> None:
    pcm = np.concatenate([silence(before), loudness * speechlike(word), silence(after)])
    pcm = (pcm + noise * RNG.standard_normal(pcm.size)).clip(-1, 1).astype(np.float32)
    segments = list(Segmenter().split([pcm[i : i + 160_000] for i in range(0, pcm.size, 160_000)]))
    assert len(segments) == 1
    assert segments[0].start == pytest.approx(max(0.0, before - 0.3), abs=0.15)
    assert segments[0].end == pytest.approx(min(pcm.size / 16_000, before + word + 0.3), abs=0.15)


@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(st.tuples(st.booleans(), st.floats(0.1, 30.0)), max_size=5),
    block=st.integers(1_000, 200_000),
)
def test_pieces_are_short_ordered_apart_and_hold_all_the_sound(
    parts: list[tuple[bool, float]], block: int
) -> None:
    pieces = [speechlike(s) if loud else silence(s) for loud, s in parts]
    pcm = np.concatenate([silence(0.5), *pieces])
    blocks = [pcm[i : i + block] for i in range(0, pcm.size, block)]
    segments = list(Segmenter().split(blocks))
    last = 0.0
    covered = 0.0
    for segment in segments:
        assert last <= segment.start < segment.end <= pcm.size / 16_000
        assert segment.pcm.size == pytest.approx((segment.end - segment.start) * 16_000, abs=2)
        assert segment.pcm.size <= 21 * 16_000
        last = segment.end
        covered += float(np.square(segment.pcm).sum())
    if any(loud and s > 1.0 for loud, s in parts):
        assert covered >= 0.95 * float(np.square(pcm).sum())
