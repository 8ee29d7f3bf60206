"""Prefix agreement and streams over engines that know whole utterances only."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.hypothesis import Hypothesis, Pcm
from asr.streaming import ChunkedStream, shared_length


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_shared_length_counts_leading_items(a: list[int], b: list[int]) -> None:
    n = shared_length([str(x) for x in a], [str(x) for x in b])
    assert a[:n] == b[:n]
    assert n == min(len(a), len(b)) or a[n] != b[n]


def scripted(pcm: Pcm) -> Hypothesis:
    """An engine that hears a letter in every loud second: 0.1 → a, 0.2 → b, …"""
    seconds = [pcm[i : i + 16_000] for i in range(0, pcm.size, 16_000)]
    text = "".join(chr(96 + round(float(s[0]) * 10)) for s in seconds if s.size and s[0] > 0.05)
    return Hypothesis("scripted", text=text, alternatives=("x",), end=pcm.size / 16_000)


def second(letter: str) -> Pcm:
    return np.full(16_000, (ord(letter) - 96) / 10, np.float32)


def stream() -> ChunkedStream:
    return ChunkedStream("scripted", scripted, scripted)


def test_partials_grow_and_settle_and_the_final_has_alternatives() -> None:
    s = stream()
    assert s.hypothesis() is None
    s.feed(second("a"))
    assert s.decode().stable == 0
    s.feed(second("b"))
    partial = s.decode()
    assert (partial.text, partial.stable, partial.final) == ("ab", 1, False)
    assert s.hypothesis() == partial
    final = s.finish()
    assert (final.text, final.final, final.alternatives) == ("ab", True, ("x",))
    assert s.hypothesis() is None


def test_times_go_on_from_one_utterance_to_the_next() -> None:
    s = stream()
    s.feed(second("a"))
    s.finish()
    s.feed(second("b"))
    assert (s.finish().start, s.finish().text) == (1.0, "")


def test_audio_fed_during_the_last_decode_belongs_to_the_next_utterance() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(pcm: Pcm) -> Hypothesis:
        entered.set()
        assert go_on.wait(60)
        return scripted(pcm)

    s = ChunkedStream("scripted", scripted, slow)
    s.feed(second("a"))
    results: list[Hypothesis] = []
    worker = threading.Thread(target=lambda: results.append(s.finish()))
    worker.start()
    assert entered.wait(60)
    s.feed(second("b"))
    go_on.set()
    worker.join()
    assert results[0].text == "a"
    assert s.finish().text == "b"


def test_a_reset_may_keep_the_last_moments() -> None:
    s = stream()
    for letter in "abc":
        s.feed(second(letter))
    s.reset(keep_seconds=1.0)
    assert s.pending_seconds == 1.0
    assert s.finish().text == "c"
    s.feed(second("d"))
    s.reset()
    assert s.finish().text == ""


def test_a_decode_overtaken_by_a_reset_leaves_no_trace() -> None:
    s = stream()

    def reset_meanwhile(pcm: Pcm) -> Hypothesis:
        s.reset()
        return scripted(pcm)

    s._quick = reset_meanwhile
    s.feed(second("a"))
    assert s.decode().text == "a"
    assert s.hypothesis() is None
    assert s.pending_seconds == 0


def test_a_speculative_final_does_not_end_the_utterance() -> None:
    s = stream()
    s.feed(second("a"))
    assert s.decode(final=True).final
    s.feed(second("b"))
    assert s.finish().text == "ab"


def test_audio_that_nobody_decodes_is_bounded() -> None:
    s = ChunkedStream("scripted", scripted, scripted, max_buffer_seconds=3)
    for letter in "abcdef":
        s.feed(second(letter))
    assert s.pending_seconds == 3
    assert s.finish().text == "def"


@given(st.lists(st.text(alphabet="阿里厨房找着火了救命", max_size=8), min_size=1, max_size=8))
def test_a_partial_says_what_was_heard_last_and_how_much_of_it_twice(heard: list[str]) -> None:
    answers = iter(heard)
    s = ChunkedStream("scripted", lambda pcm: Hypothesis("scripted", text=next(answers)), scripted)
    before = ""
    for text in heard:
        s.feed(second("a"))
        partial = s.decode()
        assert partial.text == text
        assert partial.stable == shared_length(before, text)
        before = text


def test_a_false_start_is_taken_back() -> None:
    answers = iter(["阿里阿厨房找", "阿里阿厨房找火", "厨房着火了快来人"])
    s = ChunkedStream("scripted", lambda pcm: Hypothesis("scripted", text=next(answers)), scripted)
    for _ in range(3):
        s.feed(second("a"))
        partial = s.decode()
    assert (partial.text, partial.stable) == ("厨房着火了快来人", 0)


def swinging(seconds: float, level: float = 0.3) -> Pcm:
    """Noise as loud and as quiet by turns as syllables are."""
    count = round(seconds * 16_000)
    swing = np.sin(np.pi * 4 * np.arange(count) / 16_000) ** 2
    noise = np.random.default_rng(1).standard_normal(count)
    return (level * swing * noise).clip(-1, 1).astype(np.float32)


class Measured:
    """An engine that writes a 话 for each whole second and remembers what it was given."""

    def __init__(self) -> None:
        self.quick: list[float] = []
        self.full: list[float] = []

    def _hears(self, lengths: list[float], pcm: Pcm) -> Hypothesis:
        lengths.append(pcm.size / 16_000)
        return Hypothesis("m", text="话" * round(pcm.size / 16_000), end=pcm.size / 16_000)

    def stream(self) -> ChunkedStream:
        return ChunkedStream(
            "m",
            lambda pcm: self._hears(self.quick, pcm),
            lambda pcm: self._hears(self.full, pcm),
            window_seconds=20,
        )


def test_a_partial_costs_the_same_late_in_a_turn_and_misses_nothing() -> None:
    engine = Measured()
    s = engine.stream()
    for spoken in range(1, 41):
        s.feed(swinging(1.0))
        engine.quick.clear()
        partial = s.decode()
        assert max(engine.quick) <= 9.0
        assert sum(engine.quick) <= 10.0
        assert len(partial.text.replace("，", "")) == pytest.approx(spoken, abs=1 + spoken // 6)
        assert partial.end == pytest.approx(spoken)
    assert engine.full == []  # a partial never pays for a final
    assert len(s.finish().text.replace("，", "")) == pytest.approx(40, abs=3)
    assert max(engine.full) <= 21


def test_a_final_asked_for_in_a_pause_spares_the_partials_after_it_the_beginning() -> None:
    engine = Measured()
    s = engine.stream()
    s.feed(swinging(6.0))
    paused = s.decode(final=True)
    for _ in range(4):
        s.feed(swinging(1.0))
        partial = s.decode()
    assert partial.text == f"{paused.text}，话话话话"
    assert engine.quick == [7.0, 8.0, 9.0, 4.0]
    assert len(s.finish().text) == 10


def test_a_partial_that_ended_in_a_pause_spares_the_ones_after_it_the_beginning() -> None:
    lengths: list[float] = []

    def quick(pcm: Pcm) -> Hypothesis:
        lengths.append(pcm.size / 16_000)
        loud = np.flatnonzero(np.abs(pcm) > 0.01)
        return Hypothesis("m", text="话" * round(pcm.size / 16_000), end=float(loud[-1]) / 16_000)

    s = ChunkedStream("m", quick, quick)
    for seconds, pause in ((3, 0.0), (3, 0.3), (3, 0.0)):
        s.feed(np.concatenate([swinging(seconds), np.zeros(round(pause * 16_000), np.float32)]))
        partial = s.decode()
    assert lengths == [3.0, 6.3, 3.0]
    assert partial.text == "话话话话话话，话话话"


def test_a_final_of_nothing_does_not_hide_words_from_the_partials() -> None:
    engine = Measured()
    s = ChunkedStream("m", engine.stream()._quick, lambda pcm: Hypothesis("m"))
    s.feed(swinging(6.0))
    s.decode(final=True)
    s.feed(swinging(5.0))
    assert len(s.decode().text.replace("，", "")) == pytest.approx(11, abs=1)


def test_a_long_utterance_is_settled_by_its_finals() -> None:
    engine = Measured()
    s = engine.stream()
    for _ in range(5):
        s.feed(swinging(10.0))
        final = s.decode(final=True)
        partial = s.decode()
    assert max(engine.full) <= 21
    assert s.pending_seconds <= 21
    assert len(final.text.replace("，", "")) == pytest.approx(50, abs=4)
    assert len(partial.text.replace("，", "")) == pytest.approx(50, abs=8)
