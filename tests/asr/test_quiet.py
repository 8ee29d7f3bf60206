"""What of a line is listened to: whoever is heard over its noise, and a little before that."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.hypothesis import Pcm
from asr.listener import Listener
from asr.phonetics import similarity
from asr.quiet import QuietGate

RATE = 16_000
SENTENCE = "aishell1_s0150/BAC009S0150W0141.wav"


def noise(seconds: float, level_dbfs: float, seed: int = 1) -> Pcm:
    pcm = np.random.default_rng(seed).standard_normal(round(seconds * RATE), np.float32)
    return pcm * np.float32(10 ** (level_dbfs / 20))


def hiss(seconds: float, level_dbfs: float) -> Pcm:
    """Whispered: without a pitch, in the upper half of a telephone's band."""
    spectrum = np.fft.rfft(noise(seconds, 0.0, seed=2))
    hertz = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    spectrum[(hertz < 1800) | (hertz > 3400)] = 0
    pcm = np.fft.irfft(spectrum, round(seconds * RATE))
    return np.asarray(pcm * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(pcm**2)), np.float32)


def packets(pcm: Pcm, samples: int = 320) -> Iterable[Pcm]:
    return (pcm[begin : begin + samples] for begin in range(0, pcm.size, samples))


def heard(pcm: Pcm) -> list[tuple[int, int]]:
    """From which sample to which it is listened to."""
    gate, at = QuietGate(), 0
    found: list[tuple[int, int]] = []
    for packet in packets(pcm):
        for passed, audio in gate.push(packet):
            at += passed
            if found and found[-1][1] == at:
                found[-1] = (found[-1][0], at + audio.size)
            else:
                found.append((at, at + audio.size))
            at += audio.size
    return found


@pytest.mark.parametrize("level_dbfs", [-120.0, -60.0, -30.0])
def test_a_line_on_which_nobody_speaks_is_listened_to_for_a_second(level_dbfs: float) -> None:
    ((begin, end),) = heard(noise(60, level_dbfs))
    assert begin == 0
    assert 0.9 <= end / RATE <= 1.2


@pytest.mark.parametrize("level_dbfs", [-52.0, -45.0, -20.0])
def test_a_whisper_is_heard_from_before_it_began(level_dbfs: float) -> None:
    """−52 dBFS is 2 dB below all of the noise, and 5 over it in the whisper's band."""
    line = noise(12, -50.0)
    line[5 * RATE : 6 * RATE] += hiss(1, level_dbfs)
    _, (begin, end) = heard(line)
    assert 4.3 <= begin / RATE <= 4.6
    assert 6.9 <= end / RATE <= 7.3


def test_noise_that_comes_and_goes_is_listened_to() -> None:
    street = np.concatenate([noise(0.5, -50 + 12 * (n % 2), seed=n) for n in range(40)])
    assert heard(street) == [(0, street.size)]


def test_a_line_that_has_become_louder_is_quiet_again() -> None:
    first, second = heard(np.concatenate([noise(5, -60.0), noise(20, -40.0)]))
    assert first[1] / RATE <= 1.2
    assert second[1] / RATE <= 5 + 6 + 1.2, "once the quieter is forgotten"


@given(
    st.lists(st.tuples(st.floats(0.001, 2.5), st.sampled_from([-90.0, -60.0, -10.0])), max_size=4),
    st.integers(100, 5 * RATE),
)
def test_every_sample_is_given_or_passed_over_in_its_order(
    stretches: list[tuple[float, float]], at_once: int
) -> None:
    parts = [noise(seconds, level, seed=n) for n, (seconds, level) in enumerate(stretches)]
    pcm = np.concatenate([np.zeros(0, np.float32), *parts])
    gate, at = QuietGate(), 0
    for piece in packets(pcm, at_once):
        for passed, audio in gate.push(piece):
            at += passed
            assert (audio == pcm[at : at + audio.size]).all()
            at += audio.size
    assert at + gate.held == pcm.size


def test_what_the_listener_hears_after_a_long_quiet_is_as_it_would_be_at_once(
    listener: Listener, utterance: Callable[[str], Pcm]
) -> None:
    said = utterance(SENTENCE)
    alone = listener.transcribe(said)
    stream = listener.stream()
    at = 0.0
    for quiet_s in (0.5, 30.0, 7.0):
        for packet in packets(np.concatenate([noise(quiet_s, -66.0), said, noise(1, -66.0)])):
            stream.feed(packet)
        final = stream.finish()
        at += quiet_s
        assert similarity(final.syllables, alone.syllables) > 0.85
        assert final.words[0].start - at == pytest.approx(alone.words[0].start, abs=0.2)
        assert final.words[-1].end - at == pytest.approx(alone.words[-1].end, abs=0.2)
        at += said.size / RATE + 1
    assert stream._native_samples / RATE < at - 30, "the quiet was passed over"
