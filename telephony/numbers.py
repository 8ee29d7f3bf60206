"""Calling numbers as trunks write them, brought into one form.

    13800138000, +86 138 0013 8000, 008613800138000, 013800138000  →  13800138000
    68836903, 0898-68836903, +86 898 6883 6903                     →  089868836903
    +852 2345 6789, 0085223456789                                  →  +85223456789
    110, 12345, 95598                                              →  as they are
    anonymous, unavailable, restricted, private                    →  ""

The form is the one that can be dialled back from Hainan, so it is also the number that
110 gets (R13). What is no number stays as it was signalled, for 110 must have something.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumberType

AREA_CODE = "898"
"""Hainan's; a number without one is a local number."""

MOST_CHARACTERS = 64
MOST_DIGITS = 24

_WITHHELD = frozenset(
    {"", "anonymous", "unavailable", "restricted", "private", "unknown", "asterisk", "-1"}
)
_WRITTEN = re.compile(r"[+(（0-9][0-9\-–. ()（）]*", re.ASCII)
_SHORT = re.compile(r"1(?:1[0-9]|2[0-9]|[0-9]{4})|9[56][0-9]{3,4}", re.ASCII)
_LOCAL = re.compile(r"[2-8][0-9]{7}", re.ASCII)


class NumberKind(StrEnum):
    MOBILE = "mobile"
    """手机"""
    FIXED = "fixed"
    """固定电话"""
    SHORT = "short"
    """Service and emergency numbers (短号码), such as 110 or 95598."""
    ABROAD = "abroad"
    """境外号码"""
    WITHHELD = "withheld"
    """号码隐藏"""
    OTHER = "other"
    """A number, but of no numbering plan that we know."""


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """A calling number.

    Parameters:
        number: in the form described above; "" when withheld.
        kind: what kind of number it is.
    """

    number: str
    kind: NumberKind


def caller_number(signalled: str) -> CallerNumber:
    """The number in From or P-Asserted-Identity, without scheme and host."""
    written = signalled.strip()[:MOST_CHARACTERS]
    if not _WRITTEN.fullmatch(written):
        written = _printable(written)
    if written.lower() in _WITHHELD:
        return CallerNumber("", NumberKind.WITHHELD)
    if not _WRITTEN.fullmatch(written):
        return CallerNumber(written, NumberKind.OTHER)
    digits = re.sub(r"[^+0-9]", "", written)[:MOST_DIGITS]
    if _SHORT.fullmatch(digits):
        return CallerNumber(digits, NumberKind.SHORT)
    for candidate in _readings(digits):
        found = _of_plan(candidate)
        if found is not None:
            return found
    return CallerNumber(digits, NumberKind.OTHER)


def _readings(digits: str) -> tuple[str, ...]:
    """Ways of reading it, the likeliest first; trunks put a 0 before mobile numbers."""
    if _LOCAL.fullmatch(digits):
        return (f"0{AREA_CODE}{digits}", digits)
    if re.fullmatch("0+1[3-9][0-9]{9}", digits):
        return (digits.lstrip("0"), digits)
    return (digits,)


def _of_plan(digits: str) -> CallerNumber | None:
    try:
        number = phonenumbers.parse(digits, "CN")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    if number.country_code != 86:
        international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return CallerNumber(international, NumberKind.ABROAD)
    national = re.sub(
        "[^0-9]",
        "",
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL),
    )
    mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
    return CallerNumber(national, NumberKind.MOBILE if mobile else NumberKind.FIXED)


def _printable(text: str) -> str:
    return "".join(each for each in text if each.isalnum() or each in "+-._@")
