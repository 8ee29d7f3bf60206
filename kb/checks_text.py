"""What is wrong with one entry by itself: too long to speak, unreadable, unsourced, expiring."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from asr import phonetics
from kb.checks import Finding, Severity
from kb.entry import Entry
from kb.importer import TOLERATED_WORDS
from kb.slots import bare, texts

SYLLABLES_PER_S = 5.15
"""The packaged voice, measured on eight answers of the demonstration (14.9 to 18.5 s each)."""
PAUSES_S = {"。": 0.4, "！": 0.4, "？": 0.4, "；": 0.3, "：": 0.25, "，": 0.2, "、": 0.1}
"""Its pauses, by the mark that they follow."""
LONG_S = 30.0
TOO_LONG_S = 40.0
SOON_DAYS = 30
_PLACEHOLDERS = frozenset({"演示口径", "待补", "待定", "无", "暂无", "略", "-", "/", "tbd"})
_LETTERS = re.compile(r"[A-Za-z\u00c0-\u024f]+")
_READ = frozenset("%‰℃㎡￥¥$€+-~～—–·.,:;!?()\"'“”‘’《》〈〉〔〕【】（）「」、，。；：！？…/<> \n")
"""Signs that the voice pauses at or reads out."""
_LINKS = Path(__file__).parent / "data" / "dead_links.toml"


def check_texts(
    entries: Sequence[Entry], on: date, *, soon_days: int = SOON_DAYS
) -> Iterator[Finding]:
    """Findings of every entry by itself."""
    for entry in entries:
        heard = replace(entry, answer=_longest(entry, on))
        yield from _too_long(heard)
        yield from _unreadable(heard)
        yield from _source(entry)
        yield from _expires(entry, on, soon_days)
        yield from _links(entry)


def _longest(entry: Entry, on: date) -> str:
    """The longest that callers may hear of the answer, whatever its slots are filled with."""
    filled = texts(entry.answer, entry.region, entry.slots, on)
    return max(filled, key=len, default=bare(entry.answer))


def speaking_seconds(text: str) -> float:
    """About how long the packaged voice takes to say `text`."""
    syllables = len(phonetics.to_syllables(text)) + sum(
        len(word) for word in _LETTERS.findall(text)
    )
    return syllables / SYLLABLES_PER_S + sum(PAUSES_S.get(mark, 0.0) for mark in text)


def _too_long(entry: Entry) -> Iterator[Finding]:
    seconds = speaking_seconds(entry.answer)
    if seconds > LONG_S:
        yield Finding(
            "too_long",
            Severity.ERROR if seconds > TOO_LONG_S else Severity.WARNING,
            entry.id,
            f"答复约要说 {seconds:.0f} 秒，来电人听不完（上限 {LONG_S:.0f} 秒）",
            "先说结论，把次要的内容拆成另一条，或者放到办理渠道里",
        )


def _unreadable(entry: Entry) -> Iterator[Finding]:
    words = [w for w in _LETTERS.findall(entry.answer) if w.lower() not in TOLERATED_WORDS]
    if words:
        yield Finding(
            "unreadable",
            Severity.ERROR,
            entry.id,
            f"语音读不了外文：{'、'.join(dict.fromkeys(words))}",
            "改写成中文",
        )
    signs = [c for c in entry.answer if _sign(c)]
    if signs:
        yield Finding(
            "unreadable",
            Severity.ERROR,
            entry.id,
            f"语音读不了符号：{' '.join(dict.fromkeys(signs))}",
            "删掉，或者写成文字",
        )
    unknown = [c for c in entry.answer if _hanzi(c) and not phonetics.to_syllables(c)]
    if unknown:
        yield Finding(
            "unreadable",
            Severity.ERROR,
            entry.id,
            f"没有读音的字：{' '.join(dict.fromkeys(unknown))}",
            "换成同音字或者常用字",
        )


def _source(entry: Entry) -> Iterator[Finding]:
    source = entry.source.strip()
    if not source:
        yield Finding("missing_source", Severity.WARNING, entry.id, "没有写依据", "补上政策依据")
    elif source.lower() in _PLACEHOLDERS:
        yield Finding(
            "missing_source", Severity.NOTE, entry.id, f"依据只写了“{source}”", "补上政策依据"
        )


def _expires(entry: Entry, on: date, soon_days: int) -> Iterator[Finding]:
    left = (entry.valid_to - on).days
    if left < 0:
        yield Finding(
            "expires_soon",
            Severity.ERROR,
            entry.id,
            f"有效期已于 {entry.valid_to} 结束，来电人听不到这条答复",
            "核对内容后延长有效期，或者下线",
        )
    elif left <= soon_days:
        yield Finding(
            "expires_soon",
            Severity.WARNING,
            entry.id,
            f"有效期还剩 {left} 天（{entry.valid_to}）",
            "请责任部门核对内容，延长有效期",
        )


def _links(entry: Entry) -> Iterator[Finding]:
    for field, name in (("answer", "答复"), ("source", "依据"), ("channel", "渠道")):
        for pattern, reason, advice in _patterns():
            found = pattern.search(getattr(entry, field))
            if found:
                spoken = field == "answer"
                yield Finding(
                    "dead_link",
                    Severity.ERROR if spoken else Severity.WARNING,
                    entry.id,
                    f"{name}里有{reason}：{found[0]}",
                    advice,
                )
                break


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    links = tomllib.loads(_LINKS.read_text("utf-8"))["link"]
    return tuple((re.compile(x["pattern"]), x["reason"], x["advice"]) for x in links)


def _hanzi(character: str) -> bool:
    return character == "〇" or unicodedata.name(character, "").startswith("CJK UNIFIED")


def _sign(character: str) -> bool:
    """Neither hanzi, letter, figure nor a sign that is read."""
    if (character.isascii() and character.isalnum()) or character in _READ or _hanzi(character):
        return False
    return unicodedata.category(character)[0] not in "LN" or not _LETTERS.match(character)
