"""Spoken numbers are written as a reader expects them, and every one keeps its place."""

from __future__ import annotations

import csv
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asr.normalisation import Rewrite, Written, written
from asr.normalisation.numerals import figures, value

HALVES = {
    half: Path(__file__).with_name(f"normalisation_{half}.tsv")
    for half in ("development", "held_out")
}
CHARACTERS_A_SECOND = 10_000

NUMERALS = "零〇幺一二三四五六七八九两十百千万亿"
AROUND = "点分之月号日年块毛米个次第周初几来多半岁楼路琼ABDGX叉1230,，. 第直下会"


def _lines(half: str) -> list[tuple[str, list[str]]]:
    with HALVES[half].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(row["spoken"], row["written"].split("|")) for row in rows]


def text(spoken: str) -> str:
    return written(spoken).text


@pytest.mark.parametrize("half", HALVES)
def test_what_callers_say_is_written_as_a_reader_expects(half: str) -> None:
    lines = _lines(half)
    wrong = [(said, text(said)) for said, readings in lines if text(said) not in readings]
    assert len(wrong) <= 0.02 * len(lines), wrong


@pytest.mark.parametrize(
    ("spoken", "shown"),
    [
        ("一三八零零一三八零零零", "13800138000"),
        ("幺三八零零幺三八零零零", "13800138000"),
        ("138零零一三八000", "13800138000"),
        ("零零七", "007"),
        ("一三八零零一三八零零零三个人", "13800138000三个人"),
        ("我打一一零三个人都没来", "我打110三个人都没来"),
        ("九五五九八一直占线", "95598一直占线"),
        ("四六零一零零一九九零零一零一一二三叉", "46010019900101123X"),
        ("四六零一零零一九九零零一零一一二三X", "46010019900101123X"),
        ("琼A一二三四五一辆车", "琼A12345一辆车"),
        ("琼AD一二三四五", "琼AD12345"),
        ("D七三二一次", "D7321次"),
        ("五G信号", "5G信号"),
        ("尾号三六", "尾号36"),
    ],
)
def test_digits_read_one_by_one_are_kept_exact(spoken: str, shown: str) -> None:
    assert text(spoken) == shown


@pytest.mark.parametrize(
    ("spoken", "shown"),
    [
        ("三万五", "35000"),
        ("三十五万", "35万"),
        ("三亿五千万", "3.5亿"),
        ("一万五百", "10500"),
        ("一百零二", "102"),
        ("一百二", "120"),
        ("两千零六块五", "2006块5"),
        ("三块八毛五分", "3块8毛5分"),
        ("一块八一平方", "1块8一平方"),
        ("二十块三斤", "20块3斤"),
        ("三千五百一个月", "3500一个月"),
        ("三十一个月", "31个月"),
        ("每户三千一定要给", "每户3000一定要给"),
        ("一点五个亿", "1.5个亿"),
        ("百分之零点五", "0.5%"),
        ("千分之三", "3‰"),
        ("四分之三", "3/4"),
        ("下午三点零五分", "下午3点05分"),
        ("十点零五报的警", "10点05报的警"),
        ("三点零五平方", "3.05平方"),
        ("八点到一点", "8点到1点"),
        ("零点十分", "0点10分"),
        ("十一月十一号", "11月11号"),
        ("一六年", "16年"),
        ("一米七五", "1米75"),
        ("八月十五来的", "8月15来的"),
    ],
)
def test_numbers_with_a_value(spoken: str, shown: str) -> None:
    assert text(spoken) == shown


@pytest.mark.parametrize(
    "spoken",
    [
        "三四个", "一两百", "十几个", "几十万", "好几千", "上百人", "一百来个", "百分之十几",
        "二零一几年", "三四年", "五一", "三三两两", "一二三", "快一点", "有两点意见", "三月三放假",
        "初一到十五", "腊月二十三", "星期三", "双十一", "十万火急", "十月田镇", "二百五",
        "七七八八", "万一", "三级医院", "十一放假", "一一得一", "5千零三十", "3万五千", "10一个",
        "12345三次", "APP一直打不开", "",
    ],
)  # fmt: skip
def test_what_is_approximate_fixed_or_unclear_stays(spoken: str) -> None:
    assert written(spoken) == Written(spoken)


def test_a_number_is_the_figure_that_the_synthesiser_would_read_so() -> None:
    wetext = pytest.importorskip("wetext")
    spoken = wetext.Normalizer(lang="zh", operator="tn").normalize
    for number in (*range(10, 200), *range(1000, 10_000, 371), 10_300, 35_000, 156_800, 1_200_000):
        said = spoken(f"共{number}元")[1:-1]
        assert value(said) == number, said
        assert text(f"共{said}元") == f"共{figures(number)}元"


# --- any text -----------------------------------------------------------------------------------

transcripts = st.one_of(
    st.text(alphabet=NUMERALS + AROUND, max_size=24),
    st.text(max_size=40),
    st.lists(
        st.sampled_from([line for half in HALVES for line, _ in _lines(half)]), max_size=3
    ).map("".join),
)


def _said_digits(spoken: str) -> Counter[str]:
    """Digits but zeros, which 百 and 万 stand for too; a bare 十 (and 百分之百) says a one."""
    ones = "一二三四五六七八九"
    plain = re.sub(rf"(?<![{ones}两0-9])十", "一十", spoken.replace("百分之百", "百分之一百"))
    plain = plain.translate(str.maketrans(f"{ones}幺两", "12345678912"))
    return Counter(c for c in plain if c in "123456789")


def _changed(result: Written) -> list[tuple[str, str]]:
    return [(result.raw[r.start : r.end], r.text) for r in result.rewrites]


@settings(deadline=None)
@given(transcripts)
@example("琼A一二三四五六")
@example("一一零三五天")
def test_no_digit_is_lost_or_invented(spoken: str) -> None:
    for said, shown in _changed(written(spoken)):
        assert _said_digits(said) == _said_digits(shown), (said, shown)


@settings(deadline=None)
@given(st.text(alphabet="零一二三四五六七八九", min_size=4, max_size=24))
def test_any_digits_read_one_by_one_come_out_one_by_one(said: str) -> None:
    result = text(f"号码是{said}，")
    assert (
        result == f"号码是{said.translate(str.maketrans('零一二三四五六七八九', '0123456789'))}，"
    )


@settings(max_examples=1000, deadline=None)
@given(transcripts)
def test_written_twice_is_written_once(spoken: str) -> None:
    assert text(text(spoken)) == text(spoken)


@settings(deadline=None)
@given(transcripts)
def test_what_is_not_rewritten_stays_as_it_was(spoken: str) -> None:
    result = written(spoken)
    assert result.raw == spoken
    done, rebuilt = 0, ""
    for rewrite in result.rewrites:
        assert done <= rewrite.start < rewrite.end
        rebuilt += spoken[done : rewrite.start] + rewrite.text
        done = rewrite.end
    assert rebuilt + spoken[done:] == result.text


@pytest.mark.parametrize("unit", ["一", "1一", "三点", "百", "琼A一", "三十", "A一", "十分之", "1"])
@pytest.mark.parametrize("end", ["", "两", "点", "货"])
def test_no_text_takes_long(unit: str, end: str) -> None:
    spoken = unit * 3000 + end
    started = time.process_time()
    written(spoken)
    assert time.process_time() - started < len(spoken) / CHARACTERS_A_SECOND


def test_it_is_no_burden_on_a_long_transcript() -> None:
    spoken = "，".join(line for line, _ in _lines("development")) * 5
    started = time.process_time()
    written(spoken)
    assert len(spoken) / (time.process_time() - started) >= CHARACTERS_A_SECOND


# --- places -------------------------------------------------------------------------------------


def test_a_figure_is_traced_to_the_words_that_said_it() -> None:
    result = written("我住三栋五零二房")
    assert result.text == "我住3栋502房"
    assert result.rewrites == (Rewrite(2, 3, "3"), Rewrite(4, 7, "502"))
    assert result.raw_range(4, 7) == (4, 7)
    assert result.raw_range(5, 6) == (4, 7)  # one digit of it: all of 五零二
    assert result.text_range(5, 6) == (4, 7)
    assert result.raw_range(7, 8) == (7, 8)
    assert result.raw_range(2, 2) == result.text_range(2, 2) == (2, 2)


def test_a_place_outside_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no range"):
        written("三点半").raw_range(0, 9)


@settings(deadline=None)
@given(transcripts, st.data())
def test_every_range_leads_there_and_back(spoken: str, data: st.DataObject) -> None:
    result = written(spoken)
    start = data.draw(st.integers(0, len(spoken)))
    end = data.draw(st.integers(start, len(spoken)))
    shown = result.text_range(start, end)
    assert 0 <= shown[0] <= shown[1] <= len(result.text)
    if start < end:
        back = result.raw_range(*shown)
        assert back[0] <= start
        assert end <= back[1]
