"""Phrases and the bot's own prompts as training lines.

The written lines are mostly hard ones. A phrase in a short frame is the plain one, so that the
classifier does not learn that 着火 alone tells nothing; and what the bot says is no danger when
it comes back down the line.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from flows.triage.examples import Example
from flows.triage.phrasebook import Phrase, Phrasebook

_ROUTES = {"danger": "110_now", "police": "110", "service": "12345", "outside": "neither"}
_FRAMES = {
    "danger": (
        "{phrase}", "我家这边{phrase}", "喂，{phrase}，快来人", "{place}，{phrase}",
        "{phrase}，在{place}", "你们快点，{phrase}", "我看到{phrase}", "这里{phrase}，怎么办",
        "哎呀{phrase}怎么办啊", "{place}{street}{phrase}", "{place}{street}这里{phrase}，还有人在",
        "我在{place}，隔壁{phrase}，你们快来", "{phrase}{phrase}",
    ),
    "police": ("{phrase}", "我要反映{phrase}", "{place}这里{phrase}", "我想跟警察讲{phrase}"),
    "service": ("{phrase}", "我想问{phrase}", "{phrase}的事找谁", "{place}的{phrase}"),
    "outside": ("{phrase}", "喂，{phrase}"),
}  # fmt: skip
_LATIN_FRAMES = {"danger": ("{phrase}", "please come, {phrase}", "hello, {phrase}, in {place}")}
_PLACES = (
    "海口", "三亚", "儋州", "文昌", "琼海", "万宁", "东方", "定安", "屯昌", "澄迈", "临高", "陵水",
    "乐东", "昌江", "保亭", "琼中", "五指山", "龙华区", "美兰区", "琼山区", "秀英区", "海甸岛",
)  # fmt: skip
_STREETS = (
    "国兴大道八号", "解放路三十二号", "建设街", "人民路菜市场旁边", "滨海小区五栋", "中学门口",
    "新村二队", "和平南路十五号二单元", "高速路口", "老码头", "汽车站对面", "工业园三号厂房",
)  # fmt: skip
_LEAST_ECHO = 4
"""Characters of a sentence that could be told from a caller's 没有 or 好的."""
_LEAST_WEIGHT = 0.5
_SURE = 0.8
"""A phrase of danger this sure is put into `_OFTEN` frames, another sure one into two."""
_OFTEN = 3


def phrase_lines(book: Phrasebook, seed: int) -> list[Example]:
    """Examples made from the phrases that can stand alone; the same for the same table."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible choice, not a secret
    made = []
    for phrase in book.phrases:
        if phrase.kind in _ROUTES and phrase.weight >= _LEAST_WEIGHT:
            sure = phrase.weight >= _SURE
            times = (_OFTEN if phrase.kind == "danger" else 2) if sure else 1
            frames = _frames(phrase)
            chosen = chance.sample(frames, min(times, len(frames)))
            made += [_line(phrase, frame, chance) for frame in chosen]
    return made


_STOP = re.compile(r"[。？！]")


def echo_lines(prompts: Iterable[str]) -> list[Example]:
    """Each prompt and each sentence of it, as what is outside both scopes."""
    outside = frozenset({"neither"})
    said = (text for prompt in prompts for text in (prompt, *_STOP.split(prompt)))
    return [
        Example(text, "neither", outside, None, frozenset(), frozenset())
        for text in dict.fromkeys(said)
        if len(text) >= _LEAST_ECHO
    ]


def _frames(phrase: Phrase) -> Sequence[str]:
    of_kind = _LATIN_FRAMES if _latin(phrase.parts[0][0]) else _FRAMES
    return of_kind.get(phrase.kind, ("{phrase}",))


def _latin(word: Sequence[str]) -> bool:
    return word[0].isascii() and word[0].isalpha()


def _line(phrase: Phrase, frame: str, chance: random.Random) -> Example:
    words = [chance.choice(choice) for choice in phrase.parts]
    latin = _latin(words[0])
    said = (" " if latin else "").join(_joined(word, latin) for word in words)
    text = frame.format(phrase=said, place=chance.choice(_PLACES), street=chance.choice(_STREETS))
    route = _ROUTES[phrase.kind]
    return Example(
        text,
        route,
        frozenset({route}),
        phrase.category,
        frozenset(phrase.lines),
        frozenset(),
    )


def _joined(units: Sequence[str], latin: bool) -> str:
    return (" " if latin else "").join(units)
