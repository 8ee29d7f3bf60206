"""Spoken Chinese numerals → figures: 两千零六 → 2006, 三万五 → 35000, 幺三八 → 138."""

from __future__ import annotations

ONES = "一二三四五六七八九"
ZEROS = "零〇"
UNITS = "亿万千百十"

_FIGURES = str.maketrans(f"{ZEROS}幺{ONES}两", "0011234567892")
_SCALES = {"亿": 10**8, "万": 10**4, "千": 1000, "百": 100, "十": 10}
_YI, _WAN = _SCALES["亿"], _SCALES["万"]


def digits(spoken: str) -> str:
    """Digits read one by one, each as its figure; everything else stays."""
    return spoken.translate(_FIGURES)


def value(spoken: str) -> int | None:
    """What a numeral says, None where it is no well-formed one.

    两百, 一万五百 and the short 三万五 (35000) are; 三四十, 百万, 五百三百 and 一百零 are not: they
    are approximate, two numbers, or cut off.
    """
    return _value(spoken, UNITS)


def figures(number: int) -> str:
    """In figures; round ones keep 万 or 亿: 35万, 3.5亿, 156800."""
    if number >= _YI and number % _WAN == 0:
        whole, part = divmod(number // _WAN, _WAN)
        return f"{whole}.{part:04d}".rstrip("0").rstrip(".") + "亿"
    if number >= _WAN and number % _WAN == 0:
        return f"{number // _WAN}万"
    return str(number)


def _value(spoken: str, units: str) -> int | None:
    """Split at the largest of ``units`` that is there, the halves read with the smaller ones."""
    unit = next((u for u in units if u in spoken), "")
    if not unit:
        return _digit(spoken, but_not="两" if units != UNITS else "")
    head, _, tail = spoken.partition(unit)
    smaller = units[units.index(unit) + 1 :]
    many = _many(head, unit, smaller)
    rest = _rest(tail, unit, smaller)
    return None if many is None or rest is None else many * _SCALES[unit] + rest


def _many(head: str, unit: str, smaller: str) -> int | None:
    """How many of ``unit``; 十 may do without a digit, and is not counted with 两."""
    if unit == "十":
        return 1 if not head else _digit(head, but_not="两")
    if unit in "百千" or head == "两":
        return _digit(head)
    short = len(head) > 1 and head[-1] in ONES and head[-2] in "百千万"
    return None if short else _value(head, smaller)


def _rest(tail: str, unit: str, smaller: str) -> int | None:
    if not tail:
        return 0
    if tail[0] in ZEROS and unit != "十":
        return _value(tail[1:], smaller)
    if len(tail) == 1 and tail in ONES:
        return int(digits(tail)) * _SCALES[unit] // 10  # 一百二 is 120; of 十二, the ones
    return _value(tail, smaller) if any(u in tail for u in smaller) else None


def _digit(spoken: str, *, but_not: str = "") -> int | None:
    one = len(spoken) == 1 and spoken in ONES + "两" and spoken != but_not
    return int(digits(spoken)) if one else None
