"""Every query of the console among a million tickets.

    python -m benchmarks.tickets_scale                      SQLite, in a folder of its own
    python -m benchmarks.tickets_scale --tickets 100000
    python -m benchmarks.tickets_scale --postgresql         a server of its own (Debian's)
    python -m benchmarks.tickets_scale --url postgresql+psycopg://…   an empty database

About 3,600 tickets a day, each with its call, two turns and four steps; one in 50 was returned,
one in 500 is in dispute, one in 1,000 merged. Prints one JSON object: for each query the median
and the 95th percentile of `--passes` runs with other arguments each, in milliseconds, and the
worst of them. The goal is 200 ms each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Engine, func, insert, select, text
from sqlalchemy.orm import Session

from voicebot.callers import evaluations
from voicebot.clock import BEIJING
from voicebot.figures.report import Period, report
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import CallRow, TicketRow, TurnRow
from voicebot.tickets.disputes import disputes
from voicebot.tickets.duplicates import duplicates
from voicebot.tickets.progress import progress
from voicebot.tickets.reading import Query, detail, search
from voicebot.tickets.reminding import remind
from voicebot.tickets.tables import TicketStepRow

GOAL_MS = 200.0
A_DAY = 3_600
LAST = date(2026, 11, 25)
DAY_S = 86_400.0
END = datetime.combine(LAST + timedelta(days=1), datetime.min.time(), BEIJING).timestamp()
BATCH = 10_000
REGIONS = ("460105", "460106", "460107", "460108", "460200", "460400", "469005", None)
DEPARTMENTS = tuple(f"部门{number}" for number in range(40))
MATTERS = ("路灯坏了", "小区停水", "垃圾没人清运", "占道经营", "半夜施工噪音", "老板拖欠工资",
           "公交改道没有通知", "井盖丢失", "物业不修电梯", "学校门口堵车")  # fmt: skip
STREETS = ("和平大道", "金盘路", "海甸三东路", "解放西路", "南海大道", "龙昆南路")
STATUSES = ("answered", "closed", "closed", "closed")


def rows(count: int, seed: int = 1) -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    """The rows of one ticket after the other, the oldest first."""
    random = Random(seed)
    for number in range(count):
        at = END - (count - number) * DAY_S / A_DAY
        call, ticket = f"c{number}", f"c{number}-t1"
        caller = f"138{random.randrange(count):08}"
        department = random.choice(DEPARTMENTS)
        is_open = number > count - 4 * A_DAY and number % 3
        status = "dispatched" if is_open else random.choice(STATUSES)
        returned, disputed = number % 50 == 7, number % 500 == 7
        if disputed and is_open:
            status = "disputed"
        answered = None if is_open else at + random.uniform(0.2, 4) * DAY_S
        due = at + 2 * DAY_S
        made: list[tuple[Any, dict[str, Any]]] = [
            (CallRow, {"id": call, "caller": caller, "did": "12345", "offered_at": at - 60,
                       "started_at": at - 57, "ended_at": at + 30, "outcome": "ticket",
                       "region": None, "recording": ""}),
            (TicketRow, {
                "id": ticket, "call_id": call, "matter": f"{random.choice(MATTERS)}{number % 97}",
                "place": f"{random.choice(STREETS)}{number % 300}号", "name": "王",
                "number": caller, "region": random.choice(REGIONS),
                "department": department, "created_at": at,
                "updated_at": at, "tail": f"{number % 10_000:04}", "status": status, "version": 4,
                "due_at": due, "awaited_by": due if is_open else None,
                "remind_at": due if is_open else None, "dispatched_at": at + 3600,
                "answered_at": answered, "returns": int(returned),
                "disputed_at": at + DAY_S if disputed else None,
                "main": f"c{number - 1}-t1" if number % 1000 == 999 else None,
            }),
        ]  # fmt: skip
        made += [
            (TurnRow, {"call_id": call, "seq": seq, "side": side, "text": "路灯坏了，没有人修",
                       "start": 1.0 + seq, "end": 2.0 + seq, "final": True})
            for seq, side in enumerate(("caller", "bot"))
        ]  # fmt: skip
        acts = ("create", "dispatch", "return" if returned else "accept", "answer")
        made += [
            (TicketStepRow, {"ticket": ticket, "version": version, "at": at + version * 3600,
                             "act": act, "before": "", "after": status, "who": "王座席",
                             "role": "agent", "why": "", "department": department, "details": {}})
            for version, act in enumerate(acts, 1)
        ]  # fmt: skip
        yield made


def fill(engine: Engine, count: int) -> None:
    waiting: dict[Any, list[dict[str, Any]]] = {}
    with (
        Session(engine) as session,
        Progress(console=Console(stderr=True), transient=True) as bars,
    ):
        task = bars.add_task("filling", total=count)
        for number, made in enumerate(rows(count), 1):
            for table, values in made:
                waiting.setdefault(table, []).append(values)
            if number % BATCH == 0 or number == count:
                for table, batch in waiting.items():
                    session.execute(insert(table), batch)
                session.commit()
                waiting.clear()
                bars.update(task, completed=number)
        if engine.dialect.name == "postgresql":
            session.execute(text("ANALYZE"))
            session.commit()


def queries(count: int, random: Random) -> dict[str, Callable[[Session], object]]:
    """What the console, the calls and the service's own work ask; each with new arguments."""

    def ticket() -> str:
        return f"c{random.randrange(count)}-t1"

    def day() -> Period:
        first = LAST - timedelta(days=random.randrange(min(30, max(1, count // A_DAY))))
        return Period(first, first)

    def listed(**filters: Any) -> Callable[[Session], object]:
        return lambda session: search(
            session, Query(**{n: v() if callable(v) else v for n, v in filters.items()})
        )

    def following(session: Session) -> object:
        page = search(session, Query())
        return search(session, Query(), after=page.next)

    def progressing(session: Session) -> object:
        row = session.get_one(TicketRow, ticket())
        return progress(session, "", row.number)

    now = END + 3600.0
    return {
        "newest": listed(),
        "second_page": following,
        "by_status": listed(status=lambda: random.choice(("dispatched", "answered", "disputed"))),
        "by_status_rare": listed(status="withdrawn"),
        "by_department": listed(department=lambda: random.choice(DEPARTMENTS)),
        "by_region": listed(region=lambda: random.choice(REGIONS[:-1])),
        "by_status_department_region": listed(
            status="dispatched",
            department=lambda: random.choice(DEPARTMENTS),
            region=lambda: random.choice(REGIONS[:-1]),
        ),
        "overdue": listed(overdue_at=now),
        "overdue_of_department": listed(
            overdue_at=now, department=lambda: random.choice(DEPARTMENTS)
        ),
        "disputed": listed(disputed=True),
        "by_phone": listed(number=lambda: f"138{random.randrange(count):08}"),
        "by_words": listed(text=lambda: random.choice(MATTERS)),
        "by_words_absent": listed(text="外星人"),
        "of_days": listed(since=lambda: END - random.uniform(2, 30) * DAY_S, until=END),
        "one_with_history": lambda session: detail(session, ticket()),
        "duplicates": lambda session: duplicates(session, ticket()),
        "progress_by_phone": progressing,
        "progress_by_tail": lambda session: progress(
            session, f"{random.randrange(10_000):04}", f"{random.randrange(10_000):04}"
        ),
        "disputes_of_a_month": lambda session: disputes(session, END - 30 * DAY_S, END),
        "figures_of_a_day": lambda session: report(session, day(), "department", now, {}),
        "evaluations_to_ask": lambda session: evaluations.to_ask(session, now, END - 30 * DAY_S),
        "reminders_due": lambda session: session.scalar(
            select(func.count()).where(TicketRow.remind_at <= now)
        ),
        "reminders_written": lambda session: remind(session, now, 100),
    }


def percentile(times: Sequence[float], percent: int) -> float:
    """By nearest rank."""
    return sorted(times)[max(0, -(-len(times) * percent // 100) - 1)]


def measure(url: str, count: int, passes: int) -> dict[str, Any]:
    migrate(url)
    engine = open_engine(url, writes=True, patience_s=60.0)
    begun = time.perf_counter()
    fill(engine, count)
    found: dict[str, Any] = {"tickets": count, "store": engine.dialect.name}
    found["filled_s"] = round(time.perf_counter() - begun, 1)
    ms: dict[str, dict[str, float]] = {}
    for name, ask in queries(count, Random(2)).items():
        times = []
        for _ in range(passes):
            with Session(engine) as session:
                begun = time.perf_counter()
                ask(session)
                times.append((time.perf_counter() - begun) * 1000)
                session.rollback()
        ms[name] = {
            "p50": round(statistics.median(times), 1),
            "p95": round(percentile(times, 95), 1),
        }
    engine.dispose()
    found["ms"] = ms
    asked = [name for name in ms if name != "reminders_written"]
    worst = max(asked, key=lambda name: ms[name]["p95"])
    found["worst"] = {"query": worst, **ms[worst]}
    found["met"] = ms[worst]["p95"] <= GOAL_MS
    return found


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """A PostgreSQL of its own, with an empty database; `durable`: with fsync, unlike in tests."""
    from tests.voicebot.postgres import Postgres, programs

    found = programs()
    if found is None:
        raise SystemExit("There is no PostgreSQL here: apt-get install postgresql")
    made = Postgres(found)
    try:
        made.initialise()
        made.start(durable=durable)
        yield made.url(made.create())
    finally:
        made.remove()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=1_000_000)
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--url", default="")
    options = parser.parse_args(arguments)
    if options.postgresql:
        with server() as url:
            print(json.dumps(measure(url, options.tickets, options.passes), ensure_ascii=False))
        return
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'tickets.db'}"
        print(json.dumps(measure(url, options.tickets, options.passes), ensure_ascii=False))


if __name__ == "__main__":
    main()
