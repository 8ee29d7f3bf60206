"""When a matter happened: what callers say, stated with the date of their call."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.matter_time import happened

TODAY = "2026-11-26"
"""A Thursday."""


@pytest.mark.parametrize(
    ("said", "stated"),
    [
        ("昨天晚上八点多开始没水", "2026年11月25日晚上8点"),
        ("从昨晚就没电", "2026年11月25日晚上"),
        ("今早七点半", "2026年11月26日早上7点30分"),
        ("前天下午三点一刻", "2026年11月24日下午3点15分"),
        ("大前天夜里", "2026年11月23日夜里"),
        ("上周三", "2026年11月18日"),
        ("上个星期天下午", "2026年11月22日下午"),
        ("前两周三", "2026年11月11日"),
        ("这周一", "2026年11月23日"),
        ("上个周末", "2026年11月21日至2026年11月22日"),
        ("三天前", "2026年11月23日"),
        ("两周前", "约2026年11月12日"),
        ("半个月前坏的", "约2026年11月11日"),
        ("两个月前", "约2026年9月"),
        ("去年三月", "2025年3月"),
        ("一年半前", "约2025年5月"),
        ("上个月15号", "2026年10月15日"),
        ("上月底", "2026年10月下旬"),
        ("十一月二十日晚上", "2026年11月20日晚上"),
        ("20号晚上停的电", "2026年11月20日晚上"),
        ("28号晚上停的电", "2026年10月28日晚上"),
        ("二零二五年十月", "2025年10月"),
        ("三月五号", "2026年3月5日"),
    ],
)
def test_what_is_said_is_stated_with_its_date(said: str, stated: str) -> None:
    found = happened(said, TODAY)
    assert found is not None
    assert found.stated == stated
    assert found.words in said


@pytest.mark.parametrize(
    "said",
    [
        "路灯坏了三个月",
        "每天晚上都很吵",
        "海甸岛三十号楼",
        "和平大道二十号",
        "我姓时",
        "几天前",
        "这周日",
        "十二月一号要考试",
        "13月5日",
        "2月30号",
        "",
    ],
)
def test_what_is_no_past_day_is_not_guessed(said: str) -> None:
    assert happened(said, TODAY) is None


def test_what_is_denied_does_not_count() -> None:
    found = happened("不是昨天，是前天", TODAY)
    assert found is not None
    assert found.stated == "2026年11月24日"


def test_the_later_said_counts() -> None:
    found = happened("上周三报的，昨天又坏了", TODAY)
    assert found is not None
    assert found.words == "昨天"


def test_a_date_of_the_year_before_is_meant_in_january() -> None:
    found = happened("十二月三号", "2027-01-05")
    assert found is not None
    assert found.stated == "2026年12月3日"


@pytest.mark.parametrize("said", ["十十月", "今年十十二月三号", "昨天十十点"])
def test_a_number_that_is_none_breaks_nothing(said: str) -> None:
    assert happened(said, TODAY) is None


@pytest.mark.parametrize("today", ["", "26.11.2026"])
def test_without_the_calls_date_nothing_is_stated(today: str) -> None:
    assert happened("昨天", today) is None


WORDS = st.lists(
    st.sampled_from(
        ["大前天", "昨", "晚", "上", "个", "周", "三", "星期天", "月", "底", "号", "日",
         "年", "前", "半", "点", "刻", "十", "二", "零", "3", "31", "2026", "今年", "不是", "，",
         "晚上", "几", "两", "天"]
    ),
    max_size=10,
).map("".join)  # fmt: skip


@given(WORDS | st.text(max_size=20), st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_nothing_said_breaks_it_and_no_stated_day_lies_ahead(said: str, today: date) -> None:
    found = happened(said, today.isoformat())
    if found is None:
        return
    for year, month, day in re.findall(r"([0-9]+)年([0-9]+)月([0-9]+)日", found.stated):
        assert date(int(year), int(month), int(day)) <= today
