"""Streams of events are read whole, however they break off, and asked for from where they did."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.client.events import LAST_PAUSE_S, LiveEvent, Stream
from voicebot.web.console.event_ring import written

EVENTS = st.lists(
    st.tuples(st.sampled_from(["calls", "queue", "call:C1"]), st.text(max_size=20)), max_size=8
)


@given(EVENTS, st.integers(0, 400), st.integers(1, 30))
def test_what_broke_off_anywhere_is_gone_on_with_and_nothing_comes_twice(
    events: list[tuple[str, str]], cut: int, piece: int
) -> None:
    whole = [written(n, topic, {"text": text}) for n, (topic, text) in enumerate(events, 1)]
    stream = Stream(["calls"], None)
    taken: list[LiveEvent] = []
    for data in (b"".join(whole)[:cut], None):
        after = stream.operation().query["after"]
        assert after == (taken[-1].seq if taken else None)
        rest = b"".join(whole[after or 0 :]) if data is None else data
        for start in range(0, len(rest), piece):
            taken += stream.take(rest[start : start + piece])
    assert [(e.seq, e.topic, e.data["text"]) for e in taken] == [
        (n, topic, text) for n, (topic, text) in enumerate(events, 1)
    ]


def test_comments_and_what_has_no_number_are_no_events() -> None:
    stream = Stream(["calls"], 7)
    assert list(stream.take(b"retry: 1000\n: \n\ndata: {}\n\n")) == []
    assert stream.last == 7


def test_where_a_stream_begins_is_known_without_an_event() -> None:
    stream = Stream(["calls"], None)
    assert list(stream.take(written(41, "begin", {}))) == []
    assert stream.operation().parameters == {"topics": "calls", "after": "41"}


def test_pauses_grow_until_something_comes() -> None:
    stream = Stream(["calls"], None)
    pauses = [stream.pause_s() for _ in range(8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LAST_PAUSE_S
    assert len(list(stream.take(written(1, "calls", {})))) == 1
    assert stream.pause_s() == pauses[0]
