"""PostgreSQL and SQLite give the same figures of the same days."""

from datetime import date
from pathlib import Path

from sqlalchemy.orm import Session

from tests.voicebot.figures_days import Days, at, records
from voicebot.figures.counting import BY, grouped, lowest_connection, total
from voicebot.figures.matters import Matter
from voicebot.figures.report import Period
from voicebot.figures.topic_list import topic_lines
from voicebot.figures.topic_store import keep, rising
from voicebot.figures.topics import Found
from voicebot.records.database import open_engine


def _happened(session: Session) -> None:
    days = Days(session)
    for day in (2, 3):
        for hour in (0, 9, 23):
            # A third of a second before the hour: PostgreSQL's cast would round it up.
            moment = at(day, f"{hour:02}:59:59") + 0.7
            call = days.call(moment, rang=0.2, outcome="human", region="460106")
            days.handoff(call, moment, "seat", (hour + 1.5, "seat", "confirmed"))
            police = days.call(moment, outcome="handed_off", did="12333")
            days.handoff(
                police, moment, "110-460100", (day + hour, "110-460100", "confirmed"),
                returned=30.0 if hour == 9 else None,
            )  # fmt: skip
            days.refused(moment)
            days.diverted(moment, "met", hour + 2.5)
            days.diverted(moment, "gone", 9.0, call_back=hour == 9)
            days.diverted(moment, did="12333")
            back = days.diverted(moment, "returned", 60.0)
            days.call(moment + 60.0, call_id=back, rang=0.5, outcome="ticket")
            ticket = days.ticket(
                call, moment, status="closed", department="市政局", due_at=at(9),
                answered_at=at(8), closed_at=at(8),
            )  # fmt: skip
            days.evaluation(call, 1 + hour % 3, moment, ticket)
    session.flush()
    matters = [Matter(f"m{n}", at(2), "停水了", "460100") for n in range(12)]
    keep(session, [Found(None, tuple(matters), ("停水了",))])
    session.commit()


def _figures(session: Session) -> list[object]:
    since, until, now = at(2), at(4), at(30)
    ordered = [
        sorted(grouped(session, since, until, now, by), key=lambda group: str(group.key))
        for by in BY
    ]
    second = Period(date(2026, 11, 2), date(2026, 11, 2))
    return [
        total(session, since, until, now),
        *ordered,
        lowest_connection(session, since, until, now),
        topic_lines(session, second),
        rising(session, second.first),
    ]


def test_postgresql_counts_as_sqlite_does(postgresql_url: str, tmp_path: Path) -> None:
    with records(tmp_path) as session:
        _happened(session)
        expected = _figures(session)
    engine = open_engine(postgresql_url, writes=True)
    with Session(engine) as session:
        _happened(session)
        found = _figures(session)
    engine.dispose()
    assert found == expected
