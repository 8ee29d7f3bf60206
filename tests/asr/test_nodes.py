"""A transcriber shared over NATS: what becomes of a node or of NATS costs no word.

With a real nats-server, and nodes that hear letters, some of them in processes that are killed.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import nats
import numpy as np
import pytest
import structlog

from asr.errors import DecodeFailed, EngineLost, NodesAway
from asr.fallback import FallbackTranscriber
from asr.hypothesis import Pcm
from asr.nodes.address import NatsServers
from asr.nodes.asking import TAKEN_S, Limits
from asr.nodes.transcriber import NodesTranscriber
from asr.pool import open_pool
from asr.urgency import Urgency, run_as
from tests.asr.nodes_doubles import Held, NodeProcess, NodeThread, in_background
from tests.asr.supervised_doubles import Letters, hear_letters, second, until
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture
from tests.voicebot.tools import FETCHED, needs

Open = Callable[..., NodesTranscriber]
Begin = Callable[..., NodeThread]
Spawn = Callable[[str], NodeProcess]


@pytest.fixture
def servers(nats_server: NatsServer) -> NatsServers:  # noqa: F811
    return NatsServers((nats_server.url,))


@pytest.fixture
def opened(servers: NatsServers) -> Iterator[Open]:
    """Opens the transcriber, and closes it after the test."""
    all_opened = []

    def start(**options: Any) -> NodesTranscriber:
        all_opened.append(engine := NodesTranscriber(servers, **options))
        return engine

    yield start
    for engine in all_opened:
        engine.close()


@pytest.fixture
def begun(servers: NatsServers) -> Iterator[Begin]:
    """Begins a node in a thread, and ends it after the test."""
    nodes = []

    def start(name: str = "n1", engine: Any = None, **more: str) -> NodeThread:
        nodes.append(node := NodeThread(engine or Letters(), servers, name, **more))
        return node

    yield start
    for node in nodes:
        node.leave()


@pytest.fixture
def spawn(servers: NatsServers, tmp_path: Path) -> Iterator[Spawn]:
    """Starts a node in a process of its own, and kills it after the test."""
    nodes = []

    def start(name: str) -> NodeProcess:
        nodes.append(node := NodeProcess(servers, name, tmp_path))
        return node

    yield start
    for node in nodes:
        node.signal(signal.SIGCONT)
        node.kill()


def spoken(letters: str) -> Pcm:
    return np.concatenate([second(letter) for letter in letters])


def with_nodes(engine: NodesTranscriber, *names: str) -> None:
    until(lambda: [node.node for node in engine.nodes] == sorted(names))


def test_it_hears_what_the_engine_of_the_node_hears(opened: Open, begun: Begin) -> None:
    begun()
    engine, here = opened(), Letters()
    stream, plain = engine.stream(), here.stream()
    assert stream.hypothesis() is None
    for letter in "abc":
        for each in (stream, plain):
            each.feed(second(letter))
        assert stream.decode() == plain.decode()
        assert stream.hypothesis() == plain.hypothesis()
    assert stream.finish() == plain.finish()
    assert stream.hypothesis() is None
    for each in (stream, plain):
        each.feed(second("d"))
    assert stream.decode(final=True) == plain.decode(final=True)
    assert engine.transcribe(second("e")) == here.transcribe(second("e"))
    assert not any(engine.counts.values())


def test_a_reset_keeps_what_it_is_told_to(opened: Open, begun: Begin) -> None:
    begun()
    stream = opened().stream()
    stream.feed(spoken("ab"))
    stream.reset(keep_seconds=1.0)
    stream.feed(second("c"))
    assert stream.finish().text == "bc"


def test_a_node_with_other_weights_is_named_in_what_it_hears(opened: Open, begun: Begin) -> None:
    begun("n1", label="letters:large", model="large")
    engine = opened()
    stream = engine.stream()
    stream.feed(second("a"))
    assert stream.decode().engine == "letters:large"
    assert stream.finish().engine == "letters:large"
    assert [(node.engine, node.model) for node in engine.nodes] == [("letters:large", "large")]


def test_nodes_share_the_work(opened: Open, begun: Begin) -> None:
    nodes = [begun(name) for name in ("n1", "n2")]
    engine = opened()
    with_nodes(engine, "n1", "n2")
    assert engine.workers == 2
    for letter in "abcdefghi" * 4:
        assert engine.transcribe(second(letter)).text == letter
    answered = [node.node.counts.answered for node in nodes if node.node]
    assert sum(answered) == 36
    assert min(answered) > 0


def test_a_recording_longer_than_a_message_is_cut(opened: Open, begun: Begin) -> None:
    begun()
    quiet = np.zeros(8_000, np.float32)
    parts = [part for letter in "abcde" * 9 for part in (second(letter), quiet)]
    heard = opened().transcribe(np.concatenate(parts)).text.replace("，", "")
    assert len(heard) == 45


# ── nodes that are lost ───────────────────────────────────────────────────────


def test_a_node_killed_in_a_decode_costs_no_word_and_no_deadline(
    opened: Open, spawn: Spawn, tmp_path: Path
) -> None:
    engine = opened(limits=Limits(final_s=60.0))
    (tmp_path / "held").touch()
    lost = spawn("n1")
    with_nodes(engine, "n1")
    result = in_background(lambda: engine.transcribe(spoken("abc")))
    until((tmp_path / "n1.at-work").exists)
    spawn("n2")
    with_nodes(engine, "n1", "n2")
    lost.kill()
    (tmp_path / "held").unlink()
    assert result() == hear_letters(spoken("abc"))
    assert engine.counts["lost_nodes"] == 1
    assert engine.counts["late"] == 0
    with_nodes(engine, "n2")


def test_a_frozen_node_is_left_long_before_the_deadline(
    opened: Open, spawn: Spawn, tmp_path: Path
) -> None:
    engine = opened(limits=Limits(final_s=60.0))
    (tmp_path / "held").touch()
    frozen = spawn("n1")
    with_nodes(engine, "n1")
    result = in_background(lambda: engine.transcribe(spoken("abc")))
    until((tmp_path / "n1.at-work").exists)
    spawn("n2")
    with_nodes(engine, "n1", "n2")
    frozen.signal(signal.SIGSTOP)
    (tmp_path / "held").unlink()
    assert result().text == "abc"
    began = time.monotonic()
    for letter in "abcdefgh":  # NATS still gives it requests
        assert engine.transcribe(second(letter)).text == letter
    assert time.monotonic() - began < 8 * TAKEN_S, "it is asked no more once it has failed"
    frozen.signal(signal.SIGCONT)
    with_nodes(engine, "n1", "n2")


def test_without_any_node_a_final_fails_at_once_and_works_when_one_is_there(
    opened: Open, begun: Begin
) -> None:
    engine = opened(first_s=0.1)
    stream = engine.stream()
    stream.feed(second("a"))
    began = time.monotonic()
    with pytest.raises(NodesAway, match="No node"):
        stream.decode(final=True)
    assert time.monotonic() - began < TAKEN_S
    assert engine.workers == 0
    assert stream.decode().text == "", "a partial that nobody gives is no fault"
    begun()
    until(lambda: engine.workers)
    stream.feed(second("b"))
    assert stream.finish().text == "ab", "its audio is still there"


def test_a_partial_that_no_node_gives_is_the_one_before(opened: Open, begun: Begin) -> None:
    node = begun()
    engine = opened()
    stream = engine.stream()
    stream.feed(second("a"))
    heard = stream.decode()
    node.leave()
    stream.feed(second("b"))
    assert stream.decode() == heard
    assert engine.counts["dropped_partials"] == 1


def test_a_second_engine_answers_while_no_node_is_there(opened: Open, begun: Begin) -> None:
    engine = FallbackTranscriber(opened(first_s=0.1), Letters())
    assert engine.workers == 1, "the second engine's"
    stream = engine.stream()
    stream.feed(second("a"))
    assert stream.finish().text == "a"
    assert not engine.usable


def test_nodes_that_are_killed_one_after_the_other_cost_no_word(opened: Open, spawn: Spawn) -> None:
    engine = opened(limits=Limits(final_s=60.0))
    nodes = [spawn(f"n{number}") for number in range(2)]
    with_nodes(engine, "n0", "n1")
    over = Event()

    def ask() -> list[str]:
        wrong = []
        while not over.is_set():
            for letter in "abcdefghi":
                heard = engine.transcribe(spoken(3 * letter)).text
                wrong += [heard] if heard != 3 * letter else []
        return wrong

    with ThreadPoolExecutor(4) as asking:
        asked = [asking.submit(ask) for _ in range(4)]
        for number in range(2, 6):
            nodes.append(spawn(f"n{number}"))
            until(lambda: nodes[-1].name in [node.node for node in engine.nodes])
            nodes[number - 2].kill()
        over.set()
    assert [each.result() for each in asked] == [[]] * 4
    assert engine.counts["failed"] == 0


# ── work that is not done in time ─────────────────────────────────────────────


def test_a_late_final_is_asked_of_another_node(
    opened: Open, spawn: Spawn, begun: Begin, tmp_path: Path
) -> None:
    engine = opened(limits=Limits(final_s=1.0))
    (tmp_path / "held").touch()
    spawn("n1")
    with_nodes(engine, "n1")
    result = in_background(lambda: engine.transcribe(second("a")))
    until((tmp_path / "n1.at-work").exists)
    begun("n2")
    assert result().text == "a"
    assert engine.counts["late"] == 1


def test_a_late_partial_is_dropped_and_a_late_final_is_an_error(
    opened: Open, spawn: Spawn, tmp_path: Path
) -> None:
    engine = opened(limits=Limits(final_s=0.5, partial_s=0.3))
    (tmp_path / "held").touch()
    spawn("n1")
    with_nodes(engine, "n1")
    stream = engine.stream()
    stream.feed(second("a"))
    assert stream.decode().text == ""
    with pytest.raises(EngineLost, match="in time"):
        stream.decode(final=True)
    (tmp_path / "held").unlink()
    assert stream.finish().text == "a"


def test_a_full_node_says_so_and_partials_give_way(
    opened: Open, begun: Begin, tmp_path: Path
) -> None:
    (tmp_path / "held").touch()
    node = begun("n1", Held(tmp_path, "n1")).node
    assert node is not None
    engine = opened(limits=Limits(60.0, 60.0, 60.0))

    def partial(urgency: Urgency, letter: str) -> Callable[[], Any]:
        def decode() -> Any:
            stream = engine.stream()
            stream.feed(second(letter))
            return run_as(urgency, stream.decode)

        return in_background(decode)

    at_work = partial(Urgency.PARTIAL, "a")
    until(lambda: node.status.at_work == 1)
    waits = partial(Urgency.PARTIAL, "b")
    until(lambda: node.status.waiting == 1)
    assert partial(Urgency.PARTIAL, "c")().text == "", "for a second one there is no place"
    danger = partial(Urgency.SENTINEL, "d")
    until(lambda: node.status.waiting == 2)
    (tmp_path / "held").unlink()
    assert [each().text for each in (at_work, waits, danger)] == ["a", "b", "d"]
    assert node.counts.full == 1
    assert engine.counts["dropped_partials"] == 1


def test_an_engine_that_refuses_audio_is_not_asked_again(opened: Open, begun: Begin) -> None:
    class Refusing(Letters):
        def transcribe(self, pcm: Pcm) -> Any:
            raise DecodeFailed("13800138000")

    begun("n1", Refusing())
    begun("n2", Refusing())
    engine = opened()
    with_nodes(engine, "n1", "n2")
    with pytest.raises(DecodeFailed) as refused:
        engine.transcribe(second("a"))
    assert "138" not in str(refused.value), "what it raises may tell what the caller said"


def test_a_node_that_leaves_finishes_what_it_has(
    opened: Open, spawn: Spawn, tmp_path: Path
) -> None:
    engine = opened()
    (tmp_path / "held").touch()
    leaving = spawn("n1")
    with_nodes(engine, "n1")
    result = in_background(lambda: engine.transcribe(second("a")))
    until((tmp_path / "n1.at-work").exists)
    leaving.signal(signal.SIGTERM)
    until(lambda: not engine.nodes)
    with pytest.raises(NodesAway):
        engine.transcribe(second("b"))
    (tmp_path / "held").unlink()
    assert result().text == "a"
    assert leaving.wait() == 0
    assert engine.counts["lost_nodes"] == 0


# ── NATS that is lost ─────────────────────────────────────────────────────────


def test_nats_that_is_back_in_a_moment_costs_no_word(
    opened: Open,
    spawn: Spawn,
    nats_server: NatsServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    engine = opened(limits=Limits(final_s=60.0))
    (tmp_path / "held").touch()
    spawn("n1")
    with_nodes(engine, "n1")
    result = in_background(lambda: engine.transcribe(second("a")))
    until((tmp_path / "n1.at-work").exists)
    nats_server.kill()
    nats_server.start()
    (tmp_path / "held").unlink()
    assert result().text == "a"


def test_nats_that_stays_away_costs_the_finals_of_that_time_alone(
    opened: Open,
    spawn: Spawn,
    nats_server: NatsServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    engine = opened(limits=Limits(final_s=60.0))
    (tmp_path / "held").touch()
    spawn("n1")
    with_nodes(engine, "n1")
    result = in_background(lambda: engine.transcribe(second("a")))
    until((tmp_path / "n1.at-work").exists)
    nats_server.kill()
    with pytest.raises(NodesAway, match="NATS"):
        engine.transcribe(second("b"))
    (tmp_path / "held").unlink()
    nats_server.start()
    with pytest.raises(EngineLost):  # it was away for longer than a caller waits
        result()
    until(lambda: engine.workers)
    assert engine.transcribe(second("c")).text == "c"


def test_a_frozen_nats_costs_the_finals_of_that_time_alone(
    opened: Open,
    begun: Begin,
    nats_server: NatsServer,  # noqa: F811
) -> None:
    begun()
    engine = opened(limits=Limits(final_s=2.0))
    assert engine.transcribe(second("a")).text == "a"
    nats_server.signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(EngineLost):
        engine.transcribe(second("b"))
    assert time.monotonic() - began < 6.0
    until(lambda: engine.workers == 0, 10.0)
    nats_server.signal(signal.SIGCONT)
    until(lambda: engine.workers == 1)
    assert engine.transcribe(second("c")).text == "c"


def test_it_is_opened_while_nats_is_away(nats_server: NatsServer) -> None:  # noqa: F811
    nats_server.kill()
    with structlog.testing.capture_logs() as logs:
        engine = NodesTranscriber(NatsServers((nats_server.url,)), first_s=0.3)
    assert [(log["event"]) for log in logs if log["log_level"] == "error"] == [
        "nats_away",
        "asr_nodes_away",
    ]
    with pytest.raises(NodesAway, match="NATS"):
        engine.transcribe(second("a"))
    nats_server.start()
    node = NodeThread(Letters(), NatsServers((nats_server.url,)), "n1")
    until(lambda: engine.workers)
    assert engine.transcribe(second("a")).text == "a"
    node.leave()
    engine.close()


def test_a_nats_that_takes_smaller_messages_is_told_of(tmp_path: Path) -> None:
    settings = tmp_path / "nats.conf"
    settings.write_text("max_payload: 65536\n")
    program = needs("nats-server", FETCHED / "nats", "`scripts/setup.sh --all`")
    server = NatsServer(program, "-c", str(settings))
    server.start()
    try:
        servers = NatsServers((server.url,))
        node, engine = NodeThread(Letters(), servers, "n1"), NodesTranscriber(servers)
        assert engine.transcribe(second("a")).text == "a"
        with pytest.raises(EngineLost, match="max_payload"):
            engine.transcribe(spoken("abc"))
        assert engine.max_payload == 65536
        node.leave()
        engine.close()
    finally:
        server.kill()


# ── what anybody may say ──────────────────────────────────────────────────────


async def test_what_is_no_message_is_refused_with_one_line_and_costs_nothing(
    opened: Open,
    begun: Begin,
    nats_server: NatsServer,  # noqa: F811
) -> None:
    node = begun()
    assert node.node is not None
    engine = await asyncio.to_thread(opened)
    hostile = await nats.connect(nats_server.url)
    forged = b'{"kind": "status", "node": "../..", "engine": "x", "model": "", "workers": 5}'
    with structlog.testing.capture_logs() as logs:
        for junk in (b"\0", b"\xff" * 5000, b"{}", b"[" * 3000, bytes(500_000)):
            for _ in range(20):
                await hostile.publish("voicebot.asr.decode", junk, reply="nowhere")
                await hostile.publish("voicebot.asr.node.n1", junk)
                await hostile.publish("voicebot.asr.status", junk)
        await hostile.publish("voicebot.asr.status", forged)
        await hostile.flush()
        until(lambda: node.node and node.node.counts.unreadable == 200)
        until(lambda: engine.counts["unreadable"] == 101)
    await hostile.close()
    unreadable = [log for log in logs if "unreadable" in log["event"]]
    assert 2 <= len(unreadable) <= 6, "one line a second each, with their number"
    assert (await asyncio.to_thread(engine.transcribe, second("a"))).text == "a"
    assert engine.workers == 1


async def test_an_answer_to_nobody_is_not_taken(
    opened: Open,
    begun: Begin,
    nats_server: NatsServer,  # noqa: F811
) -> None:
    begun()
    engine = await asyncio.to_thread(opened)
    hostile = await nats.connect(nats_server.url)
    for key in ("0.0", "x", "0.0.0", ""):
        await hostile.publish(f"{engine._asking.mailbox.inbox}.{key or 'x.y'}", b'{"kind": "bye"}')
    await hostile.flush()
    await hostile.close()
    assert (await asyncio.to_thread(engine.transcribe, second("a"))).text == "a"


# ── the pool of a process without weights ─────────────────────────────────────


async def test_the_pool_has_the_workers_of_the_nodes_and_no_room_without_any(
    opened: Open, begun: Begin
) -> None:
    engine = await asyncio.to_thread(opened, first_s=0.1)
    pool = open_pool(engine, ThreadPoolExecutor(1))
    assert pool.figures(0.9, 0.75).workers == 0
    assert pool.figures(0.9, 0.75).room == 0
    assert not pool.takes_another(0.75)
    nodes = [begun(name) for name in ("n1", "n2")]
    await asyncio.to_thread(with_nodes, engine, "n1", "n2")
    assert pool.figures(0.9, 0.75).workers == 2
    assert pool.figures(0.9, 0.75).room is None, "nothing was measured yet"
    assert pool.takes_another(0.75)
    running = asyncio.create_task(pool.run())
    heard = await pool.decode(engine, lambda: engine.transcribe(second("a")), Urgency.FINAL)
    assert heard is not None
    assert heard.text == "a"
    await asyncio.to_thread(nodes[0].leave)
    await asyncio.to_thread(with_nodes, engine, "n2")
    assert pool.figures(0.9, 0.75).workers == 1
    running.cancel()
