"""Short replies as people give them: clear noes, choices, names, numbers, farewells."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import answers, denial, numbers, small_talk
from tests.flows.scripted_call import sounds


@pytest.mark.parametrize(
    "text",
    [
        "没有", "没有。", "没有没有", "没有没有没有", "没有没有，就是问一下", "没有啊，没事",
        "没得", "没有啦", "不是不是", "没有人有危险", "没人有危险", "没有危险谢谢",
        "没什么危险的", "现在没有", "暂时没有危险", "我这边没有人有危险", "没有人受伤",
        "没有问题", "没有情况", "嗯没有", "哎呀没有", "没事", "没事了", "没事没事，你放心",
        "大家都没事", "都安全", "没有，不用报警", "冇啊", "不会不会",
        "没有没有我就是想问一下公积金怎么提取", "不是，我想咨询社保", "没有，我要投诉",
        "没有的没有的", "没事我打电话问一下社保", "没有没有，我们就是打电话来反映一下噪音",
        "没有，我就是想登记一下", "没有我就是想登记一下", "我没有危险", "没有危险，路灯坏了",
        "没有危险路灯坏了", "没有，都正常", "没，没有", "没没有", "没有啊怎么了",
        "没有，公积金怎么提取", "没有公积金怎么提取", "我没事", "我很安全", "不危险",
        "没有谁有危险", "没有，我要转人工", "没有，你继续说", "没有别误会", "一切正常",
    ],
)  # fmt: skip
def test_natural_noes_are_clear(text: str) -> None:
    assert denial.clear_no(text)


@pytest.mark.parametrize(
    "text",
    [
        "有", "有啊", "有没有", "嗯", "好", "好的", "是", "不", "没", "没了", "人没了", "没人了",
        "没气了", "没有吧", "没有呼吸", "没有人救他", "没有人来", "没有人在家", "没有人管",
        "没有人质", "不好了", "不是没有", "没有不危险", "不知道", "不清楚", "不确定", "可能没有",
        "不用了", "不行了", "没事才怪", "没有，但是他拿着刀", "没有，他要杀我", "没有，快来",
        "没有，我爸晕了", "不是，他跑了", "", "没有，我就想问问他打人怎么办",
        "没有我就问一下他不让我走怎么办", "没有" * 50, "no", "。",
        "没有，但是有人受伤", "没有路灯坏了但是有人受伤", "没有火", "没有呼吸了", "没有力气了",
        "没有人接电话怎么办", "没有人开门怎么办", "没有气怎么办", "没有办法", "没有他在打我",
        "没有，孩子叫不醒", "应该没有", "没有反应了",
    ],
)  # fmt: skip
def test_anything_else_is_not(text: str) -> None:
    assert not denial.clear_no(text)


@pytest.mark.parametrize("text", ["没有", "没有啊", "没有没有", "没有危险", "不是", "没事"])
def test_a_no_is_understood_by_its_sound_alone(text: str) -> None:
    assert denial.clear_no("", sounds(text))


@pytest.mark.parametrize("text", ["没有人救他", "没有刀", "有", "", "没有他在打我", "美", "救命"])
def test_a_longer_reply_that_begins_like_a_no_is_none_by_its_sound(text: str) -> None:
    assert not denial.clear_no("", sounds(text))


def test_a_text_that_lacks_most_of_the_sounds_is_not_trusted() -> None:
    assert denial.clear_no("没有", sounds("没有啊没有"))
    assert not denial.clear_no("没有", sounds("没有他把门锁起来不让我出去"))


def test_another_reading_may_raise_the_doubt() -> None:
    assert denial.doubtful(("没油", "没有刀"))
    assert not denial.doubtful(("没有了", "没有没有", "美有"))


@given(st.text("没有危险人但他刀了啊是不事", max_size=14))
def test_words_of_danger_after_a_no_take_it_back(rest: str) -> None:
    assert not denial.clear_no(f"没有但是{rest}救命")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("第一个", 0), ("前面那个", 0), ("前者", 0), ("一", 0), ("是的", 0), ("第二个", 1),
        ("后面的", 1), ("二", 1), ("不是第一个是第二个", 1), ("第一个不是，第二个", None),
        ("不是第二个是第一个", 0), ("都不是", -1), ("没有", -1), ("不是第一个也不是第二个", -1),
        ("第一个和第二个", None), ("公积金", None), ("我要问的是居住证到期以后怎么续签", None),
        ("", None),
    ],
)  # fmt: skip
def test_which_of_two_is_meant(text: str, chosen: int | None) -> None:
    assert answers.choice(text) == chosen


@pytest.mark.parametrize("text", ["对", "对的", "是的", "没错", "嗯", "可以", "没问题", "好的"])
def test_yes(text: str) -> None:
    assert answers.yes(text)
    assert not answers.no(text)


@pytest.mark.parametrize(
    "text", ["不对", "不是", "错了", "换一个", "对不起不是", "没有", "不是这个"]
)
def test_no(text: str) -> None:
    assert answers.no(text)
    assert not answers.yes(text)


@pytest.mark.parametrize("text", ["", "什么", "你再说一遍", "公积金"])
def test_neither_yes_nor_no(text: str) -> None:
    assert not answers.yes(text)
    assert not answers.no(text)


@pytest.mark.parametrize(
    "text",
    ["没有了谢谢", "没有了", "没有", "好的谢谢", "不用了，再见", "嗯没事了", "打错了", "就这样吧"],
)
def test_the_caller_is_done(text: str) -> None:
    assert small_talk.finished(text)


@pytest.mark.parametrize(
    "text", ["没有收到补贴", "谢谢那社保呢", "好的", "嗯", "", "没有水", "我知道了但是怎么办"]
)
def test_the_caller_is_not_done(text: str) -> None:
    assert not small_talk.finished(text)


@pytest.mark.parametrize("text", ["嗯", "嗯嗯", "哦", "好的", "对", "", "嗯。"])
def test_noises_of_a_listener(text: str) -> None:
    assert small_talk.backchannel(text)
    assert small_talk.backchannel(text, sounds(text))


@pytest.mark.parametrize("text", ["等一下", "不是", "公积金", "救命", "好的那个社保"])
def test_words_are_no_noise(text: str) -> None:
    assert not small_talk.backchannel(text)
    assert not small_talk.backchannel("嗯", sounds(text))
    assert not small_talk.backchannel("", sounds(text))


@pytest.mark.parametrize("text", ["喂", "喂喂喂", "你好", "喂，你好，请问一下", "是12345吗"])
def test_a_greeting_asks_for_nothing_yet(text: str) -> None:
    assert small_talk.contentless(text)


def test_a_question_is_no_greeting() -> None:
    assert not small_talk.contentless("你好社保怎么办")
    assert not small_talk.contentless("")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我姓王", "王"), ("免贵姓李", "李"), ("我叫王小明", "王小明"), ("王小明", "王小明"),
        ("我是李女士", "李女士"), ("姓名是张三", "张三"), ("我姓王叫王五", "王五"),
        ("我不方便说", "匿名"), ("匿名", "匿名"), ("叫我老王", "老王"), ("陈先生", "陈先生"),
        ("文昌市文城镇", ""), ("刚刚开始排的", ""), ("什么时候回复", ""), ("楼先生", "楼先生"),
    ],
)  # fmt: skip
def test_names(text: str, name: str) -> None:
    assert answers.name(text) == name


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("幺三八零零", "13800"),
        ("１３８", "138"),
        ("是一三八 两个", "138"),
        ("没有", ""),
        ("²٣", "2"),
    ],
)
def test_spoken_digits(text: str, digits: str) -> None:
    assert numbers.number(text) == digits


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800138000", "13800138000"), ("+8613800138000", "13800138000"),
        ("008613800138000", "13800138000"), ("0898-65301234", "089865301234"),
        ("65301234", "65301234"), ("4008123456", "4008123456"), ("138", ""), ("110", ""),
        ("anonymous", ""), ("", ""), ("1" * 40, ""),
    ],
)  # fmt: skip
def test_numbers_that_can_be_called(text: str, number: str) -> None:
    assert numbers.dialable(text) == number


@given(st.text(), st.lists(st.text()).map(tuple))
def test_no_reply_breaks_anything(text: str, syllables: tuple[str, ...]) -> None:
    denial.clear_no(text)
    answers.choice(text)
    answers.yes(text)
    answers.no(text)
    small_talk.finished(text)
    small_talk.contentless(text)
    small_talk.backchannel(text, syllables)
    assert len(answers.name(text)) <= 20
    assert set(numbers.number(text)) <= set("0123456789")
    assert set(numbers.spoken(text)) <= set("零幺二三四五六七八九")


@pytest.mark.parametrize(
    "text",
    [
        "在海口市人民公园东门旁边", "海口美兰区灵山镇", "喂，你好，我在海口国贸这边", "我在三亚湾",
        "我们在那大镇上", "我在龙华区政务中心",
    ],
)  # fmt: skip
def test_where_somebody_is_tells_nothing_of_what_is_wanted(text: str) -> None:
    assert answers.where_only(text)


@pytest.mark.parametrize(
    "text",
    [
        "市政务服务中心", "我在海口交社保", "我在龙华区办社保卡", "海口市政务服务中心在哪里",
        "我在三亚路灯坏了", "海口的公积金", "居住证", "异地就医备案", "违章停车", "小区门口垃圾",
        "我在海口的房子漏水", "三亚市人民医院", "那个人在门口", "他在楼下", "有人在路边", "",
        "我在海口医保断缴", "在海口落户", "我在工地欠薪", "在国贸路打架", "在龙昆路车祸",
        "我在路边流血", "我在学校食堂中毒", "我在酒店割腕", "噪音扰民海甸岛", "垃圾堆满路边",
    ],
)  # fmt: skip
def test_a_matter_with_a_place_is_more_than_a_place(text: str) -> None:
    assert not answers.where_only(text)


@pytest.mark.parametrize(
    "text",
    [
        "你好，我在海口市龙华区，想问个事情", "我在三亚湾想咨询一下",
        "喂我在文昌市这边要反映一个情况", "我在万宁市后安镇，有件事想问一下你们",
        "你好我想反映一个问题",
    ],
)  # fmt: skip
def test_who_says_where_he_is_and_that_he_has_a_question_has_only_begun(text: str) -> None:
    assert answers.only_begun(text)


@pytest.mark.parametrize(
    "text",
    [
        "我在海口市龙华区想问社保卡", "我在海口想问一下怎么落户", "我在文昌市要反映路灯坏了",
        "我在龙华区", "海口市想问个事情有人打架", "我在楼下有人问一下", "",
    ],
)  # fmt: skip
def test_who_names_a_matter_has_done_more_than_begin(text: str) -> None:
    assert not answers.only_begun(text)


@pytest.mark.parametrize(
    "unit", ["喂", "没有了", "没有人没事", "谢谢啊", "好的", "的", "我就是", "没"]
)
@pytest.mark.parametrize("repeated", [8, 13, 40, 5000])
def test_a_recogniser_that_repeats_itself_costs_no_time(unit: str, repeated: int) -> None:
    """Whisper loops on noise; a reply of any length is read in a moment."""
    judges: tuple[Callable[[str], object], ...] = (
        denial.clear_no,
        small_talk.finished,
        small_talk.contentless,
        answers.choice,
        answers.yes,
        answers.no,
        answers.name,
        answers.where_only,
        answers.only_begun,
    )
    began = time.process_time()
    for judge in judges:
        judge(unit * repeated + "x")
    assert time.process_time() - began < 0.2
