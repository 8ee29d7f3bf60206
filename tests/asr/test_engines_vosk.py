"""Vosk's known troubles: silence that costs as if it were speech, decoders that grow old."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.hypothesis import Pcm
from asr.vosk_engine import VoskStream, VoskTranscriber

RATE = 16_000
SILENCE = np.zeros(RATE // 50, np.float32)
VOICE = np.full(RATE // 50, 0.1, np.float32)


class Kaldi:
    """Hears a word in each stretch of voice; counts what it was given."""

    def __init__(self) -> None:
        self.samples = 0
        self._words: list[list[float]] = []
        self._was_voice = False

    def AcceptWaveform(self, data: bytes) -> bool:
        pcm = np.frombuffer(data, "<i2")
        for begin in range(0, pcm.size, 160):
            voice = bool(np.abs(pcm[begin : begin + 160]).max(initial=0) > 1000)
            if voice and not self._was_voice:
                self._words.append([self.samples / RATE, 0.0])
            if voice:
                self._words[-1][1] = (self.samples + 160) / RATE
            self._was_voice = voice
            self.samples += 160
        return False

    def PartialResult(self) -> str:
        return json.dumps({"partial": " ".join("word" for _ in self._words)})

    def FinalResult(self) -> str:
        words = [{"word": "word", "start": a, "end": b} for a, b in self._words]
        text = " ".join("word" for _ in words)
        return json.dumps({"alternatives": [{"text": text, "result": words}]})


class Decoders:
    """Makes decoders and keeps them to be looked at."""

    def __init__(self) -> None:
        self.made: list[Kaldi] = []

    def __call__(self) -> Kaldi:
        self.made.append(Kaldi())
        return self.made[-1]

    @property
    def seconds(self) -> float:
        return sum(decoder.samples for decoder in self.made) / RATE


def feed(stream: VoskStream, packet: Pcm, seconds: float) -> None:
    for _ in range(round(seconds * 50)):
        stream.feed(packet)


def test_silent_packets_cost_nothing_and_are_not_kept() -> None:
    decoders = Decoders()
    stream = VoskStream(decoders)
    feed(stream, SILENCE, 600)
    assert decoders.seconds <= 0.6
    assert sum(pcm.size for pcm in stream._part) <= 0.6 * RATE
    assert not stream.decode()


def test_a_word_after_silence_is_decoded_with_a_lead_and_has_its_time() -> None:
    decoders = Decoders()
    stream = VoskStream(decoders)
    feed(stream, SILENCE, 30)
    feed(stream, VOICE, 0.4)
    final = stream.finish()
    assert [(word.start, word.end) for word in final.words] == [pytest.approx((30.0, 30.4))]
    heard = next(decoder for decoder in decoders.made if decoder._words)
    assert 0.4 <= heard._words[0][0] <= 0.6


def test_each_utterance_has_a_decoder_of_its_own() -> None:
    decoders = Decoders()
    stream = VoskStream(decoders)
    for number in range(1, 4):
        before = len(decoders.made)
        feed(stream, VOICE, 1)
        assert stream.finish().text == "word"
        assert len(decoders.made) > before, number


packets = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12)


@settings(deadline=None)
@given(packets=packets, ask=st.sets(st.integers(0, 12)))
def test_no_word_and_no_time_is_changed_by_what_is_skipped(
    packets: list[tuple[bool, int]], ask: set[int]
) -> None:
    stream, at, expected = VoskStream(Decoders()), 0, []
    for index, (voice, count) in enumerate(packets):
        if voice and (not index or not packets[index - 1][0]):
            expected.append(at / 50)
        for _ in range(count):
            stream.feed(VOICE if voice else SILENCE)
        at += count
        if index in ask:
            stream.decode(final=True)
    assert [word.start for word in stream.finish().words] == pytest.approx(expected)


def test_vosk_hears_all_words_after_a_long_silence_and_when(
    vosk: VoskTranscriber, korean: Pcm
) -> None:
    late = vosk.transcribe(np.concatenate([np.zeros(20 * RATE, np.float32), korean]))
    seconds = korean.size / RATE
    assert len(late.words) >= 5  # Kaldi dithers: which words it hears of espeak's changes
    assert late.words[0].start == pytest.approx(20.0, abs=0.5)
    assert 20.0 + seconds - 1.0 < late.words[-1].end <= 20.0 + seconds


def test_the_time_for_silence_is_next_to_nothing(vosk: VoskTranscriber) -> None:
    used: list[int] = []
    real: Callable[[], object] = vosk._new_decoder

    class Counting:
        def __init__(self) -> None:
            self._decoder = real()

        def AcceptWaveform(self, data: bytes) -> object:
            used.append(len(data) // 2)
            return self._decoder.AcceptWaveform(data)  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self._decoder, name)

    stream = VoskStream(Counting)
    feed(stream, (0.0003 * np.random.default_rng(1).standard_normal(320)).astype(np.float32), 60)
    assert sum(used) <= 0.6 * RATE
    assert not stream.finish()
