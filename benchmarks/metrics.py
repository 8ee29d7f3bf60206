"""What measuring costs: processor time of an observation and of a scrape.

    python -m benchmarks.metrics                 8 calls
    python -m benchmarks.metrics --calls 100

An observation is one event of a call with its actions, as the session notes it (hypotheses mostly,
as in a call); each call is taken to have `EVENTS_PER_S` of them, several times what real ones
have. A scrape is the text of GET /metrics with so many calls under way and `WAITING` messages
waiting in an SQLite file, read anew. Prometheus asks every 15 seconds, `voicebot top` every two:
both are counted. Prints one JSON object; ends with 1 where all of it is above 1 % of a core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from asr.pool import DecodePool
from flows import actions as act
from flows import events as ev
from flows.pending import HandoffState, Phase
from flows.state import State
from flows.surge import Mode
from voicebot.exchange.tables import EnvelopeRow
from voicebot.loop_lag import EVERY_S, LoopLag
from voicebot.metrics.backlog import backlog
from voicebot.metrics.call import CallMeter
from voicebot.metrics.exposition import exposition
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.standing import Standing
from voicebot.records.database import migrate, open_engine

GOAL = 0.01
EVENTS_PER_S = 20.0
SCRAPES_PER_S = 1 / 15 + 1 / 2
WAITING = 1000
ROUTES = (act.Route("110-460100", "110"), act.Route("seat", "seat"))


def turn(number: int) -> list[tuple[ev.Event, tuple[act.Action, ...]]]:
    """A turn of the caller: twelve hypotheses, a search, an answer."""
    at = 10.0 * number
    words = "我想问一下住房公积金怎么提取"
    heard = [
        ev.Heard(at + 0.2 * part, number, ear, words, final=part == 11)
        for part in range(12)
        for ear in (ev.Ear.LISTENER, ev.Ear.TRANSCRIBER)
    ]
    search = act.Search(number, words, final=True)
    return [
        (ev.CallerSpeaking(at, number), ()),
        *((each, ()) for each in heard),
        (ev.TurnEnded(at + 3.0, number), (search,)),
        (ev.SearchResult(at + 3.1, number, words, "answer", final=True), ()),
        (ev.PlaybackStarted(at + 3.2, f"u{number}"), ()),
        (ev.PlaybackFinished(at + 9.0, f"u{number}"), ()),
    ]


def processor(work: Callable[[], Any], least_s: float = 1.0) -> tuple[float, int]:
    """Seconds of processor time of one, and how often it was done."""
    done, began, until = 0, time.process_time(), time.perf_counter() + least_s
    while time.perf_counter() < until:
        work()
        done += 1
    return (time.process_time() - began) / done, done


def observation_s() -> float:
    meter, state = CallMeter(Metrics()), State(handled=10_000)
    events = [each for number in range(1, 9) for each in turn(number)]

    def call() -> None:
        for event, actions in events:
            meter.note(event, actions, state, event.at)
            if isinstance(event, ev.Heard):
                meter.decided(0.004)

    return processor(call)[0] / len(events)


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

    seconds, _ = processor(scrape)
    size = len(scrape())
    writer.dispose()
    reader.dispose()
    return seconds, size


def measured(calls: int) -> dict[str, Any]:
    observation = observation_s()
    with tempfile.TemporaryDirectory() as folder:
        scrape, size = scrape_s(calls, Path(folder))
    share = calls * EVENTS_PER_S * observation + SCRAPES_PER_S * scrape
    return {
        "calls": calls,
        "observation_us": round(1e6 * observation, 2),
        "scrape_ms": round(1e3 * scrape, 2),
        "scrape_bytes": size,
        "share_of_a_core": round(share, 5),
        "goal": GOAL,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=8, help="calls at a time")
    found = measured(parser.parse_args().calls)
    print(json.dumps(found))
    sys.exit(found["share_of_a_core"] > GOAL)


if __name__ == "__main__":
    main()
