"""Where utterances begin and end, and what bytes mean as sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.service.utterances import Began, Ended, Found, Speech, UtteranceFinder, UtteranceLimits
from asr.service.wire import RATE, Encoding, Int16, WireAudio
from telephony.codecs import WireFormat
from telephony.resampling import StreamResampler
from tests.asr.service_doubles import WINDOW, LevelVoice, silence, tone

LIMITS = UtteranceLimits()
STEP = WINDOW / RATE


def found(pcm: Int16, sizes: list[int], limits: UtteranceLimits = LIMITS) -> list[Found]:
    finder, voice, events, at, turn = UtteranceFinder(limits), LevelVoice(), [], 0, 0
    while at < pcm.size:
        chunk = pcm[at : at + sizes[turn % len(sizes)]]
        events += list(finder.push(chunk, voice.probabilities(chunk)))
        at, turn = at + chunk.size, turn + 1
    return events + list(finder.finish())


def utterances(events: list[Found]) -> list[tuple[float, float, Int16]]:
    """(start, end, audio) of each."""
    whole, start, parts = [], 0.0, [np.zeros(0, np.int16)]
    for event in events:
        match event:
            case Began(at):
                start, parts = at, [np.zeros(0, np.int16)]
            case Speech(pcm, _):
                parts.append(pcm)
            case Ended(at):
                whole.append((start, at, np.concatenate(parts)))
    return whole


def sound(*lengths: float) -> Int16:
    """Silence and tone in turns, starting with silence."""
    return np.concatenate(
        [tone(300, s, RATE) if n % 2 else silence(s, RATE) for n, s in enumerate(lengths)]
    )


def test_an_utterance_ends_after_the_silence_and_holds_what_was_before_the_voice_was_sure() -> None:
    ((start, end, pcm),) = utterances(found(sound(2, 1.5, 2), [800]))
    assert start == pytest.approx(2 - LIMITS.before_s, abs=2 * STEP)
    assert end == pytest.approx(3.5 + LIMITS.silence_s, abs=2 * STEP)
    assert pcm.size / RATE == pytest.approx(end - start)


def test_a_shorter_silence_does_not_part_an_utterance_and_a_longer_one_does() -> None:
    assert len(utterances(found(sound(1, 1, 0.5, 1, 1), [800]))) == 1
    assert len(utterances(found(sound(1, 1, 0.7, 1, 1), [800]))) == 2


def test_a_click_is_no_utterance() -> None:
    assert found(sound(1, 0.05, 1), [800]) == []


def test_an_utterance_that_the_end_of_the_stream_cuts_is_over_with_it() -> None:
    pcm = sound(1, 1.234)
    ((_, end, audio),) = utterances(found(pcm, [800]))
    assert end == pytest.approx(pcm.size / RATE)
    assert np.array_equal(audio[-5:], pcm[-5:])


def test_an_endless_utterance_is_cut_and_nothing_of_it_is_lost() -> None:
    limits = UtteranceLimits(longest_s=4)
    cut = utterances(found(sound(0, 12.5, 1), [800], limits))
    assert len(cut) == 3
    assert [start for start, _, _ in cut[1:]] == [end for _, end, _ in cut[:-1]]
    assert sum(pcm.size for _, _, pcm in cut) / RATE >= 12.5


def test_a_long_utterance_ends_at_the_next_short_pause() -> None:
    limits = UtteranceLimits(longest_s=4)
    first, second = utterances(found(sound(0, 4.2, 0.2, 2, 1), [800], limits))
    assert first[1] == pytest.approx(4.2, abs=3 * STEP)
    assert second[1] - second[0] > 2


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(0.05, 1.5), min_size=1, max_size=6),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=5),
)
def test_how_the_audio_is_cut_makes_no_difference(lengths: list[float], sizes: list[int]) -> None:
    pcm = sound(*lengths)
    whole, parts = utterances(found(pcm, [max(1, pcm.size)])), utterances(found(pcm, sizes))
    assert [each[:2] for each in parts] == [each[:2] for each in whole]
    for a, b in zip(parts, whole, strict=True):
        assert np.array_equal(a[2], b[2])


# ── bytes ─────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(
    st.sampled_from([(Encoding.PCM, "<i2"), (Encoding.ALAW, "u1"), (Encoding.MULAW, "u1")]),
    st.integers(1, 2),
    st.lists(st.integers(1, 999), min_size=1, max_size=8),
)
def test_bytes_in_any_portions_are_the_same_sound(
    kind: tuple[Encoding, str], channels: int, sizes: list[int]
) -> None:
    encoding, _ = kind
    payload = np.random.default_rng(5).bytes(4000)
    whole = WireAudio(encoding, 8000, channels, StreamResampler).take(payload)
    audio, at, turn = WireAudio(encoding, 8000, channels, StreamResampler), 0, 0
    parts: list[list[Int16]] = [[] for _ in range(channels)]
    while at < len(payload):
        size = sizes[turn % len(sizes)]
        for side, pcm in zip(parts, audio.take(payload[at : at + size]), strict=True):
            side.append(pcm)
        at, turn = at + size, turn + 1
    for side, one in zip(parts, whole, strict=True):
        assert np.array_equal(np.concatenate(side), one)


@pytest.mark.parametrize(("encoding", "name"), [(Encoding.ALAW, "alaw"), (Encoding.MULAW, "mulaw")])
def test_g711_is_what_the_telephone_side_writes(encoding: Encoding, name: str) -> None:
    pcm = tone(440, 0.2, 8000)
    wire = WireFormat.named(name)
    sound = wire.decode(wire.encode(pcm))
    (heard,) = WireAudio(encoding, 16_000, 1, StreamResampler).take(wire.encode(pcm))
    assert np.array_equal(heard, sound)


def test_two_channels_are_interleaved_sample_by_sample() -> None:
    left, right = tone(300, 0.1, 16_000), tone(700, 0.1, 16_000)
    payload = np.stack([left, right], axis=1).astype("<i2").tobytes()
    one, other = WireAudio(Encoding.PCM, 16_000, 2, StreamResampler).take(payload)
    assert np.array_equal(one, left)
    assert np.array_equal(other, right)
