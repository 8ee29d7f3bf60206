"""Personal numbers out of log lines: what may not be read outside the case (R25).

Masked are telephone numbers (手机号, 固话), identity cards (身份证), bank cards (银行卡) and
number plates (车牌), written in digits or spoken (幺三八…, 壹叁捌…, yao1 san1 ba1 …), with
the pauses that recognisers write as commas and stops, and access tokens. The last two to
four characters stay, so that people can tell two numbers apart. Pure.

An identity or bank card is masked whether or not its check digit is right: a recogniser
that mishears one digit must not bring the other seventeen into the log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_D = "[0-9０-９]"
_PAUSE = r"[-‐-―－\s,，、。·]"
_MORE = f"{_PAUSE}{{0,3}}{_D}"
_DOT = "[.．] ?"
_ALONE = (f"(?<!{_D})", f"(?!{_D})")
# Short runs are looked for between non-letters only: identifiers are full of them.
_WORD = ("(?<![0-9０-９A-Za-z.:_])", "(?![0-9０-９A-Za-z.:_])")
_SPOKEN = "[零〇一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖]"
_SYLLABLES = {
    "ling": 0, "dong": 0, "yao": 1, "yi": 1, "er": 2, "liang": 2, "san": 3, "si": 4, "wu": 5,
    "liu": 6, "qi": 7, "guai": 7, "ba": 8, "jiu": 9, "gou": 9,
}  # fmt: skip
_SYLLABLE = f"(?<![A-Za-z])(?:{'|'.join(_SYLLABLES)})(?:[1-5]|(?![A-Za-z]))"
_SAID = f"(?:{_SPOKEN}|{_SYLLABLE}|{_D})"
_ABROAD = rf"(?:\+?(?:00)?86{_PAUSE}{{0,3}})?"
_PLATE = "[A-HJ-NP-Za-hj-np-z0-9]"
_PROVINCE = "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使]"


def _between(edges: tuple[str, str], pattern: str) -> re.Pattern[str]:
    return re.compile(edges[0] + pattern + edges[1])


_PATTERNS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"vb_[A-Za-z0-9_-]{20,}"), 0),
    # Digit by digit, whatever number it is.
    (_between(_ALONE, f"{_D}(?:{_PAUSE}{{1,3}}{_D}){{9,}}"), 2),
    # Longest first: a card must not be taken for a telephone with digits behind it.
    (_between(_ALONE, f"{_D}(?:{_MORE}){{16}}{_PAUSE}{{0,3}}[Xx]"), 4),
    # No upper bound: of numbers that came without a break between them none may be read.
    (_between(_ALONE, f"{_D}(?:{_MORE}){{14,}}"), 4),
    (_between(_ALONE, rf"{_ABROAD}[1１]{_PAUSE}{{0,3}}[3-9３-９](?:{_MORE}){{9}}"), 4),
    (_between(_ALONE, f"{_ABROAD}[1１][3-9３-９]{_D}{_DOT}{_D}{{4}}{_DOT}{_D}{{4}}"), 4),
    (_between(_WORD, rf"[(（]?0[1-9]{_D}{{1,2}}[)）]?(?:{_MORE}){{7,8}}"), 2),
    (_between(_WORD, f"0[1-9]{_D}{{1,2}}{_DOT}{_D}{{3,4}}{_DOT}?{_D}{{4}}"), 2),
    (_between(_WORD, f"[2-9]{_D}{{3}}[- ]?{_D}{{4}}"), 2),
    (
        re.compile(
            f"{_PROVINCE}[A-HJ-NP-Za-hj-np-z][·•. -]?{_PLATE}{{4}}"
            f"(?:{_PLATE}{{1,2}}|{_PLATE}?[挂学警港澳领试超])"
        ),
        2,
    ),
)
# What a mask has left of one number is no part of the next.
_NOT_LEFT = "".join(rf"(?<!\*.{{{n}}})" for n in range(4))
_SAID_RUN = re.compile(
    f"{_NOT_LEFT}{_SAID}(?:{_PAUSE}{{0,3}}{_SAID}){{6,}}(?:{_PAUSE}?[xX](?![A-Za-z]))?", re.DOTALL
)
_SAID_DIGIT = re.compile(f"{_SPOKEN}|{_SYLLABLE}|{_D}")
_VALUES = {
    **{name: str(value) for name, value in _SYLLABLES.items()},
    **dict(zip("零〇一二三四五六七八九幺两", "0012345678912", strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖", "123456789", strict=True)),
    **dict(zip("０１２３４５６７８９", "0123456789", strict=True)),
}
_NUMBER = re.compile(r"1[3-9]\d{9}|\d{15}")

_SECRET_KEYS = frozenset({"token", "authorization", "password", "secret"})


def mask_text(text: str) -> str:
    """`text` with each personal number as ``***`` and its last characters."""
    for pattern, kept in _PATTERNS:
        text = pattern.sub(lambda found, kept=kept: _short(found[0], kept), text)  # type: ignore[misc]
    return _SAID_RUN.sub(_said, text)


def _said(found: re.Match[str]) -> str:
    """A run of digits of which at least some are words."""
    digits = _SAID_DIGIT.findall(found[0])
    words = sum(digit not in "0123456789０１２３４５６７８９" for digit in digits)
    value = "".join(_VALUES.get(digit.rstrip("12345") or digit, digit) for digit in digits)
    if words < 7 and not (words and _NUMBER.search(value)):
        return found[0]
    return "***" + (digits[-1] if digits[-1][0].isascii() else found[0][-2:])


def mask(value: Any) -> Any:
    """A value of a log line, however deep, with the personal numbers masked.

    Numbers stay numbers unless they read as a personal number; what is no plain value
    is masked in its `repr`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > 1e18:
            return value
        masked = mask_text(str(int(value)))
        return masked if "*" in masked else value
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, int):
        masked = mask_text(str(value))
        return value if masked == str(value) else masked
    if isinstance(value, Mapping):
        return {
            mask(key): "***" if str(key).lower() in _SECRET_KEYS and item else mask(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [mask(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return mask_text(bytes(value).decode("utf-8", "replace"))
    return mask_text(repr(value))


def _short(found: str, kept: int) -> str:
    return "***" + (found[-kept:] if kept else "")
