"""Tickets that may be about one matter are proposed, never merged by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from tests.voicebot.ticket_desk import DAY, MONDAY, act, opened
from voicebot.tickets.duplicates import duplicates
from voicebot.tickets.likeness import WITHIN_DAYS, Matter, alike, wording
from voicebot.tickets.states import Act


def matter(ticket: str, text: str, **known: object) -> Matter:
    usual = {"place": "", "number": "", "region": "460106", "created_at": MONDAY}
    return Matter(ticket, text, **(usual | known))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "reasons"),
    [
        # The same caller says it again in other words.
        (
            {"text": "海甸五西路的路灯坏了", "number": "13800138000"},
            {"text": "海甸五西路路灯坏了好几天", "number": "13800138000"},
            "同一来电号码",
        ),
        # Two neighbours about one lamp.
        (
            {"text": "小区门口路灯不亮", "place": "和平大道58号"},
            {"text": "门口的路灯不亮了", "place": "和平大道58号门口"},
            "同一地点",
        ),
        # The recogniser has written the same sounds otherwise.
        (
            {"text": "楼下酒吧太吵", "number": "13800138000"},
            {"text": "楼下九八太炒", "number": "13800138000"},
            "同一来电号码",
        ),
    ],
)
def test_one_matter_told_twice_is_found(
    one: dict[str, str], other: dict[str, str], reasons: str
) -> None:
    first, second = dict(one), dict(other)
    found = alike(
        matter("T1", first.pop("text"), **first), matter("T2", second.pop("text"), **second)
    )
    assert found is not None
    assert reasons in found.reasons


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # One caller, two matters.
        (
            {"text": "公积金怎么提取", "number": "13800138000"},
            {"text": "小区停水两天了", "number": "13800138000"},
        ),
        # One place, two matters.
        (
            {"text": "路灯坏了", "place": "和平大道58号"},
            {"text": "有人占道经营卖烧烤", "place": "和平大道58号"},
        ),
        # The same words in two counties.
        ({"text": "路灯坏了", "region": "460106"}, {"text": "路灯坏了", "region": "460200"}),
        # The same words a season apart.
        (
            {"text": "路灯坏了", "number": "13800138000"},
            {"text": "路灯坏了", "number": "13800138000", "created_at": MONDAY + 90 * DAY},
        ),
        # A short text that lies in a long one.
        (
            {"text": "停水"},
            {"text": "我们小区停水停电还有电梯坏了物业一直不管请帮忙处理一下"},
        ),
    ],
)
def test_two_matters_are_two(one: dict[str, object], other: dict[str, object]) -> None:
    first, second = dict(one), dict(other)
    assert (
        alike(
            matter("T1", str(first.pop("text")), **first),
            matter("T2", str(second.pop("text")), **second),
        )
        is None
    )


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_is_a_share_and_has_no_direction(one: str, other: str) -> None:
    assert 0.0 <= wording(one, other) <= 100.0
    assert wording(one, other) == pytest.approx(wording(other, one))


def test_the_likeliest_of_the_region_and_of_the_caller_come_first(desk: Session) -> None:
    opened(desk, "C1-t1", matter="小区门口的路灯坏了", place="和平大道58号")
    opened(desk, "C2-t1", matter="门口路灯坏了", place="和平大道58号", at=MONDAY + DAY)
    opened(desk, "C3-t1", matter="路灯坏了", number="13900139000", place="和平大道58号")
    opened(desk, "C4-t1", matter="公积金怎么提取", number="13900139000")
    opened(desk, "C5-t1", matter="小区门口的路灯坏了", region="460200", place="")
    opened(desk, "C6-t1", matter="小区门口的路灯坏了", at=MONDAY - (WITHIN_DAYS + 1) * DAY)
    found = [each.ticket for each in duplicates(desk, "C1-t1")]
    assert found == ["C2-t1", "C5-t1", "C3-t1"]


def test_what_is_merged_or_withdrawn_is_proposed_no_more(desk: Session) -> None:
    for ticket in ("C1-t1", "C2-t1", "C3-t1"):
        opened(desk, ticket)
    act(desk, Act.LINK, "C2-t1", main="C1-t1")
    act(desk, Act.WITHDRAW, "C3-t1")
    assert duplicates(desk, "C1-t1") == ()
