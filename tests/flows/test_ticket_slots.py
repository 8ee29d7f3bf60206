"""A wish for confidentiality: which words are one, and what is left of a turn without them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.matter_time import happened
from flows.ticket_slots import confidential, spoken, without


@pytest.mark.parametrize(
    "said",
    [
        "不要透露我的姓名",
        "别告诉物业是我投诉的",
        "请替我保密",
        "能不能给我保密",
        "我要匿名举报",
        "希望不要让老板知道是我举报的",
        "我不想让邻居知道是我说的",
        "不能把我的电话告诉村里",
        "不要把我的信息泄露给对方",
        "我姓王，不要公开我的姓名",
        "匿名",
    ],
)
def test_a_wish_for_confidentiality(said: str) -> None:
    assert confidential(said) is True


@pytest.mark.parametrize("said", ["不用保密了", "不需要匿名", "我实名举报", "公开也没关系"])
def test_a_wish_that_is_taken_back(said: str) -> None:
    assert confidential(said) is False


@pytest.mark.parametrize(
    "said",
    [
        "别人把我的电话泄露了",
        "公司泄露我的信息",
        "签了保密协议",
        "他们没有给我保密",
        "医院不给我保密",
        "不要告诉我没办法",
        "有人泄露个人信息怎么举报",
        "路灯坏了",
        "",
    ],
)
def test_what_is_no_wish(said: str) -> None:
    assert confidential(said) is None


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ("在海甸五东路，不要透露我的名字", "在海甸五东路"),
        ("我姓王，不要公开我的姓名", "我姓王"),
        ("请替我保密", ""),
        ("昨天晚上的事，在海甸五东路", "在海甸五东路"),
        ("是昨天晚上开始的", ""),
        ("在海甸五东路", "在海甸五东路"),
    ],
)
def test_the_rest_of_a_turn_is_a_reply_to_the_question(said: str, rest: str) -> None:
    assert without(said, happened(said, "2026-11-26")) == rest


def test_the_date_alone_is_read_back() -> None:
    assert spoken("2026年11月25日晚上（来电人说：昨天晚上）") == "2026年11月25日晚上"


@given(st.text(max_size=60))
def test_nothing_said_breaks_it(said: str) -> None:
    confidential(said)
    assert len(without(said, happened(said, "2026-11-26"))) <= 4 * len(said)
