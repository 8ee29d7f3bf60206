"""What an answer states in figures: fees, deadlines, ages, shares, hours, numbers, addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from asr import phonetics

_N = "[零〇一二两三四五六七八九十百千万亿点]+"
_SPOKEN = {
    "金额": re.compile(rf"({_N})(?:元|块钱)"),
    "期限": re.compile(
        rf"({_N}个?(?:工作日|月|小时|分钟|周(?!岁)|星期|天)|{_N}(?:日|年)(?:内|之内|以内))"
    ),
    "年龄": re.compile(rf"({_N})周?岁"),
    "比例": re.compile(rf"({_N}[%‰]|百分之{_N})"),
    "时刻": re.compile(rf"((?:上午|下午|晚上|早上)?{_N}点(?!{_N}))"),
}
_WRITTEN = {
    "电话": re.compile(
        r"(?<!\d)(0\d{2,3}-?\d{7,8}|1[3-9]\d{9}|(?:12|95|96)\d{3}|400-?\d{3}-?\d{4})(?!\d)"
    ),
    "地址": re.compile(r"([\u4e00-\u9fff]{1,6}?(?:路|街|大道)(?:[东西南北中]段)?\d+号)"),
}


def facts(answer: str) -> Mapping[str, frozenset[str]]:
    """Kind of fact → its values; figures and hanzi (3天, 三天) are the same value."""
    spoken = phonetics.read_digits(answer).replace("两", "二")
    found = {kind: pattern.findall(spoken) for kind, pattern in _SPOKEN.items()}
    found |= {kind: pattern.findall(answer) for kind, pattern in _WRITTEN.items()}
    return {
        kind: frozenset(value.replace("-", "") for value in values)
        for kind, values in found.items()
        if values
    }


def contradicting(first: str, second: str) -> Mapping[str, tuple[frozenset[str], frozenset[str]]]:
    """The kinds of fact that both answers state and agree about in no value."""
    one, other = facts(first), facts(second)
    return {
        kind: (one[kind], other[kind])
        for kind in one.keys() & other.keys()
        if not one[kind] & other[kind]
    }
