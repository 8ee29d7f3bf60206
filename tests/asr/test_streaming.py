"""Prefix agreement and streams over engines that know whole utterances only."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.hypothesis import Hypothesis, Pcm
from asr.streaming import ChunkedStream, PrefixAgreement, shared_length

texts = st.lists(st.text(alphabet="着火了救命啊", max_size=8), max_size=12)


@given(texts)
def test_what_is_settled_only_grows_and_starts_every_answer(updates: list[str]) -> None:
    agreement = PrefixAgreement()
    before = ""
    for text in updates:
        answer = agreement.update(text)
        assert agreement.settled.startswith(before)
        assert answer.startswith(agreement.settled)
        before = agreement.settled


@given(texts, st.text(alphabet="着火了救命啊", min_size=1, max_size=8))
def test_settled_text_was_said_twice_in_a_row(updates: list[str], last: str) -> None:
    agreement = PrefixAgreement()
    previous = ""
    for text in [*updates, last]:
        before = agreement.settled
        agreement.update(text)
        if agreement.settled != before:
            assert text.startswith(agreement.settled)
            assert previous.startswith(agreement.settled)
        previous = text


@given(st.text(alphabet="着火了", max_size=10), st.integers(0, 10))
def test_a_growing_text_settles_as_far_as_it_was_before(text: str, cut: int) -> None:
    agreement = PrefixAgreement()
    agreement.update(text[:cut])
    assert agreement.update(text) == text
    assert agreement.settled == text[:cut]


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
        assert go_on.wait(5)
        return scripted(pcm)

    s = ChunkedStream("scripted", scripted, slow)
    s.feed(second("a"))
    results: list[Hypothesis] = []
    worker = threading.Thread(target=lambda: results.append(s.finish()))
    worker.start()
    assert entered.wait(5)
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


def test_a_long_utterance_keeps_its_beginning_and_a_short_window() -> None:
    rng = np.random.default_rng(1)
    lengths: list[float] = []

    def measured(pcm: Pcm) -> Hypothesis:
        lengths.append(pcm.size / 16_000)
        return Hypothesis("m", text="话" * round(pcm.size / 16_000), end=pcm.size / 16_000)

    s = ChunkedStream("m", measured, measured, window_seconds=10)
    for _ in range(40):
        swing = np.sin(np.pi * 4 * np.arange(16_000) / 16_000) ** 2
        s.feed((0.3 * swing * rng.standard_normal(16_000)).clip(-1, 1).astype(np.float32))
        partial = s.decode()
    assert max(lengths) <= 11
    assert len(partial.text.replace("，", "")) >= 36
    assert s.finish().text.startswith(partial.text[: partial.stable])
