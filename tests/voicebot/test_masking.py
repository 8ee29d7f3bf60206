"""No personal number leaves in a log line, whatever it is wrapped in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.masking import mask, mask_text

DIGITS = st.text("0123456789", min_size=1)
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="0123456789０１２３４５６７８９"))
SEPARATORS = st.sampled_from(["", "-", " "])


@st.composite
def mobiles(draw: st.DrawFn) -> str:
    digits = (
        "1" + draw(st.sampled_from("3456789")) + draw(st.text("0123456789", min_size=9, max_size=9))
    )
    prefix = draw(st.sampled_from(["", "+86", "+86 ", "86-", "0086"]))
    gap = draw(SEPARATORS)
    return f"{prefix}{digits[:3]}{gap}{digits[3:7]}{gap}{digits[7:]}"


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


def digits_left(text: str) -> str:
    return re.sub("[^0-9Xx]", "", text)


@given(AROUND, mobiles(), AROUND)
def test_mobile_numbers_keep_four_digits(before: str, number: str, after: str) -> None:
    masked = mask_text(before + number + after)
    assert "***" + number[-4:] in masked
    assert len(re.findall("[0-9]", masked)) == 4


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
        ("tel13800138000", "tel***8000"),
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
