"""Numbers with a value: amounts, money, shares, times of day, dates, house numbers."""

from __future__ import annotations

import re

from asr.normalisation.construct import (
    DIGIT,
    ENDS,
    NUMERAL,
    Construct,
    Match,
    Reading,
    after,
    before,
)
from asr.normalisation.measures import ADVERB_OF_ONE, MEASURE, UNIT, UNIT_OF_ONE
from asr.normalisation.numerals import ONES, UNITS, ZEROS, digits, figures, value

_DAY_PART = re.compile(
    r"(?:[上中下]午|早上|早晨|清晨|凌晨|傍晚|晚上|夜里|夜间|半夜|[昨今明前当][天晚早]|从|"
    r"[点分半]钟?[到至])\Z"
)
_POINTS_MADE = "意见|建议|要求|问题|原因|疑问|诉求|看法|说明|补充|希望|理由|水"
_NATIONAL_DAY = re.compile("放假|期间|黄金周|长假|假期|国庆")
_APPROXIMATE = re.compile(f"几|好几|(?<=[{UNITS}])来")
_DAY_GOES_ON = re.compile(f"[0-9A-Za-z]|{NUMERAL}|{MEASURE.pattern}")
_LAST_HOUR, _LAST_MINUTE = 24, 59


def _share(found: Match) -> Reading | None:
    """百分之二十五 → 25%, 千分之三 → 3‰, 三分之二 → 2/3."""
    whole, part = found["whole"], found["share"]
    mark = {"百": "%", "千": "‰"}.get(whole)
    written = "100" if whole == part == "百" else _number(part)
    of = "" if mark else _number(whole)
    if written is None or of is None or _approximate(found):
        return None
    return len(found[0]), f"{written}{mark}" if mark else f"{written}/{of}"


def _clock(found: Match) -> Reading | None:
    """三点半 → 3点半, 八点五十 → 8点50, 十点零五 → 10点05; 一点 only where a time is meant."""
    said_hour, said_minute = found["hour"], found["minute"] or ""
    minute_zero = said_minute[:1] in tuple(ZEROS)
    a_time = found["sure"] or found["minutes"] or _DAY_PART.search(before(found))
    if not a_time and (said_hour == "一" or (minute_zero and MEASURE.match(after(found)))):
        return None  # 快一点; 三点零五平方 is a decimal
    hour = 0 if said_hour in ZEROS else value(said_hour)
    minute = value(said_minute.lstrip(ZEROS)) if said_minute else 0
    if hour is None or minute is None or hour > _LAST_HOUR or minute > _LAST_MINUTE:
        return None
    written = f"{hour}点" + (f"{'0' * minute_zero}{minute}" if said_minute else "")
    return len(said_hour) + 1 + len(said_minute), written


def _decimal(found: Match) -> Reading | None:
    """三点五公里 → 3.5公里, 一点五万 → 1.5万."""
    number = _number(found[0])
    return None if number is None else (len(found[0]), number)


def _and_a_bit(found: Match) -> Reading | None:
    """三块二 → 3块2, 一米七五 → 1米75, 三十九度二 → 39度2; 二十块三斤 is two amounts."""
    number, unit, bit = _number(found["many"]), found["unit"], found["bit"]
    following = after(found)
    of_a_measure = MEASURE.match(following) and not (unit in "块元" and following[0] in "毛角分")
    if bit[1:] == "一" and of_a_measure:
        bit = bit[:1]  # 一块八一平方: each square metre
    elif (len(bit) == 2 and unit != "米") or of_a_measure:
        return None
    if number is None:
        return None
    return len(found["many"] + unit + bit), number + unit + digits(bit)


def _number_with_units(found: Match) -> Reading | None:
    """两千零六十八户 → 2068户, 一百多 → 100多; 二十几, 几百, 三四十 and 上百 stay."""
    said, following = found[0], after(found)
    if _approximate(found) or before(found).endswith(("几", "数")):
        return None
    if said == "十一" and _NATIONAL_DAY.match(following):
        return None
    if _one_is_a_word(said, following):
        said = said[:-1]
    number = value(said)
    return None if number is None else (len(said), figures(number))


def _approximate(found: Match) -> bool:
    """三十几, 三十来岁, 三十好几; not 八月十五来的."""
    return _APPROXIMATE.match(found.string, found.end()) is not None


def _one_is_a_word(said: str, following: str) -> bool:
    """三千五百一个月 and 三十五一斤, not 三十一个月; 三千一定."""
    if said[-1] != "一" or len(said) < 3:
        return False
    if ADVERB_OF_ONE.match(following):
        return True
    return said[-2] != "十" and said[-2] not in ZEROS and MEASURE.match(following) is not None


def _single(found: Match) -> Reading | None:
    """三号 → 3号, 六岁 → 6岁, 十个 → 10个; 三个, 第三次, 一斤 and 三月三 stay."""
    said, following = found[0], after(found)
    number = value(said)
    needed = {"一": UNIT_OF_ONE, "十": MEASURE}.get(said, UNIT)
    of_a_year = said == "一" and following.startswith("月") and before(found).endswith("年")
    if number is None or not (needed.match(following) or of_a_year):
        return None
    festival = following.startswith("月" + said) and not _DAY_GOES_ON.match(following, 2)
    if festival or before(found).endswith(("第", "几", "数")):
        return None
    return len(said), str(number)


def _number(spoken: str) -> str | None:
    """A number or a decimal in figures; None where it is neither."""
    whole, point, part = spoken.partition("点")
    if whole in ZEROS:
        return f"0.{digits(part)}" if point else None
    number = value(whole)
    if number is None:
        return None
    return f"{number}.{digits(part)}" if point else figures(number)


_START = "(?<![0-9.])"

QUANTITIES = (
    Construct(
        re.compile(
            rf"{_START}(?P<whole>{NUMERAL}+)分之"
            rf"(?P<share>{NUMERAL}++(?:点{DIGIT}++)?)(?![0-9]|货)"
        ),
        _share,
    ),
    Construct(
        re.compile(
            rf"{_START}(?P<hour>[{ONES}两{ZEROS}]|二?十[{ONES}]?)点"
            rf"(?:(?P<sure>钟|半|整|[一三]刻)"
            rf"|(?P<minute>[{ZEROS}][{ONES}]|[二三四五]?十[{ONES}]?|[{ONES}](?=分(?!之|米)))"
            rf"{ENDS}(?P<minutes>分)?"
            rf"|(?![0-9]|{NUMERAL}++(?!点)|{_POINTS_MADE}))"
        ),
        _clock,
    ),
    Construct(re.compile(rf"{_START}{NUMERAL}+点{DIGIT}++(?![0-9点])"), _decimal),
    Construct(
        re.compile(
            rf"{_START}(?P<many>{NUMERAL}+)(?P<unit>[块毛米度元])(?P<bit>{DIGIT}[毛角]{DIGIT}|{DIGIT}{{1,2}})"
            rf"{ENDS}"
        ),
        _and_a_bit,
    ),
    Construct(re.compile(rf"{_START}{NUMERAL}{{2,}}+(?![0-9])"), _number_with_units),
    Construct(re.compile(rf"{_START}{NUMERAL}{ENDS}"), _single),
)
