"""Streams of events are read whole, however they break off, and asked for from where they did."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.client.events import LAST_PAUSE_S, LiveEvent, Stream
from voicebot.web.console.event_ring import written

EVENTS = st.lists(
    st.tuples(st.sampled_from(["calls", "queue", "call:C1"]), st.text(max_size=20)), max_size=8
)


def lines_of(data: bytes) -> list[str]:
    """As httpx gives them: split at line feeds alone in what the service writes."""
    return data.decode().split("\n")


@given(EVENTS, st.integers(0, 400))
def test_what_broke_off_anywhere_is_gone_on_with_and_nothing_comes_twice(
    events: list[tuple[str, str]], cut: int
) -> None:
    whole = [written(n, topic, {"text": text}) for n, (topic, text) in enumerate(events, 1)]
    stream = Stream(["calls"], None)
    taken: list[LiveEvent] = []
    for line in lines_of(b"".join(whole)[:cut])[:-1]:
        if (event := stream.line(line)) is not None:
            taken.append(event)
    assert stream.operation().query["after"] == (taken[-1].seq if taken else None)
    rest = whole[stream.last or 0 :]
    for line in lines_of(b"".join(rest)):
        if (event := stream.line(line)) is not None:
            taken.append(event)
    assert [(e.seq, e.topic, e.data["text"]) for e in taken] == [
        (n, topic, text) for n, (topic, text) in enumerate(events, 1)
    ]


def test_comments_and_what_has_no_number_are_no_events() -> None:
    stream = Stream(["calls"], 7)
    assert [stream.line(line) for line in ("retry: 1000", ": ", "", "data: {}", "")] == [None] * 5
    assert stream.last == 7


def test_where_a_stream_begins_is_known_without_an_event() -> None:
    stream = Stream(["calls"], None)
    lines = written(41, "begin", {}).decode().split("\n")
    assert [stream.line(line) for line in lines] == [None] * len(lines)
    assert stream.operation().parameters == {"topics": "calls", "after": "41"}


def test_pauses_grow_until_something_comes() -> None:
    stream = Stream(["calls"], None)
    pauses = [stream.pause_s() for _ in range(8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LAST_PAUSE_S
    for line in written(1, "calls", {}).decode().split("\n"):
        stream.line(line)
    assert stream.pause_s() == pauses[0]
