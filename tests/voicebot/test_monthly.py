"""A month of questions summed up, as a page and as a workbook."""

import io
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from openpyxl import load_workbook

from kb.clusters import Cluster
from tests.kb.conftest import make_entry
from voicebot.asked import Asked, Outcome
from voicebot.clock import BEIJING
from voicebot.gap_list import gap_lines
from voicebot.monthly import NOBODY, Month, Monthly, summed_up
from voicebot.monthly_page import page
from voicebot.monthly_workbook import workbook

NOVEMBER = Month(2026, 11)
ENTRIES = {
    "a-1": make_entry("a-1", "社保卡丢了怎么补办", department="省人社厅"),
    "a-2": make_entry("a-2", "公积金怎么提取", department="省住房公积金局"),
}


def asked(day: int, query: str, outcome: Outcome, entry: str = "", **more: Any) -> Asked:
    at = datetime(2026, 11, day, 23, 30, tzinfo=BEIJING).timestamp()
    return Asked(f"c-{day}-{query}", at, query, outcome, entry=entry, **more)


ASKED = [
    asked(1, "社保卡丢了", Outcome.ANSWERED, "a-1", region="460100"),
    asked(1, "社保卡不见了", Outcome.REJECTED, "a-1", region="460106"),
    asked(30, "公积金提取", Outcome.ANSWERED, "a-2"),
    asked(30, "公积金销户能提多少", Outcome.ABSTAINED, nearest="a-2"),
    asked(15, "<b>月亮</b>上能落户吗", Outcome.ABSTAINED),
    asked(15, "=1+1 车管所", Outcome.CLARIFIED, nearest="a-1"),
]


@pytest.fixture(scope="module")
def report() -> Monthly:
    bad = [each for each in ASKED if each.outcome is not Outcome.ANSWERED]
    gaps = gap_lines(bad, [Cluster((number,)) for number in range(len(bad))])
    before = [replace(ASKED[0], call_id="b-1")]
    return summed_up(NOVEMBER, ASKED, before, ENTRIES, ["a-1", "a-2"], gaps)


@pytest.fixture(scope="module")
def text(report: Monthly) -> str:
    return page(report)


def test_a_month_begins_and_ends_at_midnight_in_hainan() -> None:
    first, last = NOVEMBER.moments
    assert datetime.fromtimestamp(first, BEIJING).isoformat() == "2026-11-01T00:00:00+08:00"
    assert datetime.fromtimestamp(last, BEIJING).isoformat() == "2026-12-01T00:00:00+08:00"
    assert (NOVEMBER.days[0], NOVEMBER.days[-1]) == ("2026-11-01", "2026-11-30")
    assert str(Month.parse("2026-01").previous) == "2025-12"
    assert len(Month.parse("2028-02").days) == 29


def test_questions_are_counted_by_outcome_day_and_region(report: Monthly) -> None:
    assert (report.total, report.calls) == (6, 6)
    assert report.share(Outcome.ABSTAINED) == pytest.approx(2 / 6)
    days = dict(report.by_day)
    assert len(days) == 30
    assert days["2026-11-01"] == {Outcome.ANSWERED: 1, Outcome.REJECTED: 1}
    assert days["2026-11-02"] == {}
    assert dict(report.regions) == {"海口": 2, "未说明": 4}


def test_frequent_entries_are_beside_the_month_before_and_objections(report: Monthly) -> None:
    first = report.frequent[0]
    assert (first.entry, first.department) == ("a-1", "省人社厅")
    assert (first.count, first.before, first.objected) == (2, 1, 1)


def test_a_places_entry_is_told_from_the_others_by_its_place() -> None:
    local = {"a-1": make_entry("a-1", "车管所在哪里", region="460200")}
    found = summed_up(NOVEMBER, ASKED[:1], [], local, [], [])
    assert found.frequent[0].question == "车管所在哪里（三亚）"


def test_a_question_without_an_answer_goes_to_the_department_nearest_to_it(
    report: Monthly,
) -> None:
    named = {each.name: each for each in report.departments}
    assert named["省住房公积金局"].outcomes == {Outcome.ANSWERED: 1, Outcome.ABSTAINED: 1}
    assert named[NOBODY].outcomes == {Outcome.ABSTAINED: 1}
    assert named["省人社厅"].published == 1
    assert {line.question: name for line, name in report.gaps}["公积金销户能提多少"] == (
        "省住房公积金局"
    )


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = ("src", "href", "xlink:href", "data", "action")
        self.found += [v or "" for name, v in attributes if name in names]


def test_the_page_is_one_file_that_fetches_nothing(text: str) -> None:
    links = Links()
    links.feed(text)
    assert [link for link in links.found if not link.startswith("#")] == []
    assert "http" not in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_the_pages_charts_are_drawn_with_chinese_text(text: str) -> None:
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) == 3
    for chart in charts:
        tree = ElementTree.fromstring(chart.replace("xlink:href", "href"))
        words = {element.text for element in tree.iter("text")}
        assert "问题数" in words
        assert words & {"已答复", "没有异议"}
    assert "省住房公积金局" in charts[2]


def test_what_callers_said_is_no_markup_and_no_formula(report: Monthly, text: str) -> None:
    assert "<b>月亮" not in text
    assert "&lt;b&gt;月亮" in text
    sheet = load_workbook(io.BytesIO(workbook(report)))["未答好的问题"]
    assert [cell.value for cell in sheet["A"] if "车管所" in str(cell.value)] == ["'=1+1 车管所"]


def test_the_workbook_has_the_same_figures_and_charts(report: Monthly) -> None:
    book = load_workbook(io.BytesIO(workbook(report)))
    assert book.sheetnames == ["概况", "每日", "高频问题", "部门", "未答好的问题"]
    totals = {row[0]: row[1] for row in book["概况"].iter_rows(values_only=True)}
    assert (totals["问题"], totals["未能答复"]) == (6, 2)
    assert book["每日"].max_row == 31
    assert [row[:2] for row in book["高频问题"].iter_rows(min_row=2, values_only=True)] == [
        ("社保卡丢了怎么补办", 2),
        ("公积金怎么提取", 1),
    ]
    assert [len(book[name]._charts) for name in ("每日", "高频问题", "部门")] == [1, 1, 1]


def test_a_month_without_questions_is_said_so() -> None:
    empty = summed_up(NOVEMBER, [], [], {}, [], [])
    assert "没有来电人提问的记录" in page(empty)
    assert load_workbook(io.BytesIO(workbook(empty)))["高频问题"].max_row == 1
    assert empty.share(Outcome.ANSWERED) == 0
