"""How a written Chinese sentence is read aloud: numbers, hotlines, dates, money, pauses.

Public numbers (110, 12345) and telephone numbers are read digit by digit with 幺 for 1,
as everybody says them in China; everything else of that kind is left to wetext's rules.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

LONG_PAUSE_S, PAUSE_S, SHORT_PAUSE_S, LIST_PAUSE_S = 0.40, 0.20, 0.15, 0.10

PAUSES = {
    "。": LONG_PAUSE_S, "！": LONG_PAUSE_S, "？": LONG_PAUSE_S, "…": LONG_PAUSE_S,
    "!": LONG_PAUSE_S, "?": LONG_PAUSE_S, "\n": LONG_PAUSE_S, ".": LONG_PAUSE_S,
    "；": 0.30, ";": 0.30, "：": 0.25, ":": 0.25, "，": PAUSE_S, ",": PAUSE_S,
    "、": LIST_PAUSE_S, "—": SHORT_PAUSE_S, "～": SHORT_PAUSE_S, "~": SHORT_PAUSE_S,
    "（": SHORT_PAUSE_S, "）": SHORT_PAUSE_S, "(": SHORT_PAUSE_S, ")": SHORT_PAUSE_S,
}  # fmt: skip
"""Silence after a clause, in seconds, by the mark that ends it."""

_DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_DIALLED = _DIGITS | {"1": "幺"}

_MEASURES = (
    "元|块|角|多|余|折|人|个|户|年|月|日|天|万|千|百|亿|平|米|公|吨|斤|克|升|岁|次|度|伏|瓦|件|名|家|辆|台|套|"
    "小时|分|秒|周|步|倍|所|项|条|种|位|斤|亩|℃|%|％|‰|㎡|\\."
)
_GROUP = "、"

_TELEPHONE = re.compile(r"(?<!\d)(0\d{2,3})[-－—\s]?(\d{3,4})[-－\s]?(\d{4})(?!\d)")
_MOBILE = re.compile(r"(?<!\d)(?:\+?86[-\s]?)?(1[3-9]\d)[-\s]?(\d{4})[-\s]?(\d{4})(?!\d)")
_HOTLINE = re.compile(rf"(?<![\d.])(1[12]\d|(?:12|95|96|10)\d{{3,4}})(?!\d)(?!{_MEASURES})")
_DIALLED_AFTER = re.compile(
    rf"(?:(?<=[打拨按])|(?<=转接|接通|号码|尾号|编号|代码|密码|电话|工号))(\d{{1,20}})(?!\d)(?!{_MEASURES})"
)
_CODE = re.compile(rf"(?<![\d.,:：/-])(\d{{7,}}[Xx]?|0\d+)(?![\d.,])(?!{_MEASURES})")
_LETTER_NUMBER = re.compile(r"(?<=[A-Za-z])[-]?(\d+)(?![\d.])")
_DOCUMENT_YEAR = re.compile(r"[〔\[【(（]((?:19|20)\d\d)[〕\]】)）](?=\d)")
_URL_DOT = re.compile(r"(?<=[A-Za-z])\.(?=[A-Za-z])")
_RANGE = re.compile(r"(?<=\d)[～~](?=\d)")
_NEEDS_RULES = re.compile(r"[0-9%‰℃㎡$￥¥€]")
_LEFT_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Clause:
    """What is spoken in one breath, and the silence after it in seconds."""

    text: str
    pause_s: float


def clauses(text: str) -> tuple[Clause, ...]:
    """The spoken form of `text`, cut at its punctuation. Nothing to say gives ()."""
    found: list[Clause] = []
    current = ""
    for character in spoken(text):
        pause = PAUSES.get(character)
        if pause is None:
            current += character
        elif current.strip():
            found.append(Clause(current.strip(), pause))
            current = ""
        elif found and pause > found[-1].pause_s:
            found[-1] = Clause(found[-1].text, pause)
    if current.strip():
        found.append(Clause(current.strip(), LONG_PAUSE_S))
    return tuple(found)


@lru_cache(maxsize=512)
def spoken(text: str) -> str:
    """`text` with every number written as it is said; letters and punctuation stay."""
    text = _half_width(text)
    text = _URL_DOT.sub("点", text)
    text = _RANGE.sub("到", text)
    text = _DOCUMENT_YEAR.sub(lambda m: _each(m[1], _DIGITS) + "年", text)
    text = _MOBILE.sub(lambda m: _grouped(m.groups()), text)
    text = _TELEPHONE.sub(lambda m: _grouped(m.groups()), text)
    text = _HOTLINE.sub(lambda m: _each(m[1], _DIALLED), text)
    text = _DIALLED_AFTER.sub(lambda m: _dialled(m[1]), text)
    text = _CODE.sub(lambda m: _each(m[1], _DIALLED), text)
    text = _LETTER_NUMBER.sub(lambda m: _each(m[1], _DIALLED), text)
    text = re.sub(r"[￥¥](\d[\d,.]*)", r"\1元", text)
    text = text.replace("㎡", "平方米")
    if _NEEDS_RULES.search(text):
        text = _by_rules(text)
    return _LEFT_DIGITS.sub(lambda m: _each(m[0], _DIGITS), text)


def _half_width(text: str) -> str:
    """Full-width digits and letters made plain; Chinese punctuation kept."""
    return "".join(
        unicodedata.normalize("NFKC", c) if "０" <= c <= "９" or "Ａ" <= c <= "ｚ" else c
        for c in text
    )


def _each(digits: str, table: dict[str, str]) -> str:
    return "".join(table.get(digit, digit) for digit in digits)


def _grouped(groups: tuple[str, ...]) -> str:
    return _GROUP.join(_each(group, _DIALLED) for group in groups)


def _dialled(digits: str) -> str:
    # A single key is said by its own name: 按一, not 按幺.
    return _each(digits, _DIGITS if len(digits) == 1 else _DIALLED)


_rules_lock = threading.Lock()


@lru_cache(maxsize=1)
def _rules() -> Any:
    # Its grammars load in 0.4 s, and few sentences need them.
    from wetext import Normalizer

    return Normalizer(lang="zh", operator="tn")


def _by_rules(text: str) -> str:
    with _rules_lock:
        return str(_rules().normalize(text))
