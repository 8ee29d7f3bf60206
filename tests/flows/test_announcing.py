"""Who is taken for a unit that is handling a work order, and is told to part the people (R7)."""

from __future__ import annotations

import pytest

from flows.actions import Handoff
from flows.announcing import WORK_ORDER
from tests.flows.scripted_call import Call, only, prompts

PLAIN = ("connecting_110", "connecting_110_119")


@pytest.mark.parametrize(
    "words",
    [
        "我是街道办的，我们在现场处理12345派单，他拿刀要砍人",
        "这里是城西派出所，我们处理工单的时候他拿刀出来了",
        "我们是龙华区城管局执法队的，正在办一个工单，他拿刀",
        "我是市住房和城乡建设局的工作人员，12345转来的工单，现场他拿刀",
        "我们这边是社区居委会，派单这里他拿刀了",
        "我是物业公司的在处理工单他拿刀",
    ],
)
def test_who_says_which_unit_they_are_and_which_order_they_handle_is_one(
    call: Call, words: str
) -> None:
    assert WORK_ORDER in only(Handoff, call.says(words)).flags
    assert prompts(call.written()) == ["connecting_unit"]


@pytest.mark.parametrize(
    "words",
    [
        "我反映的工单没人办，现在他拿刀砍我",
        "我的工单什么时候办好，我这里着火了",
        "我是想问我的工单什么时候办，他拿刀来了",
        "我是说工单没人办，他拿刀砍我",
        "我是社区的业主，工单没人管，他拿刀砍我",
        "我是投诉物业的，工单没有用，他拿刀砍我",
        "我是和物业的人吵起来的，12345派单没有用，他拿刀砍我",
        "我是被城管的人打的，工单没人理，他拿刀",
        "我是住在派出所旁边的，我的工单没人办，他拿刀砍我",
        "我是市民，街道办不处理我的工单，他拿刀砍我",
        "街道办处理工单，他拿刀砍我",
        "我是街道办的，他拿刀砍我",
    ],
)
def test_who_speaks_of_their_own_order_is_not_told_to_part_anybody(call: Call, words: str) -> None:
    assert WORK_ORDER not in only(Handoff, call.says(words)).flags
    assert prompts(call.written())[0] in PLAIN


def test_who_one_is_and_the_order_are_said_in_one_breath(call: Call) -> None:
    call.asks("我是街道办的", ("a-1", 0.9))
    call.hear_out()
    call.asks("我家的工单怎么查", ("a-2", 0.9))
    call.hear_out()
    assert WORK_ORDER not in only(Handoff, call.says("现在他拿刀砍我")).flags
