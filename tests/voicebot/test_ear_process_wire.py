"""What service and ear process tell each other, and when the one takes the other for hung."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.distress import Kind, Mark
from voicebot.call.caller_ear import Listened, ListenerFault, Sensed
from voicebot.ear_process.board import Board
from voicebot.ear_process.stall import HANGS_S, STARVED_S, hangs
from voicebot.ear_process.wire import (
    MOST_BYTES,
    Ask,
    Inbox,
    Nonsense,
    message,
    pack_listened,
    pack_sensed,
    unpack_listened,
    unpack_sensed,
)

SECONDS = st.floats(0, 1e5)
SYLLABLE = st.text("abcdefghijklmnopqrstuvwxyzü12345", min_size=1, max_size=7)
LISTENED = st.builds(
    Listened,
    st.lists(SYLLABLE, max_size=150).map(tuple),
    SECONDS,
    st.lists(SECONDS, max_size=150).map(tuple),
)
MARK = st.builds(Mark, st.sampled_from(Kind), st.floats(0.5, 1), SECONDS, SECONDS)
SENSED = st.builds(
    Sensed,
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 65535)), max_size=40),
    st.lists(MARK, max_size=3).map(tuple),
    st.none() | LISTENED,
)


@given(SENSED, st.none() | LISTENED)
def test_an_answer_comes_as_it_was_given(sensed: Sensed, before: Listened | None) -> None:
    assert unpack_sensed(pack_sensed(sensed, before), before) == sensed


@given(LISTENED)
def test_what_was_told_before_is_not_told_again(listened: Listened) -> None:
    content = pack_sensed(Sensed([], (), listened), listened)
    assert len(content) == 5
    assert unpack_sensed(content, listened).listened == listened
    assert unpack_listened(pack_listened(listened)) == listened


def test_what_the_listener_raised_comes_by_the_name_of_its_class() -> None:
    content = pack_sensed(Sensed([(0.5, 512)], (), ListenerFault("RuntimeError")), None)
    fault = unpack_sensed(content, None).listened
    assert isinstance(fault, ListenerFault)
    assert str(fault) == "RuntimeError"


@given(st.binary(max_size=200), st.none() | LISTENED)
def test_nonsense_is_told_from_answers(content: bytes, before: Listened | None) -> None:
    for read in (lambda: unpack_sensed(content, before), lambda: unpack_listened(content)):
        with contextlib.suppress(Nonsense):
            read()


@given(
    st.lists(st.tuples(st.sampled_from(Ask), st.integers(0, 2**32 - 1), st.binary(max_size=50))),
    st.lists(st.integers(1, 40)),
)
def test_messages_are_the_same_however_their_bytes_come(
    sent: list[tuple[Ask, int, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(message(*each) for each in sent)
    inbox, got = Inbox(), []
    while stream:
        size = sizes.pop() if sizes else len(stream)
        part, stream = stream[:size], stream[size:]
        inbox.space()[: len(part)] = part
        got += inbox.filled(len(part))
    assert got == sent


def test_a_message_may_be_longer_than_all_before() -> None:
    sent, inbox, got = message(Ask.HEAR, 1, bytes(1 << 20)), Inbox(), []
    while sent:
        space = inbox.space()
        part, sent = sent[: len(space)], sent[len(space) :]
        space[: len(part)] = part
        got += inbox.filled(len(part))
    assert got == [(Ask.HEAR, 1, bytes(1 << 20))]


@given(st.binary(min_size=9, max_size=100))
def test_bytes_that_are_no_messages_take_no_memory(garbage: bytes) -> None:
    inbox = Inbox()
    inbox.space()[: len(garbage)] = garbage
    length = int.from_bytes(garbage[:4], "little")
    if 5 <= length <= MOST_BYTES:
        inbox.filled(len(garbage))
    else:
        with pytest.raises(Nonsense):
            inbox.filled(len(garbage))


def test_the_board_tells_whose_audio_is_being_heard_and_that_there_is_progress() -> None:
    file = Board.new_file()
    ours, theirs = Board(file), Board(file)
    assert ours.read() == (0, 0)
    theirs.begin(7)
    assert ours.read() == (1, 7)
    theirs.begin(8)
    theirs.rest()
    assert ours.read() == (2, 0)


@pytest.mark.parametrize("state", ["T", "S", "Z", ""])
def test_what_waits_for_nothing_hangs_soon(state: str) -> None:
    assert hangs(HANGS_S, state, 0.0)
    assert not hangs(HANGS_S - 0.1, state, 0.0)


def test_an_endless_loop_hangs_as_soon() -> None:
    assert hangs(HANGS_S, "R", 1.0)


@pytest.mark.parametrize("state", ["R", "D"])
def test_what_gets_no_processor_is_given_longer_but_not_for_ever(state: str) -> None:
    assert not hangs(math.nextafter(STARVED_S, 0), state, 0.05)
    assert hangs(STARVED_S, state, 0.05)
