"""Any order of feeding, decoding and losing the process: the same words as without one.

The processes are scripted; each holds its streams itself, and loses them with its end.
"""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import EngineLost
from asr.hypothesis import Capabilities, Hypothesis, Pcm
from asr.streaming import ChunkedStream
from asr.supervised.process import EngineProcess, Loaded, Place, ProcessLost
from asr.supervised.stream import SupervisedStream
from asr.supervised.supervisor import LOADS, Supervisor
from asr.supervised.wear import Limits, Wear, worn
from asr.supervised.wire import Wire, pack, unpack
from tests.asr.supervised_doubles import letters_stream, second, until

ABLE = Capabilities(False, True, False, False, False, ("en",))


class ScriptedProcess:
    """In place of an `EngineProcess`."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.streams: dict[int, ChunkedStream] = {}
        self.pid = script.started = script.started + 1
        self.ended = False
        self.resident_bytes = 0
        self.decodes = self._numbers = 0
        self._loads = script.load_losses == 0
        script.load_losses = max(0, script.load_losses - 1)

    @property
    def wear(self) -> Wear:
        return Wear(self.decodes, 0.0, 0)

    def load(self) -> Loaded:
        if not self._loads:
            self.kill()
            raise ProcessLost("SIGKILL")
        return Loaded("letters", ABLE, 0.0)

    def place(self, start: int) -> Place:
        self._numbers += 1
        return Place(cast(EngineProcess, self), self._numbers, start)

    def forget(self, number: int) -> None:
        self.streams.pop(number, None)

    def decode(self, place: Place, chunks: Sequence[Pcm], *, final: bool) -> Hypothesis:
        stream = self.streams.setdefault(place.number, letters_stream())
        for chunk in chunks:
            stream.feed(chunk)
        if self.ended or self._script.losses:
            self._script.losses = max(0, self._script.losses - 1)
            self.kill()
            raise ProcessLost("SIGKILL")
        self.decodes += 1
        return stream.decode(final)

    def kill(self) -> None:
        self.ended = True
        self.streams.clear()


class Script:
    """Starts scripted processes; so many of the next decodes, and loads, are their last."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        workers: int = 1,
        spare: bool = True,
        load_losses: int = 0,
    ) -> None:
        self.started = self.losses = 0
        self.load_losses = load_losses
        self.processes: list[ScriptedProcess] = []
        self.supervisor = Supervisor(self._start, limits or Limits(), workers=workers, spare=spare)

    def _start(self) -> ScriptedProcess:
        self.processes.append(process := ScriptedProcess(self))
        return process

    def stream(self, **options: Any) -> SupervisedStream:
        return SupervisedStream(cast("Supervisor[EngineProcess]", self.supervisor), **options)


@pytest.fixture
def started() -> Iterator[Callable[..., Script]]:
    """Makes scripts, and ends them after the test."""
    made: list[Script] = []

    def start(**options: Any) -> Script:
        made.append(script := Script(**options))
        return script

    yield start
    for script in made:
        script.supervisor.close()


Start = Callable[..., Script]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.text("abcdefgh", min_size=1, max_size=3)),
        st.tuples(st.sampled_from(["decode", "final", "finish", "lose", "die"])),
        st.tuples(st.just("reset"), st.sampled_from([0.0, 0.5, 1.0, 2.0])),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), steps), max_size=6),
    st.booleans(),
    st.integers(1, 40),
    st.integers(1, 3),
)
def test_no_order_of_events_changes_a_word(
    turns: list[tuple[int, list[tuple[Any, ...]]]], spare: bool, decodes: int, workers: int
) -> None:
    script = Script(Limits(decodes=decodes), workers=workers, spare=spare)
    calls = [(script.stream(), letters_stream()) for _ in range(2)]
    try:
        for number, events in turns:
            there, here = calls[number]
            for event in events:
                match event:
                    case ("feed", letters):
                        for letter in letters:
                            there.feed(second(letter))
                            here.feed(second(letter))
                    case ("decode",) | ("final",):
                        final = event == ("final",)
                        assert words(there.decode(final)) == words(here.decode(final))
                    case ("finish",):
                        assert words(there.finish()) == words(here.finish())
                    case ("reset", seconds):
                        there.reset(keep_seconds=seconds)
                        here.reset(keep_seconds=seconds)
                        assert there.hypothesis() is None
                    case ("lose",):
                        script.losses = 1
                    case ("die",):
                        for process in script.processes:
                            process.kill()
        for there, here in calls:
            assert words(there.finish()) == words(here.finish())
    finally:
        script.supervisor.close()


def words(heard: Hypothesis) -> tuple[Any, ...]:
    """All but how much a partial shares with the one before, which a new process cannot know."""
    return heard.text, heard.alternatives, heard.scores, heard.start, heard.end, heard.final


def test_an_utterance_that_two_processes_die_of_is_given_up_and_kept(started: Start) -> None:
    script = started()
    stream = script.stream()
    stream.feed(second("a"))
    script.losses = 2
    with pytest.raises(EngineLost):
        stream.finish()
    assert stream.finish().text == "a"


def test_only_what_is_new_goes_to_the_process_and_what_is_over_is_forgotten_there(
    started: Start,
) -> None:
    script = started(spare=False)
    stream = script.stream()
    for _ in range(3):
        stream.feed(second("a"))
        stream.decode()
    (process,) = script.processes
    (held,) = process.streams.values()
    assert held.pending_seconds == 3.0
    stream.finish()
    assert process.streams == {}
    stream.feed(second("b"))
    stream.decode()
    stream.reset()
    assert process.streams == {}
    stream.feed(second("c"))
    stream.decode()
    del stream
    gc.collect()
    assert process.streams == {}


def test_audio_that_nobody_decodes_is_bounded_and_the_newest_is_kept(started: Start) -> None:
    stream = started().stream(max_buffer_seconds=4)
    for letter in "abcdefg":
        stream.feed(second(letter))
    final = stream.finish()
    assert final.text.endswith("defg"[-2:])
    assert (final.start, final.end) == (7.0 - len(final.text), 7.0)


def test_an_utterance_longer_than_the_buffer_loses_nothing_while_its_process_lives(
    started: Start,
) -> None:
    stream = started().stream(max_buffer_seconds=4)
    for letter in "abcdefg":
        stream.feed(second(letter))
        stream.decode()
    assert stream.finish().text == "abcdefg"


def test_what_is_fed_during_a_decode_belongs_to_what_comes_after(started: Start) -> None:
    script = started()
    stream = script.stream()
    entered, go_on = threading.Event(), threading.Event()
    stream.feed(second("a"))
    stream.decode()
    plain = script.processes[0].decode

    def slow(place: Place, chunks: Sequence[Pcm], *, final: bool) -> Hypothesis:
        entered.set()
        assert go_on.wait(30)
        return plain(place, chunks, final=final)

    script.processes[0].decode = slow  # type: ignore[method-assign]
    heard: list[Hypothesis] = []
    worker = threading.Thread(target=lambda: heard.append(stream.finish()))
    worker.start()
    assert entered.wait(30)
    stream.feed(second("b"))
    go_on.set()
    worker.join()
    assert [each.text for each in heard] == ["a"]
    assert stream.finish().text == "b"


def test_a_reset_does_not_wait_for_a_decode_which_leaves_no_trace(started: Start) -> None:
    script = started()
    stream = script.stream()
    stream.feed(second("a"))
    stream.decode()
    plain = script.processes[0].decode

    def reset_meanwhile(place: Place, chunks: Sequence[Pcm], *, final: bool) -> Hypothesis:
        stream.reset()
        return plain(place, chunks, final=final)

    script.processes[0].decode = reset_meanwhile  # type: ignore[method-assign]
    assert stream.decode().text == "a"
    assert stream.hypothesis() is None
    assert script.processes[0].streams == {}
    stream.feed(second("b"))
    assert stream.decode().text == "b"


def test_a_process_that_does_not_load_is_tried_again_and_nobody_waits_for_it() -> None:
    def start() -> Any:
        raise OSError("no memory")

    before = set(threading.enumerate())
    supervisor: Supervisor[Any] = Supervisor(start, Limits(), spare=True)
    for _ in range(2):
        with pytest.raises(EngineLost, match="no memory"):
            supervisor.run(lambda process: None, beginning=True)
    supervisor.close()
    until(lambda: set(threading.enumerate()) <= before)


def test_a_process_lost_while_it_loads_is_followed_by_another(started: Start) -> None:
    script = started(load_losses=LOADS - 1)
    stream = script.stream()
    stream.feed(second("a"))
    assert stream.finish().text == "a"
    assert script.supervisor.counts["restarts"] == LOADS - 1


def test_when_each_is_lost_while_it_loads_the_utterance_does_not_wait(started: Start) -> None:
    script = started(load_losses=LOADS)
    stream = script.stream()
    stream.feed(second("a"))
    with pytest.raises(EngineLost, match="while loading"):
        stream.finish()
    until(lambda: script.supervisor.pids)
    assert stream.finish().text == "a"


@pytest.mark.parametrize(
    ("wear", "reason"),
    [
        (Wear(99, 3599.0, 99), None),
        (Wear(100, 0.0, 0), "decodes"),
        (Wear(0, 3600.0, 0), "age"),
        (Wear(0, 0.0, 100), "memory"),
    ],
)
def test_a_process_is_worn_at_its_limits(wear: Wear, reason: str | None) -> None:
    assert worn(wear, Limits(decodes=100, hours=1.0, growth_bytes=100)) == reason


# ── the wire ──────────────────────────────────────────────────────────────────────


@given(st.lists(st.lists(st.floats(-1, 1, width=32), max_size=9), max_size=9))
def test_audio_crosses_sample_by_sample_in_its_pieces(pieces: list[list[float]]) -> None:
    chunks = [np.asarray(piece, np.float32) for piece in pieces]
    there = unpack(*pack(chunks))
    assert [chunk.tolist() for chunk in there] == [chunk.tolist() for chunk in chunks]


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.binary(max_size=99))
def test_a_message_crosses_as_it_was_sent(header: dict[str, str], payload: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Wire(ours).send(header, payload)
        assert Wire(theirs).receive(deadline=0.0) == (header, payload), "late, but there"


@given(st.binary(max_size=200))
def test_what_is_no_message_is_told_as_such(garbage: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(garbage)
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises((OSError, ValueError)):
            receive_all(Wire(theirs))


def receive_all(wire: Wire) -> None:
    while True:
        wire.receive(deadline=0.0)


def test_a_process_that_takes_nothing_does_not_hold_the_sender() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        Wire(ours).send({}, bytes(50_000_000), deadline=0.0)


def test_as_many_requests_are_at_work_as_there_are_workers(started: Start) -> None:
    script = started(workers=2, spare=False)
    first, other = script.stream(), script.stream()
    first.feed(second("a"))
    first.decode()
    until(lambda: len(script.supervisor.pids) == 2)
    together = threading.Barrier(3)

    def slow(process: ScriptedProcess) -> Callable[..., Hypothesis]:
        plain = process.decode

        def decode(place: Place, chunks: Sequence[Pcm], *, final: bool) -> Hypothesis:
            together.wait(30)
            return plain(place, chunks, final=final)

        return decode

    for process in script.processes:
        process.decode = slow(process)  # type: ignore[method-assign]
    other.feed(second("b"))
    heard: list[str] = []
    workers = [
        threading.Thread(target=lambda each=each: heard.append(each.finish().text))
        for each in (first, other)
    ]
    for worker in workers:
        worker.start()
    together.wait(30)  # both are inside
    for worker in workers:
        worker.join()
    assert sorted(heard) == ["a", "b"]


def test_what_one_worker_loses_another_takes_without_loading(started: Start) -> None:
    script = started(workers=2, spare=False)
    stream = script.stream()
    stream.feed(second("a"))
    stream.decode()
    until(lambda: len(script.supervisor.pids) == 2)
    script.losses = 1
    script.load_losses = LOADS  # whoever waits for loading, waits in vain
    stream.feed(second("b"))
    assert stream.finish().text == "ab"
    assert script.supervisor.counts["failed"] == 0


def test_a_call_stays_with_the_worker_that_knows_its_utterance(started: Start) -> None:
    script = started(workers=2, spare=False)
    first, other = script.stream(), script.stream()
    for letter in "abc":
        for stream in (first, other):
            stream.feed(second(letter))
            stream.decode()
    (process, *_) = script.processes
    assert len(process.streams) == 2, "the idle one that was taken first, not the next one"
    assert [stream.finish().text for stream in (first, other)] == ["abc", "abc"]
