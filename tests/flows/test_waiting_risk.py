"""Whose life is most at risk: by what was said, explained, never less while the caller waits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.phonetics import to_syllables
from flows.waiting_risk import AGEING_S, Risk, RiskError, load_signs, risk


def of(*said: str, reason: str = "danger", flags: tuple[str, ...] = ()) -> Risk:
    return risk(reason, flags, [(text, ()) for text in said])


def test_the_order_is_by_danger_to_life() -> None:
    order = [
        of("他没有呼吸了"),
        of("楼里着火了，里面还有人"),
        of("他拿着刀要砍人"),
        of("我们被困在屋顶"),
        of("有人打我"),
        of("我摔伤了，流血"),
        of("山体滑坡，路断了"),
        of("快来人"),
        of("手机被偷了", reason="police_matter"),
    ]
    assert all(more.score > less.score for more, less in pairwise(order))


@pytest.mark.parametrize(
    "text",
    [
        "火很大人跑不出来", "喊不醒了", "水已经到屋顶了", "孩子噎住了脸都紫了",
        "有人从楼上掉下来了", "有个小孩掉井里了", "老人摔倒了头上都是血", "我老公要打死我",
    ],
)  # fmt: skip
def test_plain_danger_to_life_goes_before_a_landslide_without_people(text: str) -> None:
    assert of(text).score > of("山体滑坡，路断了").score


def test_what_the_text_has_wrong_is_heard_by_its_sound() -> None:
    heard = risk("danger", (), [("他煤呼吸了", tuple(to_syllables("他没呼吸了")))])
    assert heard.score >= 10
    denied = risk("danger", (), [("没有人受伤", tuple(to_syllables("没有人受伤")))])
    assert denied.score == 3.0


def test_it_is_explained_by_the_words() -> None:
    assert of("房子塌了", "我妈被埋在里面").reasons == ("被埋、溺水、困在火里（被埋）",)
    assert of("喂").reasons == ()


def test_a_fire_counts_for_more_with_people_inside() -> None:
    assert of("垃圾桶着火").score == 5.0
    assert of("着火了，孩子在楼上").score == 9.0


@pytest.mark.parametrize("text", ["没有人受伤", "没人被困", "不是着火"])
def test_what_is_denied_is_no_sign(text: str) -> None:
    assert of(text).score == 3.0


@pytest.mark.parametrize("text", ["没有呼吸", "他没心跳了", "他不喘气"])
def test_what_is_itself_a_denial_is_one(text: str) -> None:
    assert of(text).score == 10.0


def test_children_several_people_and_a_scream_go_first_within_a_level_only() -> None:
    plain = of("我们被困了")
    more = of("我们被困了，有三个人", flags=("child", "scream", "crying"))
    assert plain.score < more.score < plain.score + 1
    assert more.reasons[1:] == ("有孩子", "尖叫", "哭泣", "不止一个人")


def test_where_only_sounds_were_heard_they_decide() -> None:
    heard = risk("danger", (), [("", to_syllables("他没有呼吸了"))])
    assert heard.score == 10.0
    assert risk("danger", (), [("", to_syllables("他埋了"))]).score == 3.0, "too short a sound"


SAID = st.lists(
    st.sampled_from(["没有呼吸", "着火了", "有人", "打我", "没有人受伤", "喂", ""])
    | st.text(max_size=8),
    max_size=6,
)


@given(SAID, SAID)
def test_more_words_never_lower_the_risk(before: list[str], after: list[str]) -> None:
    assert of(*before, *after).score >= of(*before).score


@given(st.floats(1, 11), st.floats(1, 11), st.floats(0, 1e5))
def test_whoever_waits_is_some_day_before_all_who_come_then(
    mine: float, other: float, waited: float
) -> None:
    late = Risk(mine).urgency((other - mine + 1) * AGEING_S + waited) if other >= mine else 99.0
    assert late > Risk(other).urgency(0.0)


@pytest.mark.parametrize(
    "text",
    [
        "[x",
        "[x]\nname='a'",
        "[x]\nname='a'\nlevel=11\nwords=['a']",
        "[x]\nname='a'\nlevel=1\nwords=[]",
    ],
)
def test_a_wrong_file_of_risks_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "risk.toml"
    file.write_text(text)
    with pytest.raises(RiskError, match=r"risk\.toml"):
        load_signs(file)
