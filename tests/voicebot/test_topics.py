"""What many callers mean becomes a topic, counted by day and place, alarmed when it rises."""

import asyncio
import hashlib
import io
import re
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from openpyxl import load_workbook
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from tests.voicebot.figures_days import Days, at
from tests.voicebot.figures_days import records as empty
from voicebot.commands.figures import app
from voicebot.config import load_settings
from voicebot.figures.matters import Matter, city, read_matters
from voicebot.figures.report import Period
from voicebot.figures.tables import TopicMatterRow
from voicebot.figures.topic_list import TopicLine, topic_lines
from voicebot.figures.topic_page import page
from voicebot.figures.topic_store import keep, known_topics, raise_alarms, rising
from voicebot.figures.topic_watch import EVERY_S, TopicWatch
from voicebot.figures.topic_workbook import workbook
from voicebot.figures.topics import Found, Topics
from voicebot.records import operations as write
from voicebot.records.database import open_engine
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow, TicketRow
from voicebot.security import prepare

NOON = at(20, "12:00:00")


def meaning(text: str) -> np.ndarray[Any, Any]:
    """What stands before the stop is the meaning: 停水，我家 is 停水，他家."""
    seed = hashlib.sha256(text.split("，")[0].encode()).digest()[:4]
    row = np.random.default_rng(int.from_bytes(seed, "big")).normal(size=64)
    return row / np.linalg.norm(row)


class Meanings:
    """In place of the sentence encoders."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Any:
        self.encoded += texts
        return np.stack([meaning(text) for text in texts]).astype(np.float32)

    embed_corpus = encode


def matter(call: str, text: str, moment: float = NOON, region: str = "") -> Matter:
    return Matter(call, moment, text, region)


@pytest.fixture
def topics() -> Topics:
    return Topics(Meanings().encode, np.zeros(64, np.float32))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with empty(tmp_path) as opened:
        yield opened


def test_three_calls_of_one_meaning_are_a_topic_and_two_wait_for_a_third(topics: Topics) -> None:
    first = topics.take(
        [matter("a", "停水，我家"), matter("b", "停水，全楼"), matter("c", "路灯坏了")], NOON
    )
    assert first == []
    (found,) = topics.take([matter("d", "停水，小区")], NOON)
    assert {each.call_id for each in found.matters} == {"a", "b", "d"}
    assert found.topic is None
    assert set(found.examples) == {"停水，我家", "停水，全楼", "停水，小区"}


def test_one_caller_who_says_it_three_times_is_no_topic(topics: Topics) -> None:
    assert topics.take([matter("a", f"停水，{n}") for n in range(3)], NOON) == []


def test_who_has_waited_a_day_waits_no_more(topics: Topics) -> None:
    topics.take([matter("a", "停水，我家"), matter("b", "停水，全楼")], NOON)
    tomorrow = NOON + 25 * 3600
    assert topics.take([matter("c", "停水，小区", tomorrow)], tomorrow) == []


def test_later_calls_join_the_topic_by_what_they_mean(session: Session, topics: Topics) -> None:
    keep(session, topics.take([matter(c, f"停水，{c}") for c in "abc"], NOON))
    topics.know(known_topics(session, at(1)))
    found = topics.take([matter("d", "停水，又停了"), matter("e", "路灯坏了")], NOON)
    assert [(each.topic, [m.call_id for m in each.matters]) for each in found] == [(1, ["d"])]


def test_a_call_counts_once_however_often_it_is_kept(session: Session) -> None:
    found = [Found(None, (matter("a", "停水，一"), matter("a", "停水，二")), ("停水，一",))]
    assert keep(session, found) == 1
    assert keep(session, [Found(1, (matter("a", "停水，三"),))]) == 0
    assert session.query(TopicMatterRow).count() == 1


def kept(session: Session, day: int, calls: int, topic: int | None, region: str = "") -> None:
    matters = tuple(
        matter(f"{topic}-{day}-{region}-{n}", "停水，我家", at(day, "10:00:00"), region)
        for n in range(calls)
    )
    keep(session, [Found(topic, matters, ("停水，我家",))])


def test_a_topic_that_rises_is_alarmed_once_a_day_in_its_place_and_in_the_province(
    session: Session,
) -> None:
    kept(session, 1, 2, None, "460100")
    for day in range(2, 20):
        kept(session, day, 2, 1, "460100")
    kept(session, 20, 2, 1, "460100")
    assert rising(session, date(2026, 11, 20)) == []
    kept(session, 20, 30, 1, "460200")
    found = raise_alarms(session, date(2026, 11, 20), NOON)
    assert [(each.region, each.alarm.count) for each in found] == [("", 32), ("460200", 30)]
    assert raise_alarms(session, date(2026, 11, 20), NOON + 900) == []
    (line,) = topic_lines(session, Period(date(2026, 11, 20), date(2026, 11, 20)))
    assert (line.count, line.before) == (32, 2)
    assert line.regions == {"三亚": 30, "海口": 2}
    assert [each["region_name"] for each in line.alarms] == ["全省", "三亚"]


def test_on_the_first_days_of_a_service_everything_is_new_and_nothing_alarmed(
    session: Session,
) -> None:
    kept(session, 18, 3, None)
    kept(session, 20, 500, 1)
    assert rising(session, date(2026, 11, 20)) == []


def test_a_topic_that_begins_with_many_is_alarmed_as_new(session: Session) -> None:
    for day in range(1, 20):
        kept(session, day, 1, 1 if day > 1 else None)
    kept(session, 20, 12, None)
    found = rising(session, date(2026, 11, 20))
    assert [(each.topic, each.alarm.new, each.alarm.count) for each in found] == [(2, True, 12)]


def test_matters_are_masked_and_of_calls_that_are_over(session: Session) -> None:
    days = Days(session)
    over = days.call(NOON, region="460106")
    running = days.call(NOON, outcome=None)
    said = days.ticket(over, NOON)
    days.ticket(over, NOON, status="withdrawn")
    days.ticket(running, NOON)
    session.flush()
    session.get_one(TicketRow, said).matter = "我电话13800138000，路灯坏了"
    session.flush()
    (found,) = read_matters(session, at(20), at(21))
    assert (found.call_id, found.region) == (over, "460100")
    assert "13800138000" not in found.text
    assert "路灯坏了" in found.text


def test_questions_are_matters_too(session: Session) -> None:
    days = Days(session)
    call = days.call(NOON)
    rows = [
        [1, 1.0, "out", "Search", {"turn": 1, "text": "公积金怎么提", "region": "460200"}],
        [2, 1.1, "in", "SearchResult", {"turn": 1, "query": "公积金怎么提", "decision": "none",
            "candidates": [], "final": True}],
        [3, 1.2, "out", "Decide", {"what": "clarify", "why": ""}],
    ]  # fmt: skip
    write.append(session, call_id=call, rows=rows)
    session.flush()
    (found,) = read_matters(session, at(20), at(21))
    assert (found.text, found.region) == ("公积金怎么提", "460200")


def test_districts_belong_to_their_city_and_counties_stand_alone() -> None:
    assert [city(code) for code in ("460106", "460100", "469021", "460000", "", None)] == [
        "460100", "460100", "469021", "", "", "",
    ]  # fmt: skip


async def test_the_service_finds_topics_of_finished_calls_and_embeds_each_once(
    records: Records,
) -> None:
    meanings = Meanings()
    watch = TopicWatch(records, meanings)

    async def call(name: str, moment: float) -> None:
        await records.start_call(name, "13800138000", "12345", moment)
        await records.save_ticket(
            {"id": f"{name}-t", "call_id": name, "matter": f"停水，{name}", "place": "", "name": "",
             "number": "", "region": "460106", "department": None}
        )  # fmt: skip
        await records.finish_call(name, "ticket", moment + 60)

    for name in ("a", "b", "c"):
        await call(name, NOON - 600)
    assert await watch.look(NOON) == []
    await call("d", NOON)
    await watch.look(NOON + 900)
    await watch.look(NOON + 1800)
    period = Period(date(2026, 11, 20), date(2026, 11, 20))
    (line,) = await records.read(topic_lines, period)
    assert (line.count, line.regions) == (4, {"海口": 4})
    assert meanings.encoded.count("停水，d") == 1

    # After a restart the last day's calls are read again, and counted once.
    await TopicWatch(records, Meanings()).look(NOON + 2700)
    (line,) = await records.read(topic_lines, period)
    assert line.count == 4


class FailsOnce(Meanings):
    def encode(self, texts: Sequence[str]) -> Any:
        if not self.encoded:
            self.encoded.append("")
            raise RuntimeError("我家停水了")
        return super().encode(texts)


@pytest.mark.leaping_time
async def test_a_look_that_fails_loses_no_call_and_logs_no_words(
    records: Records,
) -> None:
    now = time.time()
    for name in ("a", "b", "c"):
        await records.start_call(name, "", "12345", now - 600)
        await records.save_ticket({"id": name, "call_id": name, "matter": f"停水，{name}"})
        await records.finish_call(name, "ticket", now - 300)
    with structlog.testing.capture_logs() as said:
        watch = asyncio.create_task(TopicWatch(records, FailsOnce()).run())
        await asyncio.sleep(3 * EVERY_S)
        watch.cancel()
    (topic,) = await records.read(known_topics, now - 3600)
    assert len(topic.examples) == 3
    assert "topics_not_found" in [entry["event"] for entry in said]
    assert "停水" not in str(said)


def test_the_command_shows_topics_and_puts_the_look_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))
    settings = load_settings()
    prepare(settings)
    engine = open_engine(settings.database_url, writes=True)
    with Session(engine) as session, session.begin():
        kept(session, 20, 4, None, "460100")
    shown = CliRunner().invoke(app, ["topics", "--from", "2026-11-20"])
    assert shown.exit_code == 0, shown.output
    assert "停水，我家" in shown.output
    assert "海口 4" in shown.output
    written = CliRunner().invoke(app, ["topics", "--from", "2026-11-20", "--output", str(tmp_path)])
    assert written.exit_code == 0, written.output
    assert (tmp_path / "topics-2026-11-20-2026-11-20.html").exists()
    with Session(engine) as session:
        acts = session.query(AuditRow.action).all()
    engine.dispose()
    assert ("topics.read",) in acts


LINES = [
    TopicLine(
        1, "=停水，<b>我家</b>", ("=停水，<b>我家</b>", "停水，全楼"), 32, 2,
        {"2026-11-20": 32}, {"三亚": 30, "海口": 2},
        ({"day": "2026-11-20", "region_name": "三亚", "count": 30, "expected": 2.1, "new": False},),
    ),
    TopicLine(2, "路灯坏了", ("路灯坏了",), 3, 0, {"2026-11-19": 3}, {"海口": 3}, ()),
]  # fmt: skip
TWO_DAYS = Period(date(2026, 11, 19), date(2026, 11, 20))


def test_the_page_of_topics_stands_alone_and_runs_nothing_that_a_caller_said() -> None:
    text = page(TWO_DAYS, LINES)
    assert "<b>我家" not in text
    assert "2026-11-20 三亚 30（通常 2.1）" in text
    assert text.count("<svg") == 2
    assert not re.search(r"(?:src|href)=.(?!#)|https?://", text)
    assert "没有多人反映的话题" in page(TWO_DAYS, [])


def test_the_workbook_of_topics_has_their_days_and_no_formula() -> None:
    book = load_workbook(io.BytesIO(workbook(TWO_DAYS, LINES)))
    assert book["热点话题"]["A2"].value == "'=停水，<b>我家</b>"
    assert [[cell.value for cell in row] for row in book["每日"].iter_rows(min_row=2)] == [
        ["2026-11-19", 0, 3], ["2026-11-20", 32, 0],
    ]  # fmt: skip
    assert load_workbook(io.BytesIO(workbook(TWO_DAYS, []))).sheetnames == ["热点话题", "每日"]


def test_the_most_frequent_wording_names_a_topic(topics: Topics) -> None:
    said = ["停水，甲", "停水，乙", "停水，乙", "停水，丙"]
    (found,) = topics.take([matter(str(n), text) for n, text in enumerate(said)], NOON)
    assert found.examples[0] == "停水，乙"
