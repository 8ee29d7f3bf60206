"""Marks for readers: by pauses where times are known, by the words that open a clause, and by how
Mandarin asks (吗 and 呢, A-not-A, question words that are not indefinite, as in 谁都, 没什么).

Rules, since no punctuation model with weights is packaged; a wrong mark costs a reader little and
a missing one less, so a comma without a pause is only where hardly anything else can stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from asr.hypothesis import Word
from asr.normalisation.figures import written
from asr.normalisation.rewriting import Rewrite, Written

COMMA_PAUSE_S = 0.35
"""A silence between two words that a reader takes for a comma."""
SENTENCE_PAUSE_S = 0.8
"""A silence after an utterance that ends the sentence; after a shorter one it may go on."""

_MARKS = frozenset("，。！？、；：,.!?;:…")
_HANZI = re.compile(r"[\u3400-\u9fff]")

_GREETING = re.compile(r"(?:喂|你好|您好|好的|是这样的)+")
_OPENS_A_CLAUSE = re.compile(
    r"(?<![是就也都的了不])(?:但是|可是|不过(?![去来关])|所以(?!然)|因为|而且|然后|如果|要是|否则|"
    r"就是(?=[路说想没有我他]))|(?<=了)(?:但是|可是|所以|因为|而且|然后|如果|要是|结果)"
)
_SHORTEST_CLAUSE = 4

_ASKS_AT_THE_END = re.compile(r"(?:吗|[了过]没有|好不好|对不对|是不是|是吧)\Z")
_ENDS_WITH_NE = re.compile(r"(?<!着)呢\Z")
_STILL = re.compile(r"[还正才可]")
_CHOICE = re.compile(r"([是有能可会要行对好管肯给算让用该去来])[不没]\1|可不可以|愿不愿意|需不需要")
_QUESTION_WORD = re.compile(
    r"什么|怎么|怎样|咋|啥|哪|谁|何时|如何|为何|多少|多久|多长|多大|多远|几(?=[点号天个时岁楼路月年次位])"
)
_INDEFINITE = re.compile(
    r"(?:没有?|不是|不用|不要|不能)(?:什么|多少|谁|几)|(?:什么|怎么|哪|谁|多少).{0,5}[都也]|"
    r"随便|(?<!管)不管|无论|不论|好几|十几|(?P<again>什么|怎么样?|哪里?|谁|多少).*就(?:.*(?P=again)|行|可以)"
)
_NOT_ASKED = re.compile(r"不知道|不清楚|不晓得|不懂|告诉我|问[他她你们过了]|搞不清|说不清")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said in one breath; times in seconds on the call's or the recording's clock."""

    text: str
    start: float = 0.0
    end: float = 0.0
    words: tuple[Word, ...] = ()
    """Their times, where the engine gives them; used if together they are ``text``."""


def punctuated(utterances: Sequence[Utterance]) -> tuple[Written, ...]:
    """Each utterance of one speaker with its numbers in figures and with marks.

    Joined they read as a paragraph. Marks that are there already are left alone, and what is not
    Chinese gets none. An utterance without times is a sentence.
    """
    return tuple(
        written(utterance.text).and_then(_marks(utterance, following))
        for utterance, following in zip_longest(utterances, utterances[1:])
    )


def asks(clause: str) -> bool:
    """Whether a clause without marks is a question to whoever listens."""
    if _ASKS_AT_THE_END.search(clause):
        return True
    if _NOT_ASKED.search(clause):
        return False
    if _CHOICE.search(clause) or _QUESTION_WORD.search(clause):
        return _INDEFINITE.search(clause) is None
    return _ENDS_WITH_NE.search(clause) is not None and _STILL.search(clause) is None


def _marks(utterance: Utterance, following: Utterance | None) -> Iterator[Rewrite]:
    text = utterance.text
    if not _HANZI.search(text):
        return
    commas = sorted({*_pauses(utterance), *_clauses(text)})
    commas = [place for place in commas if _free(text, place)]
    for place in commas:
        yield Rewrite(place, place, "，")
    end = len(text.rstrip())
    if text[end - 1] in _MARKS:
        return
    last = re.split(f"[{''.join(_MARKS)}]", text[commas[-1] if commas else 0 : end])[-1]
    goes_on = following is not None and 0 < following.start - utterance.end < SENTENCE_PAUSE_S
    yield Rewrite(end, end, "？" if asks(last) else "，" if goes_on else "。")


def _pauses(utterance: Utterance) -> Iterator[int]:
    """Where a silence between two words falls in the text."""
    if "".join(word.text for word in utterance.words) != utterance.text:
        return
    place = 0
    for word, following in zip(utterance.words, utterance.words[1:], strict=False):
        place += len(word.text)
        if following.start - word.end >= COMMA_PAUSE_S:
            yield place


def _clauses(text: str) -> Iterator[int]:
    """Where a clause begins without doubt: after a greeting, before 但是, 因为, 所以 and such."""
    begun = 0
    if (greeting := _GREETING.match(text)) and len(text) - greeting.end() > 1:
        begun = greeting.end()
        yield begun
    for opening in _OPENS_A_CLAUSE.finditer(text):
        if opening.start() - begun >= _SHORTEST_CLAUSE:
            begun = opening.start()
            yield begun


def _free(text: str, place: int) -> bool:
    """Between two characters neither of which is a mark."""
    return 0 < place < len(text) and not {text[place - 1], text[place]} & _MARKS
