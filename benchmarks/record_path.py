"""How long a call waits until its record and what goes out with it are on the disk.

    python -m benchmarks.record_path                        SQLite, in a folder of its own
    python -m benchmarks.record_path --postgresql           a server of its own (Debian's)
    python -m benchmarks.record_path --calls 8              beside the records of so many calls

A hand-off is one transaction: its row, its dossier (20 turns) and the message that announces it.
Prints one JSON object, in milliseconds: median, 95th and 99th percentile of what a call waits
(`handoff`, a newer `dossier`, a `ticket`), of opening hand-offs without threads (`transaction`),
of the processor time of these (`processor`, the same on a busy machine), and of one write of
4 KiB with fsync beside them (`disk`), below which nothing can be. The goal is 10 ms at the 95th
percentile. PostgreSQL is started with fsync, as a server in service is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from benchmarks.tickets_scale import percentile, server
from voicebot.config import Settings
from voicebot.exchange.dossier import Dossier, TranscriptTurn
from voicebot.records.database import open_engine
from voicebot.records.operations import OPERATIONS
from voicebot.records.store import Records

GOAL_MS = 10.0
PACE_S = 0.02
"""Between two hand-offs: nobody waits for another's."""


def dossier(handoff: str, revision: int = 1) -> dict[str, Any]:
    turns = tuple(
        TranscriptTurn(side="caller", text="我家里着火了，在和平大道三号楼", start=n, end=n + 1.0)
        for n in range(20)
    )
    made = Dossier(
        handoff=handoff, revision=revision, call_id=handoff[:-3], caller="13800138000",
        did="12345", region="460106", category=1, transcript=turns,
    )  # fmt: skip
    return made.model_dump(mode="json")


async def timed(work: Awaitable[bool]) -> float:
    """A write that neither database nor spool confirms in time counts as all of that time."""
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1000


async def one_call(records: Records, number: int) -> None:
    """What another call writes meanwhile: a batch of its log each 0.25 s."""
    seq = 0
    while True:
        event = {"at": 1.0, "direction": "in", "kind": "heard", "payload": {"text": "x"}}
        rows = [{"seq": seq + n, **event} for n in range(20)]
        seq += len(rows)
        await records.append(f"other-{number}", rows)
        await asyncio.sleep(0.25)


async def waited(settings: Settings, count: int, calls: int) -> dict[str, list[float]]:
    records = await Records.open(settings)
    others = [asyncio.create_task(one_call(records, number)) for number in range(calls)]
    times: dict[str, list[float]] = {"handoff": [], "dossier": [], "ticket": []}
    for number in range(count):
        handoff = f"c{number}-h1"
        opening = {"destination": "110-460106", "requested_at": time.time()}
        ticket = {"id": f"c{number}-t1", "call_id": f"c{number}", "matter": "路灯坏了"}
        for name, write in (
            ("handoff", lambda o=opening, h=handoff: records.open_handoff(o, dossier(h))),
            ("dossier", lambda h=handoff: records.update_dossier(h, dossier(h, 2))),
            ("ticket", lambda t=ticket: records.save_ticket(t)),
        ):
            times[name].append(await timed(write()))
            await asyncio.sleep(PACE_S)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await records.close()
    return times


def transactions(url: str, count: int) -> tuple[list[float], list[float]]:
    """Wall and processor time of each."""
    engine = open_engine(url, writes=True, patience_s=5.0)
    times, busy = [], []
    for number in range(count):
        begun, ran = time.perf_counter(), time.thread_time()
        with Session(engine) as session, session.begin():
            OPERATIONS["write_dossier"](
                session, destination="110-460106", dossier=dossier(f"d{number}-h1"), at=begun
            )
        times.append((time.perf_counter() - begun) * 1000)
        busy.append((time.thread_time() - ran) * 1000)
        time.sleep(PACE_S)
    engine.dispose()
    return times, busy


def disk(folder: Path, count: int) -> list[float]:
    times = []
    with (folder / "disk").open("wb", buffering=0) as file:
        for _ in range(count):
            begun = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
            time.sleep(PACE_S)
    return times


def measure(folder: Path, url: str, count: int, calls: int) -> dict[str, Any]:
    settings = Settings(paths={"state": folder / "state"}, database={"url": url})  # type: ignore[arg-type]
    times = asyncio.run(waited(settings, count, calls))
    times["transaction"], times["processor"] = transactions(settings.database_url, count)
    times["disk"] = disk(folder, count)
    ms = {
        name: {
            "p50": round(statistics.median(each), 2),
            "p95": round(percentile(each, 95), 2),
            "p99": round(percentile(each, 99), 2),
        }
        for name, each in times.items()
    }
    store = url.partition(":")[0].partition("+")[0] or "sqlite"
    met = all(ms[name]["p95"] <= GOAL_MS for name in ("handoff", "dossier", "ticket"))
    return {"store": store, "count": count, "calls": calls, "ms": ms, "met": met}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # /tmp may be memory
        folder = Path(name)
        if options.postgresql:
            with server(durable=True) as url:
                found = measure(folder, url, options.count, options.calls)
        else:
            url = f"sqlite:///{folder / 'state' / 'voicebot.db'}"
            found = measure(folder, url, options.count, options.calls)
        print(json.dumps(found))


if __name__ == "__main__":
    main()
