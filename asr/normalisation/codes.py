"""Digits read one by one are kept exact: telephones, identity cards, plates, hotlines, years."""

from __future__ import annotations

import re
from string import ascii_letters

from asr.normalisation.construct import DIGIT, ENDS, Construct, Match, Reading, after, before
from asr.normalisation.measures import COUNTER, WORD_OF_ONE
from asr.normalisation.numerals import ONES, UNITS, ZEROS, digits

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_NUMBER_NAMED = re.compile(r"(?:号码?|尾号|代码|密码|验证码|编号|后[三四]位)(?:是|为)?\Z")
_YEAR = re.compile("年(?!级)|后(?!来)")
_WHOLE = re.compile(
    r"1[3-9]\d{9}"  # mobile
    r"|0898\d{8}"  # Hainan's land lines
    r"|\d{17}[\dXx]"  # identity numbers, GB 11643
    r"|110|119|12[02]|12345|123\d\d|955\d\d|963\d\d|100\d\d"  # services
)
_IDENTITY_DIGITS = 17
_FEWEST_MIXED = 5


def _plate(found: Match) -> Reading:
    """琼A一二三四五 → 琼A12345; a sixth character where one of them says new energy (GA 36).

    One digit too many counts what follows (琼A一二三四五一辆车); more are none of ours to cut.
    """
    serial = digits(found["serial"])
    new_energy = len(serial) > 5 and bool({serial[0], serial[5]} & set("DFdf"))
    length = 6 if new_energy else 5
    if len(serial) > length + 1:
        length = len(serial)
    return len(found["issuer"]) + length, found["issuer"] + serial[:length]


def _code(found: Match) -> Reading | None:
    """D七三二一次 → D7321次, HU七一八零 → HU7180, K三路 → K3路; but APP一直 stays."""
    said = found[0]
    if said.lstrip(ascii_letters) == "一":
        return None
    train = after(found).startswith("次")
    return (None if train else _without_last(found)) or (len(said), digits(said))


def _generation(found: Match) -> Reading:
    """五G → 5G."""
    return len(found[0]), digits(found[0])


def _pair(found: Match) -> Reading | None:
    """九八年 → 98年, 零七 → 07; but 三四年, 五一 and 三八节 stay."""
    said = found[0]
    a_year = said not in ONES and said != "三五" and _YEAR.match(after(found))
    of_telephone = "幺" in said or any(zero in said for zero in ZEROS)
    if a_year or of_telephone or _NUMBER_NAMED.search(before(found)):
        return len(said), digits(said)
    return None


def _read_out(found: Match) -> Reading | None:
    """一三八… → 138…, 零零七 → 007, 叉 after the 17 digits of an identity number → X."""
    said, following = found[0], after(found)
    if following.startswith("几"):
        return None  # 二零一几年
    if len(said) == 3 and said in ONES and not _NUMBER_NAMED.search(before(found)):
        return None  # 一二三, counted
    if len(said) == _IDENTITY_DIGITS and following.startswith("叉"):
        return len(said) + 1, digits(said) + "X"
    return _without_last(found) or (len(said), digits(said))


def _mixed(found: Match) -> Reading | None:
    """138零零一三八000, half in figures already; but not where a lone 一 may be a word."""
    said = found[0]
    lone = re.search(f"(?<!{DIGIT})[{ONES}](?!{DIGIT})", said)
    return None if lone or len(said) < _FEWEST_MIXED else (len(said), digits(said))


def _without_last(found: Match) -> Reading | None:
    """Where the last digit counts what follows: 一一零三个人 is 110, and three people."""
    said, following = found[0], after(found)
    counts = COUNTER.match(following) and following[0] != "年"
    a_word = said[-1] == "一" and WORD_OF_ONE.match(following)
    if len(said) < 4 or said[-1] not in ONES or not (counts or a_word):
        return None
    if _WHOLE.fullmatch(digits(said)) and not _WHOLE.fullmatch(digits(said[:-1])):
        return None
    return len(said) - 1, digits(said[:-1])


CODES = (
    Construct(
        re.compile(rf"(?P<issuer>[{_PROVINCES}][A-Za-z])(?P<serial>(?:[A-Za-z]|{DIGIT}){{5,}})"),
        _plate,
    ),
    Construct(
        re.compile(rf"(?<![0-9A-Za-z])[A-Za-z]{{1,3}}{DIGIT}(?:{DIGIT}|[A-Za-z])*{ENDS}"), _code
    ),
    Construct(re.compile(rf"(?<![0-9]){DIGIT}[GgDd](?![A-Za-z]){ENDS}"), _generation),
    Construct(re.compile(rf"(?<![0-9])[0-9]++(?:{DIGIT}++[0-9]*+)++(?![两{UNITS}])"), _mixed),
    Construct(re.compile(rf"(?<![0-9]){DIGIT}{{2}}{ENDS}"), _pair),
    Construct(re.compile(rf"(?<![0-9]){DIGIT}{{3,}}{ENDS}"), _read_out),
)
