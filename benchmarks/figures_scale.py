"""The figures of a day, and of a month, among a million calls.

    python -m benchmarks.figures_scale                      SQLite, in a folder of its own
    python -m benchmarks.figures_scale --calls 100000
    python -m benchmarks.figures_scale --url postgresql+psycopg://…   an empty database

About 11,000 calls a day (Haikou's 12345 in 2021), a third with a ticket, a third handed to a
seat, one in 200 to 110, one in ten evaluated. Prints one JSON object, times in seconds: of a day
the medians of `--passes` runs for each division, of 30 days one run by line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from voicebot.callers.tables import EvaluationRow
from voicebot.clock import BEIJING
from voicebot.figures.counting import BY
from voicebot.figures.report import Period, report
from voicebot.figures.tables import RefusedCallRow
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import CallRow, HandoffRow, TicketRow

A_DAY = 11_000
LAST = date(2026, 11, 25)
BATCH = 20_000
REGIONS = ("460106", "460107", "460108", "460200", "469005", None)
DEPARTMENTS = tuple(f"部门{number}" for number in range(40))


def rows(count: int, seed: int = 1) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Rows of all tables, by call."""
    random = Random(seed)
    end = datetime.combine(LAST + timedelta(days=1), datetime.min.time(), BEIJING).timestamp()
    for number in range(count):
        at = end - (count - number) * 86400 / A_DAY
        call, did = f"c{number}", "12345" if number % 5 else "12333"
        region, seat, police = random.choice(REGIONS), number % 3 == 0, number % 200 == 7
        outcome = "human" if seat else "handed_off" if police else "answered"
        if number % 30 == 29:
            yield RefusedCallRow, {"call_id": call, "did": did, "reason": "full", "at": at}
            continue
        yield CallRow, {
            "id": call, "caller": f"138{number:08}", "did": did, "offered_at": at,
            "started_at": at + random.expovariate(0.3), "ended_at": at + 120, "outcome": outcome,
            "region": region, "recording": "",
        }  # fmt: skip
        if seat or police:
            where = "seat" if seat else "110-460100"
            there = random.random() < 0.8
            yield HandoffRow, {
                "id": f"{call}-h1", "call_id": call, "destination": where,
                "first_destination": where, "connected_to": where if there else None,
                "region": region, "lines": [], "flags": [], "reason": "requested_human",
                "evidence": [], "requested_at": at + 20, "state": "ended" if there else "busy",
                "connected_at": at + 20 + random.expovariate(0.1) if there else None,
                "state_at": at + 100, "dossier": {}, "revision": 1,
            }  # fmt: skip
        if number % 3 == 1:
            yield TicketRow, {
                "id": f"{call}-t1", "call_id": call, "matter": "路灯坏了", "region": region,
                "department": random.choice(DEPARTMENTS), "created_at": at + 60,
                "updated_at": at + 60, "status": "closed", "due_at": at + 5 * 86400,
                "answered_at": at + random.uniform(1, 6) * 86400,
            }  # fmt: skip
        if number % 10 == 1:
            yield EvaluationRow, {
                "call_id": call, "number": "", "ticket": f"{call}-t1" if number % 3 == 1 else "",
                "asked_at": at + 130, "score": random.choice((1, 1, 1, 2, 3, None)),
            }  # fmt: skip


def fill(session: Session, count: int) -> None:
    waiting: dict[Any, list[dict[str, Any]]] = {}
    for table, values in rows(count):
        batch = waiting.setdefault(table, [])
        batch.append(values)
        if len(batch) >= BATCH:
            session.execute(insert(table), batch)
            batch.clear()
    for table, batch in waiting.items():
        if batch:
            session.execute(insert(table), batch)
    session.commit()


def median(passes: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(passes):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times), 3)


def measure(url: str, count: int, passes: int) -> dict[str, Any]:
    migrate(url)
    engine = open_engine(url, writes=True, patience_s=60.0)
    with Session(engine) as session:
        begun = time.perf_counter()
        fill(session, count)
        filled = time.perf_counter() - begun
        now = time.mktime((LAST + timedelta(days=1)).timetuple())
        found: dict[str, Any] = {"calls": count, "store": engine.dialect.name}
        found["filled_s"] = round(filled, 1)
        day, month = (Period(LAST - timedelta(days=days), LAST) for days in (0, 29))
        found["day"] = {by: median(passes, partial(report, session, day, by, now, {})) for by in BY}
        found["month"] = median(1, partial(report, session, month, "line", now, {}))
        total = report(session, Period(LAST, LAST), "line", now, {}).total
        found["calls_a_day"] = total.figures["calls"].value
    engine.dispose()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--url", default="")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'figures.db'}"
        print(json.dumps(measure(url, options.calls, options.passes), ensure_ascii=False))


if __name__ == "__main__":
    main()
