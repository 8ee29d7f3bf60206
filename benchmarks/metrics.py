"""What measuring costs: processor time of metrics and of traces, beside none of either.

    python -m benchmarks.metrics                 8 calls
    python -m benchmarks.metrics --calls 100

The same calls, event by event with their actions as a session notes them, are played in turn with
nothing measured, with metrics, and with metrics and a trace that is sent to a collector on
loopback; what one costs is the difference, of the whole process with all its threads. Each call is
taken to have `EVENTS_PER_S` events (mostly hypotheses) and `TURNS_PER_S` turns of the caller,
several times what real ones have. A scrape is the text of GET /metrics with so many calls under
way and `WAITING` messages waiting in an SQLite file, read anew. Prometheus asks every 15 seconds,
`voicebot top` every two: both are counted. Prints one JSON object; ends with 1 where metrics or
traces are above 1 % of a core.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy.orm import Session

from asr.pool import DecodePool
from flows import actions as act
from flows import events as ev
from flows.pending import HandoffState, Phase
from flows.state import State
from flows.surge import Mode
from voicebot.config_tracing import Tracing as TracingSettings
from voicebot.exchange.tables import EnvelopeRow
from voicebot.loop_lag import EVERY_S, LoopLag
from voicebot.metrics.backlog import backlog
from voicebot.metrics.call import CallMeter
from voicebot.metrics.exposition import exposition
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.standing import Standing
from voicebot.records.database import migrate, open_engine
from voicebot.tracing.service import Tracing

GOAL = 0.01
EVENTS_PER_S = 20.0
TURNS_PER_S = 0.2
SCRAPES_PER_S = 1 / 15 + 1 / 2
WAITING = 1000
ROUTES = (act.Route("110-460100", "110"), act.Route("seat", "seat"))
TURNS = 8
"""Of a played call."""
CALLS, ROUNDS = 20, 9
"""Played in each round; what is told is the median of the rounds."""


def turn(number: int) -> list[tuple[ev.Event, tuple[act.Action, ...]]]:
    """A turn of the caller: twelve hypotheses of each ear, a search, an answer."""
    at = 10.0 * number
    words = "我想问一下住房公积金怎么提取"
    heard = [
        ev.Heard(at + 0.2 * part, number, ear, words, final=part == 11)
        for part in range(12)
        for ear in (ev.Ear.LISTENER, ev.Ear.TRANSCRIBER)
    ]
    search = act.Search(number, words, final=True)
    answer = act.Say(f"u{number}", act.Purpose.ANSWER, entry="E0012")
    return [
        (ev.CallerSpeaking(at, number), ()),
        *((each, ()) for each in heard),
        (ev.TurnEnded(at + 3.0, number), (search,)),
        (ev.SearchResult(at + 3.1, number, words, "answer", final=True), (answer,)),
        (ev.PlaybackStarted(at + 3.2, f"u{number}"), ()),
        (ev.PlaybackFinished(at + 9.0, f"u{number}"), ()),
    ]


EVENTS = [each for number in range(1, TURNS + 1) for each in turn(number)]
STATE = State(handled=10_000)


# ── a call, measured or not ───────────────────────────────────────────────────────────


def play_unmeasured() -> None:
    for event, _ in EVENTS:
        isinstance(event, ev.Heard)


def play_metered(metrics: Metrics) -> None:
    meter = CallMeter(metrics)
    for event, actions in EVENTS:
        if isinstance(event, ev.Heard):
            meter.decided(0.004)
        meter.note(event, actions, STATE, event.at)
    meter.ended(STATE)


def play_traced(metrics: Metrics, tracing: Tracing) -> None:
    meter, trace = CallMeter(metrics), tracing.call("1795735831.42")
    trace.begin()
    for event, actions in EVENTS:
        if isinstance(event, ev.Heard):
            meter.decided(0.004)
            trace.decided(0.004)
        meter.note(event, actions, STATE, event.at)
        trace.note(event, actions, STATE, event.at)
    meter.ended(STATE)
    trace.ended(STATE, 100.0)


def processor(work: Callable[[], Any], times: int) -> float:
    """Seconds of processor time of one."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def played() -> dict[str, float]:
    """Seconds of processor time of a call, by what is measured of it."""
    metrics = Metrics()
    found: dict[str, list[float]] = {"off": [], "metrics": [], "traces": []}
    with collector() as url:
        for _ in range(ROUNDS):
            found["off"].append(processor(play_unmeasured, CALLS))
            found["metrics"].append(processor(lambda: play_metered(metrics), CALLS))
            found["traces"].append(traced(metrics, url))
    return {name: median(each) for name, each in found.items()}


def traced(metrics: Metrics, url: str) -> float:
    """The same of a traced call, until all of its spans are sent."""
    tracing = Tracing(TracingSettings(url=url, queue=100_000))
    tracing.call("0").ended(STATE, 0.0)  # what is made once, is made
    began = time.process_time()
    for _ in range(CALLS):
        play_traced(metrics, tracing)
    tracing.close()
    spent = time.process_time() - began
    counts = tracing.counts
    assert counts["sent"] > CALLS * TURNS
    assert counts["failed"] == counts["dropped"] == 0, counts
    return spent / CALLS


@contextmanager
def collector() -> Iterator[str]:
    """The address of one that takes everything, in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(theirs,))
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1/traces"
    finally:
        process.terminate()
        process.join()


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


def _collect(told: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    told.send(server.server_port)
    server.serve_forever()


# ── a scrape ──────────────────────────────────────────────────────────────────────────


def scrape_s(calls: int, folder: Path) -> tuple[float, int]:
    """Seconds of processor time, and the size of the text."""
    url = f"sqlite:///{folder / 'metrics.db'}"
    migrate(url)
    writer, reader = open_engine(url, writes=True), open_engine(url)
    now = time.time()
    with Session(writer) as session, session.begin():
        session.add_all(
            EnvelopeRow(
                id=f"e{number}", subject=f"s{number}", sequence=1, priority=number % 2,
                envelope={}, created_at=now, next_attempt_at=now,
            )
            for number in range(WAITING)
        )  # fmt: skip
    lag = LoopLag()
    lag._late.extend([0.001] * round(60 / EVERY_S))
    pool = DecodePool(ThreadPoolExecutor(1))
    handoff = HandoffState("h", "danger", ROUTES, "")
    talking = State(phase=Phase.CONNECTED, handoff=handoff)
    metrics = Metrics()
    standing = Standing(
        calls, calls, 1, 16, False, True, pool.figures(0.9, 1.5), lag.figures,
        states=(talking,) * calls, modes={"12345": Mode.NORMAL},
    )  # fmt: skip

    def scrape() -> bytes:
        with Session(reader) as session:
            waiting = backlog(session, now)
        now_is = replace(standing, lag=lag.figures, recognition=pool.figures(0.9, 1.5))
        return exposition(metrics, now_is, waiting)

    size = len(scrape())
    seconds = median(processor(scrape, 20) for _ in range(ROUNDS))
    writer.dispose()
    reader.dispose()
    return seconds, size


def measured(calls: int) -> dict[str, Any]:
    call = played()
    with tempfile.TemporaryDirectory() as folder:
        scrape, size = scrape_s(calls, Path(folder))
    observation = (call["metrics"] - call["off"]) / len(EVENTS)
    of_a_turn = (call["traces"] - call["metrics"]) / TURNS
    metrics = calls * EVENTS_PER_S * observation + SCRAPES_PER_S * scrape
    return {
        "calls": calls,
        "call_us": {name: round(1e6 * seconds, 1) for name, seconds in call.items()},
        "observation_us": round(1e6 * observation, 2),
        "trace_of_a_turn_us": round(1e6 * of_a_turn, 1),
        "scrape_ms": round(1e3 * scrape, 2),
        "scrape_bytes": size,
        "share_of_a_core": round(metrics, 5),
        "traces_share_of_a_core": round(calls * TURNS_PER_S * of_a_turn, 5),
        "goal": GOAL,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=8, help="calls at a time")
    found = measured(parser.parse_args().calls)
    print(json.dumps(found))
    sys.exit(max(found["share_of_a_core"], found["traces_share_of_a_core"]) > GOAL)


if __name__ == "__main__":
    main()
