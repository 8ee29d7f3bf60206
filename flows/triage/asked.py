"""What a question of the bot asks for, where only its words are known (batch input)."""

from __future__ import annotations

import re

_QUESTIONS = (
    ("danger", re.compile(r"危险")),
    ("number", re.compile(r"号码|电话.{0,6}(?:多少|对吗|是吗)|联系方式|手机号")),
    ("name", re.compile(r"怎么称呼|贵姓|姓名|叫什么|您姓")),
    ("place", re.compile(r"位置|在哪|哪里|哪儿|什么地方|地址|哪个(?:区|县|市|镇|小区)|具体地点")),
    ("more", re.compile(r"还有(?:别的|其他|什么)|别的问题|其他(?:问题|需要|事)")),
)


def asked_by(text: str) -> str:
    """``place``, ``name``, ``number``, ``danger``, ``more``, or empty: no such question.

    >>> asked_by("您那边现在有人有危险吗？")
    'danger'
    """
    if not re.search(r"[吗呢？?]|请[说讲]|怎么|什么|哪|多少|贵姓|位置|地址|号码", text):
        return ""
    return next((kind for kind, pattern in _QUESTIONS if pattern.search(text)), "")
