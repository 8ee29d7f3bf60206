"""What the phrases say about one turn, over everything that was heard of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.phonetics import to_syllables
from flows.triage.assessment import Turn
from flows.triage.atoms import BREAK
from flows.triage.content import Frames
from flows.triage.matching import GuardPlace, Hit, Matcher
from flows.triage.phrasebook import Phrase, Phrasebook
from flows.triage.tokens import Units, tokens

_ALTERNATIVE_TRUST = 0.85
_MOST_ALTERNATIVES = 4
_PRESENT = "present"
"""The topic of words like 正在, which make past or questioning words count for less."""
_REQUEST_TRUST = 0.7
_REQUEST_SYLLABLES = 3
"""A request is believed by sound alone if it is this long and sounds this exact."""
_LEAST_KEPT = 0.12
SENTENCE = 7
"""Units of content that can be judged without a phrase of danger."""
NAMED = 0.3
"""Strength from which a phrase names its matter; 快点, 正在 and the like have less."""

_REQUESTS = {"request_police": "police", "request_human": "human"}


class Strength(NamedTuple):
    """A phrase that was found, how much it counts (0..1) in its clause and in the turn, what
    speaks against it, and the words as they were heard."""

    phrase: Phrase
    local: float
    whole: float
    guards: tuple[str, ...]
    words: str


class _Best(NamedTuple):
    """The best place of a phrase over everything heard of the turn."""

    hit: Hit
    trust: float
    words: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One turn by its phrases.

    Attributes:
        strengths: the phrases found, strongest first.
        danger: 0..1, grows with every danger phrase and never falls by one.
        request: ``police``, ``human`` or None.
        length: units of the text, or syllables where there is none.
        content: those of them that tell something of the matter (`flows.triage.content`).
        features: float32 (n,), as `PhraseReader.names` lists them.
    """

    strengths: tuple[Strength, ...]
    danger: float
    request: str | None
    length: int
    content: int
    features: NDArray[np.float32]

    @property
    def decides(self) -> bool:
        """Whether it can be handed off on its own: words of danger, or enough to be judged.

        A few syllables are as often the beginning of something harmless: 在文昌 (买的房…).
        """
        return self.content >= SENTENCE or self.named("danger")

    def named(self, *kinds: str, least: float = NAMED) -> bool:
        """Whether a phrase of these kinds was said that nothing speaks against."""
        return bool(self.topics(*kinds, least=least))

    def topics(self, *kinds: str, least: float = NAMED) -> frozenset[str]:
        """What such phrases are about."""
        return frozenset(
            s.phrase.topic
            for s in self.strengths
            if s.phrase.kind in kinds and not s.guards and s.whole >= least
        )


class PhraseReader:
    """Reads turns by a phrase table; immutable, remembers the turns it has read."""

    def __init__(self, book: Phrasebook) -> None:
        self._matcher = Matcher(book)
        self._frames = Frames(book.frames)
        self._guards = {guard.name: guard for guard in book.guards}
        self._topics = {topic: index for index, topic in enumerate(book.topics)}
        self._dangers = {p.topic for p in book.phrases if p.kind == "danger"}
        self._turn_guards = [guard.name for guard in book.guards if guard.scope == "turn"]
        self.names: tuple[str, ...] = (
            *(f"topic:{name}" for name in self._topics),
            *(f"guard:{name}" for name in self._guards),
            *(f"danger despite:{name}" for name in self._turn_guards),
            "danger",
            "danger unguarded",
            "second danger",
            "request:police",
            "request:human",
            "length",
            "latin",
        )
        self.read = lru_cache(maxsize=2048)(self._read)

    def _read(self, turn: Turn) -> Reading:
        text = tokens(turn.text)
        hits: dict[Phrase, _Best] = {}
        written, guards = self._matcher.read(*text)
        in_text = {hit.phrase for hit in written}
        _keep_best(hits, (_Best(hit, 1.0, _quoted(hit, text.units)) for hit in written))
        for alternative in turn.alternatives[:_MOST_ALTERNATIVES]:
            other = tokens(alternative)
            found, _ = self._matcher.read(*other)
            _keep_best(
                hits,
                (
                    _Best(hit, _ALTERNATIVE_TRUST, _quoted(hit, other.units))
                    for hit in found
                    if hit.phrase not in in_text
                ),
            )
        heard, heard_guards = self._matcher.hear(_sounds(turn))
        _keep_best(
            hits,
            (
                _Best(hit, hit.trust, f"{hit.phrase.written.replace('*', '…')}（听音）")
                for hit in heard
                if hit.phrase not in in_text
            ),
        )
        return self._weigh(turn, hits, guards if text.units else heard_guards)

    def _weigh(
        self,
        turn: Turn,
        hits: dict[Phrase, _Best],
        guards: list[GuardPlace],
    ) -> Reading:
        present = any(phrase.topic == _PRESENT for phrase in hits)
        keeps = {
            place.guard.name: (1.0 + place.guard.keep) / 2 if present else place.guard.keep
            for place in guards
            if place.guard.scope == "turn"
        }
        strengths = []
        for phrase, (hit, trust, words) in hits.items():
            local = phrase.weight * trust * hit.keep
            whole, names = local, hit.guards
            if phrase.kind == "danger":
                for keep in keeps.values():
                    whole *= keep
                whole = max(whole, local * _LEAST_KEPT)
                names += tuple(keeps)
            strengths.append(Strength(phrase, local, whole, names, words))
        strengths.sort(key=lambda s: -s.whole)
        by_topic = _strongest((s.phrase.topic, s.local) for s in strengths)
        dangers = _strongest(
            (s.phrase.topic, s.whole) for s in strengths if s.phrase.kind == "danger"
        )
        request = _request(hits)
        local_guards = {name for s in strengths for name in s.guards}
        features = self._features(turn, by_topic, dangers, keeps, local_guards, request)
        units = tokens(turn.text).units
        content = self._frames.content(units, turn.syllables)
        length = len(units) or len(turn.syllables)
        danger = _either(dangers.values())
        return Reading(tuple(strengths), danger, request, length, content, features)

    def _features(
        self,
        turn: Turn,
        by_topic: dict[str, float],
        dangers: dict[str, float],
        keeps: dict[str, float],
        local_guards: set[str],
        request: str | None,
    ) -> NDArray[np.float32]:
        ordered = [*sorted(dangers.values(), reverse=True), 0.0, 0.0]
        unguarded = max((by_topic.get(topic, 0.0) for topic in dangers), default=0.0)
        units = tokens(turn.text).units
        latin = sum(unit[0].isascii() and unit[0].isalpha() for unit in units)
        length = len(units) or len(turn.syllables)
        return np.array(
            [
                *(by_topic.get(topic, 0.0) for topic in self._topics),
                *(float(name in keeps or name in local_guards) for name in self._guards),
                *(unguarded * (name in keeps) for name in self._turn_guards),
                _either(dangers.values()),
                unguarded,
                ordered[1],
                float(request == "police"),
                float(request == "human"),
                min(length, 60) / 60,
                latin / max(len(units), 1),
            ],
            np.float32,
        )


def _sounds(turn: Turn) -> tuple[str, ...]:
    """All syllable streams of a turn, each once, with a break between them."""
    streams = [to_syllables(text) for text in (turn.text, *turn.alternatives[:_MOST_ALTERNATIVES])]
    joined: list[str] = []
    for stream in dict.fromkeys((*streams, turn.syllables)):
        if stream:
            joined += (*([BREAK] if joined else []), *stream)
    return tuple(joined)


def _quoted(hit: Hit, heard: Units) -> str:
    words = heard[hit.start : hit.end]
    return (" " if words[0].isascii() else "").join(words)


def _keep_best(hits: dict[Phrase, _Best], found: Iterable[_Best]) -> None:
    for new in found:
        known = hits.get(new.hit.phrase)
        if known is None or known.trust * known.hit.keep < new.trust * new.hit.keep:
            hits[new.hit.phrase] = new


def _request(hits: dict[Phrase, _Best]) -> str | None:
    """A request that nothing in its clause takes back; police before human."""
    asked = set()
    for phrase, (hit, trust, _) in hits.items():
        by_text = hit.trust == 1.0
        long_enough = hit.end - hit.start >= _REQUEST_SYLLABLES and trust >= _REQUEST_TRUST
        if phrase.kind in _REQUESTS and hit.keep == 1.0 and (by_text or long_enough):
            asked.add(_REQUESTS[phrase.kind])
    return min(asked, key=("police", "human").index, default=None)


def _strongest(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    best: dict[str, float] = {}
    for key, value in pairs:
        best[key] = max(value, best.get(key, 0.0))
    return best


def _either(chances: Iterable[float]) -> float:
    """1 - Π(1 - p): the chance that any of several independent signs is right."""
    rest = 1.0
    for chance in chances:
        rest *= 1.0 - chance
    return 1.0 - rest
