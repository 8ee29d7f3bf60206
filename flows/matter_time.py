"""When a matter happened, as callers say it (昨天晚上, 上周三), stated with the call's date. Pure.

A few rules in place of a library: those for Chinese (JioNLP and its like) bring dictionaries of
tens of megabytes and read the clock themselves. What is not understood is not guessed: the
caller's words stay in the matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from flows.wording import bare

_FIGURES = {**{c: i for i, c in enumerate("零一二三四五六七八九")}, "两": 2, "〇": 0, "幺": 1}
_NUMBER = r"(?:[0-9]{1,4}|[零〇一二两三四五六七八九十]{1,4})"

_DAYS = {
    "大前天": -3, "大前晚": -3, "前天": -2, "前晚": -2, "前日": -2, "昨天": -1, "昨日": -1,
    "昨晚": -1, "昨夜": -1, "昨早": -1, "今天": 0, "今日": 0, "今早": 0, "今晚": 0, "今晨": 0,
}  # fmt: skip
_PART_OF_DAY = {"晚": "晚上", "夜": "夜里", "早": "早上", "晨": "早上"}
_PARTS = (
    r"凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|半夜|深夜|白天"
    r"|晚(?=[零一二两三四五六七八九十0-9])"
)
_HOUR = (
    rf"(?P<hour>{_NUMBER})(?:点钟?|时(?!间|候))"
    rf"(?:(?P<half>半)|(?P<quarter>[一三])刻|(?P<minute>{_NUMBER})分?)?(?:左右|多)?"
)
_CLOCK = rf"(?:(?P<part>{_PARTS})?(?:的)?(?:大概|大约|差不多)?(?:{_HOUR})?)"

_RELATIVE = re.compile(rf"(?P<day>{'|'.join(_DAYS)}){_CLOCK}")
_WEEKDAY = re.compile(
    r"(?P<which>上个?|这个?|本|前两?个?)(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天末])" + _CLOCK
)
_AGO = re.compile(
    rf"(?P<count>{_NUMBER}|半|几)(?P<half>个半)?(?:个)?(?P<unit>天|周|星期|礼拜|月|年)(?P<more>半)?(?:以|之)?前"
)
_LAST_MONTH = re.compile(
    rf"(?P<which>上上?个?|这个?|本)月(?:(?:的)?(?P<day>{_NUMBER})[号日]|(?P<third>初|中旬|底|末))?{_CLOCK}"
)
_DATE = re.compile(
    rf"(?:(?P<year>[0-9]{{4}}|[零〇一二三四五六七八九]{{4}}|今|去|前)年)?"
    rf"(?P<month>{_NUMBER})月(?:份)?(?:(?P<day>{_NUMBER})[号日])?{_CLOCK}"
)
_DAY_OF_MONTH = re.compile(
    rf"(?<![月0-9第路院园栋楼])(?P<day>{_NUMBER})[号日]"
    rf"(?=晚上|早上|上午|下午|中午|凌晨|的?时候|那天|左右){_CLOCK}"
)
_PATTERNS = (_RELATIVE, _WEEKDAY, _LAST_MONTH, _DATE, _AGO, _DAY_OF_MONTH)

_DENIED = re.compile(r"(?:不是|并非)[^，。]{0,2}$")
_HALF_A_YEAR = timedelta(183)
"""What lies ahead by more than this is the day of last year."""
_WEEKDAYS = "一二三四五六日"


@dataclass(frozen=True, slots=True)
class Happened:
    """A day or a stretch of time, as the ticket states it."""

    words: str
    """As the caller said it."""
    stated: str
    """With its date: 2026年11月25日晚上八点; about: 2026年8月."""

    def __str__(self) -> str:
        return f"{self.stated}（来电人说：{self.words}）"


def happened(text: str, today: str) -> Happened | None:
    """The time that a matter is said to have happened at; the later said of two counts.

    Parameters:
        today: date of the call in Hainan, ISO 8601 (``2026-11-26``); empty: nothing is stated.
    """
    try:
        day = date.fromisoformat(today)
    except ValueError:
        return None
    said = bare(text)
    found: list[tuple[int, int, Happened]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(said):
            denied = _DENIED.search(said[: match.start()])
            overlaps = any(match.start() < end and begin < match.end() for begin, end, _ in found)
            if denied or overlaps:
                continue
            stated = _stated(pattern, match, day)
            if stated:
                found.append((match.start(), match.end(), Happened(match.group(), stated)))
    return max(found, key=lambda each: each[0])[2] if found else None


def _stated(pattern: re.Pattern[str], match: re.Match[str], today: date) -> str:
    try:
        if pattern is _RELATIVE:
            word = match["day"]
            on = today + timedelta(_DAYS[word])
            return _day(on, match, _PART_OF_DAY.get(word[-1], ""))
        if pattern is _WEEKDAY:
            return _weekday(match, today)
        if pattern is _AGO:
            return _ago(match, today)
        if pattern is _LAST_MONTH:
            return _month(match, today)
        if pattern is _DAY_OF_MONTH:
            day = _number(match["day"])
            month = _months_before(today.replace(day=1), int(day > today.day))
            return _day(month.replace(day=day), match)
        return _date(match, today)
    except (ValueError, OverflowError):
        return ""  # there is no such day


def _weekday(match: re.Match[str], today: date) -> str:
    weeks = {"上": 1, "前": 2}.get(match["which"][0], 0)
    monday = today - timedelta(today.weekday() + 7 * weeks)
    if match["weekday"] == "末":
        if monday + timedelta(5) > today:
            return ""
        return f"{_date_words(monday + timedelta(5))}至{_date_words(monday + timedelta(6))}"
    name = "日" if match["weekday"] == "天" else match["weekday"]
    on = monday + timedelta(_WEEKDAYS.index(name))
    return _day(on, match) if on <= today else ""


def _ago(match: re.Match[str], today: date) -> str:
    if match["count"] == "几":
        return ""
    half = match["count"] == "半" or bool(match["half"] or match["more"])
    count = 0 if match["count"] == "半" else _number(match["count"])
    match match["unit"]:
        case "天":
            return _date_words(today - timedelta(count)) if count else ""
        case "月" if half and not count:
            return f"约{_date_words(today - timedelta(15))}"
        case "月":
            return f"约{_month_words(_months_before(today, count))}"
        case "年":
            return f"约{_month_words(_months_before(today, 12 * count + 6 * half))}"
        case _:
            return f"约{_date_words(today - timedelta(7 * count))}"


def _month(match: re.Match[str], today: date) -> str:
    back = 2 if match["which"].startswith("上上") else int(match["which"][0] == "上")
    month = _months_before(today.replace(day=1), back)
    if match["day"] is not None:
        on = month.replace(day=_number(match["day"]))
        return _day(on, match) if on <= today else ""
    third = {"初": "上旬", "中旬": "中旬", "底": "下旬", "末": "下旬"}.get(match["third"] or "", "")
    return _month_words(month) + third


def _date(match: re.Match[str], today: date) -> str:
    year, month = _year(match["year"], today), _number(match["month"])
    day = 1 if match["day"] is None else _number(match["day"])
    on = date(year or today.year, month, day)
    if not year and on - today > _HALF_A_YEAR:
        on = date(today.year - 1, month, day)
    if on > today:
        return ""
    return _month_words(on) if match["day"] is None else _day(on, match)


def _year(said: str | None, today: date) -> int:
    """The year that is said; 0 for none."""
    if not said:
        return 0
    if said in ("今", "去", "前"):
        return today.year - "今去前".index(said)
    return int("".join(str(_FIGURES.get(c, c)) for c in said))


def _day(on: date, match: re.Match[str], part: str = "") -> str:
    part = match["part"] or part
    part = "晚上" if part == "晚" else part
    return f"{_date_words(on)}{part}{_hour(match)}"


def _hour(match: re.Match[str]) -> str:
    if match["hour"] is None:
        return ""
    hour = _number(match["hour"])
    if hour > 24:
        return ""
    minute = 30 if match["half"] else {"一": 15, "三": 45}.get(match["quarter"] or "", 0)
    if match["minute"]:
        minute = _number(match["minute"])
    return f"{hour}点{f'{minute}分' if 0 < minute < 60 else ''}"


def _number(said: str) -> int:
    """十五 → 15. Raises ValueError for no number."""
    if said.isascii():
        return int(said)
    tens, ten, ones = said.rpartition("十")
    if not ten:
        return int("".join(str(_FIGURES[c]) for c in said))
    if len(tens) > 1 or len(ones) > 1 or tens == ten:
        raise ValueError(said)
    return 10 * (_FIGURES[tens] if tens else 1) + (_FIGURES[ones] if ones else 0)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, 28))


def _date_words(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _month_words(day: date) -> str:
    return f"{day.year}年{day.month}月"
