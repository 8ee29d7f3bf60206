"""Telephone numbers as they are said and keyed. Pure."""

from __future__ import annotations

import re

from flows.wording import bare

_DIGITS = {
    **{str(digit): str(digit) for digit in range(10)},
    **dict(zip("零〇一二三四五六七八九", "00123456789", strict=True)),
    "幺": "1",
    "两": "2",
}
_COUNTING = re.compile(r"[一两二三几](?=[个次遍句下位点边样种部些起会定直般])")
"""一个, 两句: these count, and are no digits."""
_FORMS = re.compile(r"1[3-9]\d{9}|[48]00\d{7}|[2-9]\d{6,7}|0[1-9]\d{8,10}")
_WHOLE = re.compile(r"1[3-9]\d{9}|[48]00\d{7}|(?![48]00)[2-9]\d{7}|0(?:10|2\d)\d{8}|0[3-9]\d{10}")
"""Forms that no longer one begins with."""


def runs(text: str) -> list[str]:
    """The digits of `text`, one string for each unbroken run of them."""
    digits = "".join(_DIGITS.get(character, " ") for character in _COUNTING.sub(" ", bare(text)))
    return digits.split()


def number(text: str) -> str:
    """The digits spoken in `text`, as in 幺三八… → ``138…``.

    The longest run where it is a number by itself, otherwise the groups together; a single
    digit among longer runs belongs to a word.
    """
    found = runs(text)
    longest = max(found, key=len, default="")
    if dialable(longest):
        return longest
    return "".join(run for run in found if len(run) > 1 or len(longest) == 1)


def dialable(text: str) -> str:
    """The number that can be dialled from here in `text` (digits, perhaps +86); else empty.

    Mobile 11 digits, 400/800 10 digits, landline 7 or 8 digits, with area code 10 to 12.
    """
    digits = "".join(character for character in text if character in "0123456789")
    for prefix in ("0086", "86"):
        if digits.startswith(prefix) and len(digits) - len(prefix) >= 10:
            digits = digits[len(prefix) :]
            break
    return digits if _FORMS.fullmatch(digits) else ""


def whole(digits: str) -> bool:
    """Whether `digits` is a number that cannot go on to be a longer one."""
    return _WHOLE.fullmatch(digits) is not None


def hopeless(digits: str) -> bool:
    """Whether no further digit can make a number of them."""
    return len(digits) > (11 if digits.startswith("1") else 12)


def spoken(digits: str) -> str:
    """Digits as they are read out on the telephone: ``138`` → 幺三八."""
    return "".join("零幺二三四五六七八九"[int(d)] for d in digits if d in "0123456789")
