"""No personal number leaves in a log line, whatever it is wrapped in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.masking import mask, mask_text

DIGITS = st.text("0123456789", min_size=1)
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="0123456789０１２３４５６７８９"))
# As people write them, and as recognisers write pauses.
SEPARATORS = st.sampled_from(
    ["", "-", " ", "  ", ",", ", ", "，", "、", "。", "－", "\u3000", "\n", "·"]
)
PINYIN = ["ling2", "yao1", "er4", "san1", "si4", "wu3", "liu4", "qi1", "ba1", "jiu3"]


@st.composite
def mobiles(draw: st.DrawFn) -> str:
    digits = (
        "1" + draw(st.sampled_from("3456789")) + draw(st.text("0123456789", min_size=9, max_size=9))
    )
    prefix = draw(st.sampled_from(["", "+86", "+86 ", "86-", "0086"]))
    gap = draw(st.one_of(SEPARATORS, st.sampled_from([".", ". "])))
    return f"{prefix}{digits[:3]}{gap}{digits[3:7]}{gap}{digits[7:]}"


@st.composite
def spoken_mobiles(draw: st.DrawFn) -> str:
    """Digit by digit or in groups; in characters of several kinds, or in syllables."""
    digits = "1" + draw(st.text("3456789", min_size=1, max_size=1))
    digits += draw(st.text("0123456789", min_size=9, max_size=9))
    if draw(st.booleans()):
        return " ".join(PINYIN[int(digit)] for digit in digits)
    alphabet = draw(
        st.sampled_from(["零幺二三四五六七八九", "〇一两三四五六七八九", "零壹贰叁肆伍陆柒捌玖"])
    )
    said = [
        alphabet[int(d)] if draw(st.integers(0, 5)) or n < 2 else d for n, d in enumerate(digits)
    ]
    gap, each = draw(SEPARATORS), draw(SEPARATORS)
    return gap.join(each.join(said[a:b]) for a, b in ((0, 3), (3, 7), (7, 11)))


def says(text: str) -> int:
    """Digits that are left, in whatever writing."""
    return len(re.findall("[0-9零〇一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖]|[a-z]+[1-5]", text))


@st.composite
def identity_cards(draw: st.DrawFn) -> str:
    digits = draw(st.text("0123456789", min_size=17, max_size=17))
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return digits + "10X98765432"[total % 11]


@st.composite
def bank_cards(draw: st.DrawFn) -> str:
    digits = draw(st.text("0123456789", min_size=15, max_size=18))
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    digits += str(-total % 10)
    gap = draw(SEPARATORS)
    return gap.join(digits[i : i + 4] for i in range(0, len(digits), 4))


@given(AROUND, mobiles(), AROUND)
def test_mobile_numbers_keep_four_digits(before: str, number: str, after: str) -> None:
    masked = mask_text(before + number + after)
    assert "***" + number[-4:] in masked
    assert len(re.findall("[0-9]", masked)) == 4


@given(spoken_mobiles())
def test_spoken_numbers_keep_two_digits_at_most(number: str) -> None:
    masked = mask_text(f"我的号码是{number}。")
    assert masked.startswith("我的号码是***")
    assert says(masked) <= 2


@given(st.text("0123456789", min_size=11, max_size=19), SEPARATORS.filter(bool))
def test_a_number_said_digit_by_digit_keeps_four_at_most(digits: str, gap: str) -> None:
    assert len(re.findall("[0-9]", mask_text(f"号码{gap.join(digits)}。"))) <= 4


@given(AROUND, st.one_of(identity_cards(), bank_cards()), AROUND)
def test_cards_keep_four_characters(before: str, number: str, after: str) -> None:
    masked = mask_text(before + number + after)
    assert len(re.findall("[0-9]", masked)) <= 4
    assert "***" in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("0898-68836903", "***03"),
        ("(0898)68836903", "***03"),
        ("02061330000", "***00"),
        ("请打 6883 6903。", "请打 ***03。"),
        ("琼A12345", "***45"),
        ("琼AD12345", "***45"),
        ("车牌琼B·8K9L2撞了人", "车牌***L2撞了人"),
        ("粤Z1234港", "***4港"),
        ("号码是幺三八零零幺三八零零零", "号码是***零零"),
        ("一三八 零零一三 八零零零", "***零零"),
        ("身份证四六零一零零一九九零零一零一二三四X", "身份证***四X"),
        ("１３８００１３８０００", "***８０００"),
        ("138,0013,8000", "***8000"),
        ("138，0013，8000", "***8000"),
        ("138、0013、8000", "***8000"),
        ("138.0013.8000", "***8000"),
        ("138  0013  8000", "***8000"),
        ("1 3 8 0 0 1 3 8 0 0 0", "*** 0"),
        ("0 8 9 8 6 6 8 8 3 6 9 0", "*** 0"),
        ("0898－66883690", "***90"),
        ("0898.6688.3690", "***90"),
        ("幺三八。零零幺三。八零零零", "***零零"),
        ("幺三八零零幺三八零零0", "***0"),
        ("壹叁捌零零壹叁捌零零零", "***零零"),
        ("13000000000伍叁壹柒肆贰陆", "***0000***贰陆"),
        ("13000000000，幺三八零零幺三八零零零", "***0000，***零零"),
        ("yao1 san1 ba1 ling2 ling2 yao1 san1 ba1 ling2 ling2 ling2", "***ling2"),
        ("yao san ba ling ling yao san ba ling ling ling", "***ling"),
        ("460106，1990，0101，1234", "***1234"),
        ("tel13800138000", "tel***8000"),
        ("139765432100898667788994601061990030712", "***0712"),
        ("Bearer vb_" + "a" * 43, "Bearer ***"),
    ],
)
def test_written_and_spoken_forms(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "12345",
        "110-460106",
        "call 12333 or 96377",
        "2026-11-24T03:29:11.123456+08:00",
        "460106",
        "took 1234.5678 ms at 12:34:56",
        "127.0.0.1:8445",
        "MZ5f0c2b7a9d1e4f6a8b0c2d4e6f8a0b1c",
        "一共三百二十五件",
        "周一 2026-11-24 08:30",
        "at=1790000000.123456",
        "zhe4 shi4 san1 hao4 lou2",
        "yi1 er4 san1 mu4 tou2 ren2",
        "1.5, 2.25, 3.125 s",
        "二〇二六年",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert mask_text(text) == text


class _Caller:
    def __repr__(self) -> str:
        return "<caller 13800138000>"


def test_values_are_masked_however_deep() -> None:
    line = {
        "caller": 13800138000,
        "read as a float": 13800138000.0,
        "epoch": 1790000000.0,
        "turns": [{"text": "我的号码是13800138000"}, ("琼A12345",)],
        "13800138000": b"13800138000",
        "who": _Caller(),
        "token": "abc",
        "seconds": 1.5,
        "count": 3,
        "ok": True,
        "none": None,
    }
    assert mask(line) == {
        "caller": "***8000",
        "read as a float": "***8000",
        "epoch": 1790000000.0,
        "turns": [{"text": "我的号码是***8000"}, ["***45"]],
        "***8000": "***8000",
        "who": "<caller ***8000>",
        "token": "***",
        "seconds": 1.5,
        "count": 3,
        "ok": True,
        "none": None,
    }


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.floats(), st.text(), mobiles()),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_masking_never_fails_and_is_done_once(value: object) -> None:
    masked = mask(value)
    assert repr(mask(masked)) == repr(masked)
