"""Every page of the duty desk among a million calls, as the server's own time.

    python -m benchmarks.console_duty                  a PostgreSQL of its own (Debian's)
    python -m benchmarks.console_duty --calls 100000
    python -m benchmarks.console_duty --url postgresql+psycopg://…   an empty database

About 11,000 calls a day, each with six turns; one in three has a ticket with four steps, one in ten
a hand-off, one in thirty was refused or missed. Pages are asked of the application itself, in its
process, by a supervisor. Prints one JSON object: for each page the median and the 95th percentile
of `--passes` requests with other arguments each, in milliseconds: by the clock, and of processor
time (`cpu`: the application's and that of its connections in PostgreSQL, which works without
helpers here), which says the same on a machine that has other things to do. The goal is 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from sqlalchemy import Connection, text

from benchmarks.tickets_scale import percentile, server
from voicebot.clock import BEIJING, today
from voicebot.config import Settings, load_settings
from voicebot.records.database import migrate, open_engine
from voicebot.records.store import Records
from voicebot.web.api import create_app

GOAL_MS = 200.0
ROWS = Path(__file__).with_suffix(".sql")
A_DAY = 11_000
DAY_S = 86_400.0
END = datetime.combine(today(), datetime.min.time(), BEIJING).timestamp()
"""The newest call is one of yesterday's last."""
HAINAN_S = 8 * 3600

Addresses = dict[str, Callable[[], str]]


def addresses(calls: int, random: Random) -> Addresses:
    """Each page with other arguments at each pass."""

    def moment() -> str:
        at = END - random.uniform(1, 60) * DAY_S
        return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(at + HAINAN_S))

    def page(path: str, **arguments: Any) -> Callable[[], str]:
        def address() -> str:
            given = {n: v() if callable(v) else v for n, v in arguments.items()}
            return f"/console/duty/{path}" + (f"?{urlencode(given)}" if given else "")

        return address

    def number() -> str:
        return f"138{random.randrange(calls):08}"

    def some(prefix: str) -> Callable[[], str]:
        return lambda: f"{END - random.uniform(1, 60) * DAY_S!r}~{prefix}"

    def ticket() -> str:
        return f"/console/duty/tickets/{quote(f'c{3 * random.randrange(calls // 3)}-t1')}"

    return {
        "board": page(""),
        "board_fragment": page("now"),
        "alarms": page("alarms"),
        "calls_newest": page("calls"),
        "calls_later_page": page("calls", after=some("c1")),
        "calls_by_time": page("calls", since=moment),
        "calls_by_line": page("calls", did=lambda: random.choice(("12345", "12333"))),
        "calls_by_rare_line": page("calls", did="12315"),
        "calls_by_number": page("calls", number=number),
        "calls_by_outcome": page("calls", outcome=lambda: random.choice(("human", "ticket"))),
        "calls_by_rare_outcome": page("calls", outcome="guided"),
        "calls_by_words": page("calls", text=lambda: random.choice(("路灯", "停水", "被困"))),
        "calls_by_absent_words": page("calls", text="外星人"),
        "calls_transferred": page("calls", transferred="1"),
        "handoffs_newest": page("handoffs"),
        "handoffs_later_page": page("handoffs", after=some("h1")),
        "handoffs_by_state": page("handoffs", state=lambda: random.choice(("ended", "busy"))),
        "handoffs_of_danger": page("handoffs", reason="danger", destination="110"),
        "handoffs_absent": page("handoffs", reason="undecided"),
        "incidents": page("incidents"),
        "incidents_single": page("incidents", least="1"),
        "incidents_closed": page("incidents/closed"),
        "incident": page("incidents/open1"),
        "tickets_newest": page("tickets"),
        "tickets_later_page": page("tickets", after=some("c1-t1")),
        "tickets_overdue": page("tickets", overdue="1"),
        "tickets_disputed": page("tickets", disputed="1"),
        "tickets_by_status": page("tickets", status="dispatched"),
        "tickets_by_department": page("tickets", department=lambda: f"部门{random.randrange(40)}"),
        "tickets_by_words": page("tickets", text=lambda: random.choice(("路灯", "停水"))),
        "tickets_by_absent_words": page("tickets", text="外星人"),
        "ticket": ticket,
        "disputes": page("disputes"),
        "figures_of_yesterday": page("figures", span="yesterday", by="line"),
        "figures_of_a_week": page("figures", span="week", by="day"),
        "figures_of_a_month": page("figures", span="month", by="day"),
        "topics_of_a_week": page("topics"),
        "topics_of_a_month": page("topics", span="month"),
        "limits": page("limits"),
        "limits_appealed": page("limits", which="appeals"),
        "limits_all": page("limits", which="all"),
        "missed": page("missed"),
        "missed_all": page("missed", all="1"),
        "reconciliations": page("reconciliations"),
        "reconciliation": page("reconciliations/50"),
        "roster": page("roster", region=lambda: random.choice(("460106", "469001"))),
    }


def fill(connection: Connection, calls: int) -> None:
    """The rows of `ROWS`, made by PostgreSQL itself, in one transaction."""
    values = {"end": END, "calls": calls, "a_day": A_DAY}
    for statement in ROWS.read_text("utf-8").split(";\n"):
        if statement.strip():
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), named)


async def measure(url: str, calls: int, passes: int, only: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "voicebot.toml"
        file.write_text(
            f'[paths]\nstate = "{folder}/state"\n[database]\nurl = "{url}"\n'
            "[rate_limits]\nenabled = false\n"
        )
        settings = load_settings(file)
        records = await Records.open(settings)
        try:
            return await _asked(settings, records, calls, passes, only)
        finally:
            await records.close()


async def _asked(
    settings: Settings, records: Records, calls: int, passes: int, only: str
) -> dict[str, Any]:
    from tests.voicebot.test_web import _Service

    app = create_app(_Service(settings, records))
    used = _Processors(settings.database_url)
    token = records.tokens.create("supervisor", "值班长")
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    ms: dict[str, dict[str, float]] = {}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        for name, address in addresses(calls, Random(2)).items():
            if only and only not in name:
                continue
            times, cpu = [], []
            for _ in range(passes):
                asked = address()
                before = used.ms()
                begun = time.perf_counter()
                answer = await client.get(asked, headers=headers)
                times.append((time.perf_counter() - begun) * 1000)
                cpu.append(used.ms() - before)
                if answer.status_code != 200:
                    raise SystemExit(f"{asked}: {answer.status_code} {answer.text[:500]}")
            ms[name] = {
                "first": round(times[0], 1),
                "p50": round(statistics.median(times), 1),
                "p95": round(percentile(times, 95), 1),
                "cpu_p50": round(statistics.median(cpu), 1),
                "cpu_p95": round(percentile(cpu, 95), 1),
            }
            print(name, ms[name], file=sys.stderr)
    worst = max(ms, key=lambda name: ms[name]["cpu_p95"])
    return {"ms": ms, "worst": {"page": worst, **ms[worst]}, "met": ms[worst]["p95"] <= GOAL_MS}


class _Processors:
    """What this process and the backends of its database have used of the processors, in ms."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)

    def ms(self) -> float:
        with self._engine.connect() as connection:
            pids = connection.scalars(
                text(
                    "select pid from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
            ).all()
        nanoseconds = sum(_scheduled(pid) for pid in pids)
        return 1000 * time.process_time() + nanoseconds / 1e6


def _scheduled(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("utf-8").split()[0])
    except FileNotFoundError:
        return 0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--url", default="")
    parser.add_argument("--filled", action="store_true", help="The database has its rows already.")
    parser.add_argument("--only", default="", help="Pages whose name has this in it.")
    options = parser.parse_args(arguments)
    if options.url:
        _run(options.url, options)
        return
    with server() as url:
        _run(url, options)


def _run(url: str, options: argparse.Namespace) -> None:
    # Helpers' processor time would be lost: each query works by itself.
    os.environ["PGOPTIONS"] = "-c max_parallel_workers_per_gather=0"
    begun = time.perf_counter()
    if not options.filled:
        migrate(url)
        engine = open_engine(url, writes=True, patience_s=3600.0)
        with engine.begin() as connection:
            fill(connection, options.calls)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        engine.dispose()
    filled = round(time.perf_counter() - begun, 1)
    found = asyncio.run(measure(url, options.calls, options.passes, options.only))
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"calls": options.calls, "filled_s": filled, "load": load, **found}))


if __name__ == "__main__":
    main()
