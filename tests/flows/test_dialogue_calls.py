"""Whole calls through the real triage and the real embedder, with hypotheses as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from flows.actions import Action, Handoff, OpenTicket, UpdateDossier
from flows.state import Phase
from tests.flows.scenarios.real_call import RealCall, real_world
from tests.flows.scripted_call import every, only, outcome, prompts, sounds

ANSWERS = {
    "公积金怎么提取": ("gjj-001", 0.92),
    "老年人优待证怎么办": ("mz-010", 0.95),
    "我在琼海嘉积菜市场门口": ("zw-004", 0.97),
    "小区门口路灯坏了一个月没人修": ("zj-003", 0.96),
}
INVITING = ("zj-003",)


@pytest.fixture(scope="module")
def world(models_dir: Path) -> Mapping[str, Any]:
    return {**real_world(models_dir), "knowledge": ANSWERS, "inviting": INVITING}


@pytest.fixture
def call(world: Mapping[str, Any]) -> RealCall:
    call = RealCall(**world)
    call.start()
    return call


def to_110(actions: Sequence[Action]) -> bool:
    return any(
        route.kind == "110" for handoff in every(Handoff, actions) for route in handoff.routes
    )


CANDIDATES = (
    "好像漏电了", "老人好像不行了", "家里好大的烟", "隔壁吵得很厉害好像在打架", "我不敢出门",
    "我家煤气忘关了", "我割手了", "闻到一股很浓的味道头晕", "有个老人在路边不知道自己家在哪",
    "前面两个车撞了", "有人敲门我一个人在家", "他说要来找我", "家里好像进来人了", "外面有人喊",
    "我听到外面有动静",
)  # fmt: skip
"""Some of them are in doubt for any version of the model; the tests take those that are."""

HALVES = (
    ("隔壁好像在打架", "子鼓怎么投诉噪音"), ("家里好大的烟", "味是楼下烧烤店的怎么投诉"),
    ("我家煤气忘关了", "户头怎么重新办"), ("就在楼上", "装空调要不要跟物业报备"),
    ("外面有人喊", "着卖东西太吵了怎么投诉"), ("他说要来找我", "签物业合同要带什么材料"),
    ("我听到外面有动静", "很大的施工噪音怎么投诉"),
)  # fmt: skip
"""A first half that is in doubt, and a rest with which it is not."""


def asked(world: Mapping[str, Any], words: str) -> bool:
    call = RealCall(**world)
    call.start()
    return "ask_danger" in prompts(call.hears(words))


@pytest.fixture(scope="module")
def doubts(world: Mapping[str, Any]) -> list[str]:
    found = [words for words in CANDIDATES if asked(world, words)]
    assert len(found) >= 2, "choose candidates that are in doubt for the present model"
    return found


@pytest.fixture
def doubted(call: RealCall, doubts: list[str]) -> RealCall:
    assert "ask_danger" in prompts(call.hears(doubts[0]))
    return call


# ── danger ────────────────────────────────────────────────────────────────────────


def test_a_new_danger_after_a_clear_no_is_never_passed_over(
    doubted: RealCall, doubts: list[str]
) -> None:
    doubted.hears("没有")
    doubted.hears("公积金怎么提取")
    doubted.hears("老年人优待证怎么办")
    actions = doubted.hears(doubts[1])
    assert "ask_danger" in prompts(actions) or to_110(actions)


def test_a_third_doubt_is_for_a_human(doubted: RealCall) -> None:
    named = "老人好像不行了"  # words of danger count where a place was asked for, too
    doubted.hears("没有")
    assert "ask_danger" in prompts(doubted.hears(named))
    doubted.hears("没有没有")
    handed = every(Handoff, doubted.hears(named))
    assert handed
    assert handed[0].reason in ("danger_doubt", "danger")


@pytest.mark.parametrize(
    "reply",
    [
        "没有我就是想登记一下", "我没有危险", "没有危险路灯坏了", "没有都正常", "没没有",
        "没有啊怎么了", "没有公积金怎么提取", "没有没有就是问一下",
    ],
)  # fmt: skip
def test_an_honest_no_does_not_end_at_110(doubted: RealCall, reply: str) -> None:
    assert not to_110(doubted.hears(reply))
    assert doubted.state.phase is not Phase.CONFIRMING_DANGER


@pytest.mark.parametrize(
    "reply", ["没有但是有人受伤", "没有他拿着刀", "没有我家着火了", "没有呼吸了", "有", "嗯"]
)
def test_anything_else_does(doubted: RealCall, reply: str) -> None:
    assert to_110(doubted.hears(reply))


def test_a_sentence_that_goes_on_over_the_question_is_judged_whole(
    world: Mapping[str, Any],
) -> None:
    tried = 0
    for first, rest in HALVES:
        if not asked(world, first) or asked(world, first + rest):
            continue
        tried += 1
        call = RealCall(**world)
        call.start()
        call.hears(first, to_the_end=False)
        call.being_heard()
        assert not to_110(call.hears(rest))
        assert call.state.phase is not Phase.CONFIRMING_DANGER
    assert tried, "choose halves that are in doubt for the present model"


def test_hanging_up_on_a_doubt_leaves_a_police_order(call: RealCall, doubts: list[str]) -> None:
    call.begins()
    call.listener(doubts[0])
    call.partial(doubts[0])
    assert call.state.doubt
    actions = call.hangs_up()
    assert to_110(actions)
    assert only(UpdateDossier, actions).note == "中断"


# ── openings, small talk, tickets ─────────────────────────────────────────────────


@pytest.mark.parametrize(
    "opening", ["我想反映一个情况", "你好我要投诉", "我有个事情想问一下", "喂你好我想咨询一个问题"]
)
def test_an_opening_is_met_with_please_go_on(call: RealCall, opening: str) -> None:
    actions = call.hears(opening)
    assert prompts(actions) == ["go_on"]
    assert prompts(call.hears("公积金怎么提取")) == ["entry:gjj-001"]


def test_who_only_says_where_he_is_is_asked_what_it_is_about(call: RealCall) -> None:
    assert prompts(call.hears("我在琼海嘉积菜市场门口")) == ["ticket_matter"]
    assert prompts(call.hears("公积金怎么提取")) == ["entry:gjj-001"]


def test_who_says_where_he_is_and_falls_silent_gets_a_human(call: RealCall) -> None:
    call.hears("我在琼海嘉积菜市场门口")
    done: list[str] = []
    for _ in range(4):
        call.hear_out()
        done += [h.reason for h in every(Handoff, call.is_silent())]
    assert done == ["silent_caller"]


def test_a_place_said_again_is_searched(call: RealCall) -> None:
    call.hears("我在琼海嘉积菜市场门口")
    assert prompts(call.hears("我在琼海嘉积菜市场门口")) == ["entry:zw-004"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("再说一遍", "entry:gjj-001"), ("没听清", "entry:gjj-001"), ("我听不懂", "entry:gjj-001"),
        ("有的", "go_on"), ("还有一个问题", "go_on"), ("好的好的", "anything_else"),
        ("好的我知道了非常感谢", "goodbye"), ("再见", "goodbye"),
    ],
)  # fmt: skip
def test_after_an_answer_small_talk_is_no_question(call: RealCall, words: str, said: str) -> None:
    call.hears("公积金怎么提取")
    assert prompts(call.hears(words)) == [said]


def test_a_matter_without_an_answer_becomes_a_ticket(call: RealCall) -> None:
    call.hears("我们这边公园里的直饮水机坏了三个月一直没有人修")
    call.hears("在海口市人民公园东门旁边")
    call.hears("我姓陈")
    actions = call.hears("对的就是这个号码")
    ticket = only(OpenTicket, actions)
    assert (ticket.number, ticket.name) == ("13800138000", "陈")
    assert "公园" in ticket.place
    assert prompts(actions) == ["ticket_done"]
    assert outcome(call.hangs_up()) == "ticket"


def test_a_ticket_is_acknowledged_corrected_and_completed(call: RealCall) -> None:
    call.hears("乡下的祖坟迁移补偿找谁要")
    assert prompts(call.hears("好的")) == ["ticket_where"]
    assert prompts(call.hears("美兰区人民大道")) == ["ticket_name"]
    assert prompts(call.hears("等一下地址说错了是和平大道")) == ["ticket_name"]
    call.hears("我姓李")
    ticket = only(OpenTicket, call.hears("对"))
    assert (ticket.place, ticket.name) == ("和平大道", "李")


def test_a_ticket_is_refused(call: RealCall) -> None:
    call.hears("乡下的祖坟迁移补偿找谁要")
    actions = call.hears("不用登记了")
    assert only(OpenTicket, actions).withdrawn
    assert prompts(actions) == ["ticket_withdrawn"]
    assert prompts(call.hears("没有了再见")) == ["goodbye"]
    assert call.state.outcome != "ticket"


def test_a_question_in_a_ticket_is_answered(call: RealCall) -> None:
    call.hears("乡下的祖坟迁移补偿找谁要")
    assert prompts(call.hears("公积金怎么提取")) == ["entry:gjj-001", "ticket_where"]


def test_the_details_an_answer_invited_become_its_ticket(call: RealCall) -> None:
    assert prompts(call.hears("小区门口路灯坏了一个月没人修")) == ["entry:zj-003"]
    ticket = every(OpenTicket, call.hears("海口龙华区金龙路十二号"))[0]
    assert (ticket.matter, ticket.place) == (
        "小区门口路灯坏了一个月没人修",
        "海口龙华区金龙路十二号",
    )


def test_syllables_are_made_as_the_listener_makes_them() -> None:
    assert sounds("没有") == ("mei2", "you3")
