"""Every page of the knowledge desk among 50,000 entries, as the server's own time.

    python -m benchmarks.console_knowledge                SQLite
    python -m benchmarks.console_knowledge --postgresql   a PostgreSQL of its own (Debian's)
    python -m benchmarks.console_knowledge --entries 5000

A tenth of the entries has a newer version in review, a twentieth a draft. Pages are asked of the
application itself, in its process, with a reviewer's token; then an entry is written and handed in.
Prints one JSON object: for each page the median and the 95th percentile of `--passes` requests with
other arguments each, in milliseconds, and the median of the processor time of this process, which
leaves out what others take from it (and PostgreSQL). The goal is 200 ms. The search is
`benchmarks.kb_scale`'s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.tickets_scale import percentile, server
from kb import store
from kb.entry import Entry, Status
from voicebot.clock import now, today
from voicebot.config import load_settings
from voicebot.records.database import migrate, open_engine
from voicebot.records.store import Records
from voicebot.web.api import create_app

GOAL_MS = 200.0
DEPARTMENTS, PLACES = 60, ("", "460100", "460106", "460200", "469001")
MATTERS = ("社保卡", "公租房", "路灯", "停水", "落户", "驾驶证", "医保报销", "噪音扰民")


def made(number: int) -> Entry:
    """One of the entries; they end within two years, a day after the other."""
    matter = MATTERS[number % len(MATTERS)]
    return Entry(
        id=f"e-{number:06}",
        version=0,
        category=f"类别{number % 20}/{matter}",
        department=f"部门{number % DEPARTMENTS:02}",
        region=PLACES[number % len(PLACES)],
        question=f"{matter}的第{number}件事怎么办",
        variants=(f"{matter}{number}号怎么办理", f"办{matter}要什么材料（{number}）"),
        answer=f"请带身份证到窗口办理{matter}，编号{number}，五个工作日办好。",
        keywords=(matter,),
        source=f"通知〔2026〕{number}号",
        channel="海易办App",
        valid_from=date(2026, 1, 1),
        valid_to=today() + timedelta(days=number % 730),
        status=Status.PUBLISHED,
    )


def fill(url: str, count: int) -> None:
    engine = open_engine(url, writes=True, patience_s=3600.0, idle_s=0.0)
    entries = [made(number) for number in range(count)]
    newer = [
        replace(
            entry,
            answer=f"{entry.answer}周末也办。",
            status=Status.DRAFT if number % 3 == 0 else Status.IN_REVIEW,
        )
        for number, entry in enumerate(entries)
        if number % 20 < 3
    ]
    with Session(engine) as session, session.begin():
        store.import_entries(session, entries, "甲", at=now(), reviewed_by="乙", publish=True)
    with Session(engine) as session, session.begin():
        store.import_entries(session, newer, "丙", at=now())
    engine.dispose()


def addresses(count: int, random: Random) -> dict[str, Callable[[], str]]:
    """Each page with other arguments at each pass."""

    def page(path: str = "", **arguments: Any) -> Callable[[], str]:
        def address() -> str:
            given = {n: v() if callable(v) else v for n, v in arguments.items()}
            return f"/console/knowledge{path}" + (f"?{urlencode(given)}" if given else "")

        return address

    def entry(rest: str = "") -> Callable[[], str]:
        return lambda: f"/console/knowledge/entries/e-{random.randrange(count):06}{rest}"

    def department() -> str:
        return f"部门{random.randrange(DEPARTMENTS):02}"

    def both() -> str:
        number = 20 * random.randrange(count // 20)
        return f"/console/knowledge/entries/e-{number:06}/compare?from=1&to=2"

    return {
        "newest": page(),
        "later_page": page(after=lambda: random.randrange(3 * count)),
        "by_state": page(show=lambda: random.choice(("draft", "in_review", "published"))),
        "by_absent_state": page(show="withdrawn"),
        "ending": page(show="ending"),
        "ended": page(show="ended"),
        "by_department": page(department=department),
        "by_department_and_state": page(department=department, show="in_review"),
        "by_region": page(region=lambda: random.choice(PLACES[1:])),
        "by_words": page(text=lambda: random.choice(MATTERS)),
        "by_rare_words": page(text=lambda: f"第{random.randrange(count)}件"),
        "by_absent_words": page(text="外星人"),
        "by_all": page(text="外星人", department=department, show="draft", region="460100"),
        "entry": entry(),
        "compare": both,
        "new": page("/new"),
        "import": page("/import"),
    }


async def measure(url: str, folder: Path, count: int, passes: int) -> dict[str, Any]:
    file = folder / "voicebot.toml"
    file.write_text(
        f'[paths]\nstate = "{folder}/state"\n[database]\nurl = "{url}"\n'
        "[rate_limits]\nenabled = false\n"
    )
    settings = load_settings(file)
    records = await Records.open(settings)
    try:
        from tests.voicebot.test_web import _Service

        app = create_app(_Service(settings, records))
        token = records.tokens.create("reviewer", "审核员")
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
            ms = await _pages(client, headers, addresses(count, Random(2)), passes)
            ms |= await _acts(client, headers, passes)
    finally:
        await records.close()
    worst = max(ms, key=lambda name: ms[name]["p95"])
    return {"ms": ms, "worst": {"page": worst, **ms[worst]}, "met": ms[worst]["p95"] <= GOAL_MS}


async def _pages(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    pages: dict[str, Callable[[], str]],
    passes: int,
) -> dict[str, dict[str, float]]:
    ms = {}
    for name, address in pages.items():
        times = []
        for _ in range(passes):
            asked, begun = address(), _clocks()
            answer = await client.get(asked, headers=headers)
            times.append(_since(begun))
            if answer.status_code != 200:
                raise SystemExit(f"{asked}: {answer.status_code} {answer.text[:500]}")
        ms[name] = _figures(times)
    return ms


async def _acts(
    client: httpx.AsyncClient, headers: dict[str, str], passes: int
) -> dict[str, dict[str, float]]:
    fields = {
        "question": "新的事怎么办", "answer": "请到窗口办理。", "department": "部门01",
        "category": "类别/新", "valid_from": "2026-01-01", "valid_to": "2099-12-31",
    }  # fmt: skip
    saved, handed_in = [], []
    for _ in range(passes):
        begun = _clocks()
        answer = await client.post("/v1/knowledge/entries", json=fields, headers=headers)
        saved.append(_since(begun))
        path = f"/v1/knowledge/entries/{answer.json()['id']}/acts"
        begun = _clocks()
        answer = await client.post(path, json={"act": "submit"}, headers=headers)
        handed_in.append(_since(begun))
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:500]}")
    return {"save": _figures(saved), "hand_in": _figures(handed_in)}


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(begun: tuple[float, float]) -> tuple[float, float]:
    """Milliseconds by the wall's clock and the processor's."""
    wall, processor = _clocks()
    return (wall - begun[0]) * 1000, (processor - begun[1]) * 1000


def _figures(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    wall = [each[0] for each in times]
    return {
        "first": round(wall[0], 1),
        "p50": round(statistics.median(wall), 1),
        "p95": round(percentile(wall, 95), 1),
        "processor_p50": round(statistics.median(each[1] for each in times), 1),
    }


@contextlib.contextmanager
def database(postgresql: bool, folder: Path) -> Iterator[str]:
    if postgresql:
        with server() as url:
            yield url
        return
    yield f"sqlite:///{folder}/voicebot.db"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        database(options.postgresql, Path(folder)) as url,
    ):
        begun = time.perf_counter()
        migrate(url)
        fill(url, options.entries)
        if options.postgresql:
            engine = open_engine(url, writes=True)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
            engine.dispose()
        filled = round(time.perf_counter() - begun, 1)
        found = asyncio.run(measure(url, Path(folder), options.entries, options.passes))
    told = {
        "entries": options.entries,
        "database": "PostgreSQL" if options.postgresql else "SQLite",
        "filled_s": filled,
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(told | found))


if __name__ == "__main__":
    main()
