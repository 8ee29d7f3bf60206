"""What processes and nodes say to each other: lossless, and harmless whoever says it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.hypothesis import Hypothesis, Word
from asr.nodes import messages
from asr.nodes.messages import (
    LONGEST_S,
    SAMPLE_RATE,
    Header,
    Heard,
    Refused,
    Status,
    Taken,
    Unreadable,
)
from asr.urgency import Urgency

NATS_PAYLOAD = 1 << 20
"""Bytes of a message that nats-server takes by default."""

headers = st.builds(
    Header, st.booleans(), st.sampled_from(Urgency), st.floats(0.001, 3600, allow_nan=False)
)
texts = st.text(max_size=20)
hypotheses = st.builds(
    Hypothesis,
    engine=texts,
    text=texts,
    alternatives=st.lists(texts, max_size=3).map(tuple),
    start=st.floats(0, 30),
    end=st.floats(0, 30),
    final=st.booleans(),
    stable=st.integers(0, 20),
    words=st.lists(st.builds(Word, texts, st.floats(0, 30), st.floats(0, 30)), max_size=3).map(
        tuple
    ),
    scores=st.lists(st.floats(-10, 0), max_size=3).map(tuple),
)


@given(headers, st.lists(st.integers(-32768, 32767), max_size=100))
def test_a_request_comes_as_it_was_sent_to_the_last_bit(header: Header, samples: list[int]) -> None:
    pcm = np.array(samples, np.int16).astype(np.float32) / np.float32(32768.0)
    read, audio = messages.unpacked(messages.packed(header, pcm))
    assert read == header
    assert audio.dtype == np.float32
    assert np.array_equal(audio, pcm)


def test_sound_beyond_16_bits_is_rounded_and_what_is_too_loud_cut() -> None:
    pcm = np.array([1.0, -1.0, 1 / 65536 + 1e-6, 0.0], np.float32)
    _, audio = messages.unpacked(messages.packed(Header(True, Urgency.FINAL, 1.0), pcm))
    assert np.abs(audio - pcm).max() <= 1 / 32768


@given(hypotheses, st.floats(0, 100))
def test_an_answer_comes_as_it_was_given(hypothesis: Hypothesis, seconds: float) -> None:
    for answer in (Heard("n1", hypothesis, seconds), Taken("n1"), Refused("n1", "full")):
        assert messages.answer(messages.said(answer)) == answer
    status = Status("n1", "whisper", "base", 2, 1, 2, 0.5, leaving=True)
    assert messages.answer(messages.said(status)) == status


def test_the_longest_audio_fits_in_a_message_of_nats() -> None:
    longest = np.zeros(round(LONGEST_S * SAMPLE_RATE), np.float32)
    message = messages.packed(Header(True, Urgency.FINAL, 6.0), longest)
    assert len(message) < NATS_PAYLOAD
    assert messages.unpacked(message)[1].size == longest.size
    with pytest.raises(Unreadable, match="too long"):
        messages.unpacked(message + bytes(2))


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: b"\x10\0\0\0" + b))
def test_whatever_comes_is_read_or_refused(message: bytes) -> None:
    with contextlib.suppress(Unreadable):
        messages.unpacked(message)
    with contextlib.suppress(Unreadable):
        messages.answer(message)


@given(st.data())
def test_a_message_that_was_tampered_with_is_read_or_refused(data: st.DataObject) -> None:
    whole = messages.packed(Header(True, Urgency.FINAL, 6.0), np.zeros(8, np.float32))
    said = messages.said(Heard("n1", Hypothesis("whisper", text="您好"), 0.1))
    for message, read in ((whole, messages.unpacked), (said, messages.answer)):
        at = data.draw(st.integers(0, len(message) - 1))
        with contextlib.suppress(Unreadable):
            read(message[:at] + data.draw(st.binary(max_size=4)) + message[at + 1 :])


@pytest.mark.parametrize(
    "message",
    [
        b'{"kind": "taken", "node": "a b"}',
        b'{"kind": "taken", "node": "' + b"a" * 65 + b'"}',
        b'{"kind": "status", "node": "n", "engine": "w", "model": "", "workers": 0, '
        b'"waiting": 0, "at_work": 0, "utilisation": 0.0}',
        b'{"kind": "status", "node": "n", "engine": "w", "model": "", "workers": 99999999, '
        b'"waiting": 0, "at_work": 0, "utilisation": 0.0}',
        b'{"kind": "heard", "node": "n", "hypothesis": {"text": 1}, "decode_s": 1}',
        b'{"kind": "heard", "node": "n", "decode_s": 1, "hypothesis": {"engine": "w", "end": NaN}}',
        b'{"kind": "heard", "node": "n", "decode_s": 1, "hypothesis": {"engine": "w", "words": '
        b'[{"text": "a", "start": 0, "end": 1e999}]}}',
        b'{"kind": "refused", "node": "n", "why": "tired"}',
        b'{"kind": "bye"}',
        b"[]",
        b"",
    ],
)
def test_what_no_node_says_is_refused_without_being_quoted(message: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        messages.answer(message)
    assert "tired" not in str(refused.value)


def test_a_request_may_not_want_an_answer_at_no_time() -> None:
    header = Header(True, Urgency.FINAL, 6.0)
    for seconds in (0.0, -1.0, float("nan"), float("inf"), 1e9):
        message = messages.packed(replace(header, within_s=seconds), np.zeros(1, np.float32))
        with pytest.raises(Unreadable):
            messages.unpacked(message)
