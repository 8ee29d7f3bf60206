"""The phrase table as training lines: what a phrase means is also how a plain caller says it.

The written lines are mostly hard ones; these are the plain ones, a phrase in a short frame, so
that the classifier does not learn that 着火 alone tells nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from flows.triage.examples import Example
from flows.triage.phrasebook import Phrase, Phrasebook

_ROUTES = {"danger": "110_now", "police": "110", "service": "12345", "outside": "neither"}
_FRAMES = {
    "danger": (
        "{phrase}", "我家这边{phrase}", "喂，{phrase}，快来人", "{place}，{phrase}",
        "{phrase}，在{place}", "你们快点，{phrase}", "我看到{phrase}", "这里{phrase}，怎么办",
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
_LEAST_WEIGHT = 0.5
_SURE = 0.8
"""A phrase this sure is put into two frames instead of one."""


def phrase_lines(book: Phrasebook, seed: int) -> list[Example]:
    """Examples made from the phrases that can stand alone; the same for the same table."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible choice, not a secret
    made = []
    for phrase in book.phrases:
        if phrase.kind in _ROUTES and phrase.weight >= _LEAST_WEIGHT:
            made += [_line(phrase, chance) for _ in range(1 + (phrase.weight >= _SURE))]
    return made


def _line(phrase: Phrase, chance: random.Random) -> Example:
    words = [chance.choice(choice) for choice in phrase.parts]
    latin = words[0][0].isascii() and words[0][0].isalpha()
    said = (" " if latin else "").join(_joined(word, latin) for word in words)
    frames: Sequence[str] = (_LATIN_FRAMES if latin else _FRAMES).get(phrase.kind, ("{phrase}",))
    text = chance.choice(frames).format(phrase=said, place=chance.choice(_PLACES))
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
