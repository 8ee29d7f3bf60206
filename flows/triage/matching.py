"""Phrases in a stream: put together from atoms, and discounted by the guards round them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from flows.triage.atoms import ExactIndex, Place, Places, SoundIndex, readings, toneless
from flows.triage.phrasebook import Guard, Phrase, Phrasebook
from flows.triage.tokens import Units

GAP = 8
"""Units that may lie between two parts of a phrase."""
WINDOW = 12
"""How far a clause reaches, in units, where nothing was punctuated."""

_LEAST_SYLLABLES = 3
"""What a phrase of several parts needs to count by sound alone."""
_SOUND_TRUST = 0.8
"""What a perfect match by sound is worth beside one by characters."""

Parts = tuple[frozenset[int], ...]


class Hit(NamedTuple):
    """A phrase at ``[start, end)`` of a stream.

    Attributes:
        trust: 1 by characters, less by sound.
        keep: what the guards in its clause leave of it, 0..1.
        guards: their names.
    """

    phrase: Phrase
    start: int
    end: int
    trust: float
    keep: float
    guards: tuple[str, ...]


class GuardPlace(NamedTuple):
    guard: Guard
    start: int
    end: int


class Matcher:
    """A phrase table prepared for matching; immutable once made."""

    def __init__(self, book: Phrasebook) -> None:
        self._phrases = book.phrases
        numbers: dict[Units, int] = {}

        def compiled(parts: Sequence[Sequence[Units]]) -> Parts:
            return tuple(
                frozenset(numbers.setdefault(atom, len(numbers)) for atom in choice)
                for choice in parts
            )

        self._parts = [compiled(phrase.parts) for phrase in book.phrases]
        heard = list(numbers)
        self._guard_words = [
            (guard, compiled(word)) for guard in book.guards for word in guard.words
        ]
        self._guards_by_first = _by_first(parts for _, parts in self._guard_words)
        self._unless = {
            guard.name: [compiled(((word,),)) for word in guard.unless] for guard in book.guards
        }
        self._across = {
            guard.name: guard.across.union(*(_spoken((unit,), 1) for unit in guard.across))
            for guard in book.guards
        }
        self._by_first = _by_first(self._parts)
        self._exact = ExactIndex(list(numbers))
        self._sound = SoundIndex(heard)
        # Guards are heard too, but only by exactly their syllables: they take evidence away.
        self._spoken = ExactIndex([_spoken(atom) for atom in numbers])

    def read(self, units: Units, clauses: Sequence[int]) -> tuple[list[Hit], list[GuardPlace]]:
        """All phrases by characters, and the guards."""
        places = self._exact.find(units)
        guards = list(self._guards(places))
        hits = [
            self._hit(self._phrases[index], place, 1.0, guards, clauses, units)
            for index, place in self._assembled(places)
        ]
        return hits, guards

    def hear(self, stream: Sequence[str]) -> tuple[list[Hit], list[GuardPlace]]:
        """Phrases by sound, each once, and the guards."""
        plain = toneless(stream)
        guards = list(self._guards(self._spoken.find(plain)))
        best: dict[int, Hit] = {}
        for index, place in self._assembled(self._sound.find(stream)):
            phrase = self._phrases[index]
            least = _LEAST_SYLLABLES if len(phrase.parts) > 1 else 2
            if not phrase.sound or place.end - place.start < least:
                continue
            trust = _SOUND_TRUST * (1.0 - 2.0 * place.cost)
            hit = self._hit(phrase, place, trust, guards, None, plain)
            if index not in best or best[index].trust * best[index].keep < trust * hit.keep:
                best[index] = hit
        return list(best.values()), guards

    def _assembled(self, places: Mapping[int, Sequence[Place]]) -> Iterator[tuple[int, Place]]:
        """(number of the phrase, where it stands) for every phrase that is complete."""
        for atom, firsts in places.items():
            for index in self._by_first.get(atom, ()):
                for first in firsts:
                    whole = _follow(self._parts[index][1:], first, places)
                    if whole is not None:
                        yield index, whole

    def _guards(self, places: Places) -> Iterator[GuardPlace]:
        for atom, firsts in places.items():
            for index in self._guards_by_first.get(atom, ()):
                guard, parts = self._guard_words[index]
                for first in firsts:
                    whole = _follow(parts[1:], first, places)
                    if whole is not None and not self._excepted(guard, whole, places):
                        yield GuardPlace(guard, whole.start, whole.end)

    def _excepted(self, guard: Guard, at: Place, places: Places) -> bool:
        return any(
            place.start < at.end and at.start < place.end
            for parts in self._unless[guard.name]
            for atom in parts[0]
            for place in places.get(atom, ())
        )

    def _hit(
        self,
        phrase: Phrase,
        place: Place,
        trust: float,
        guards: Sequence[GuardPlace],
        clauses: Sequence[int] | None,
        stream: Units,
    ) -> Hit:
        names: dict[str, float] = {}
        for guard, start, end in guards:
            if phrase.kind not in guard.kinds:
                continue
            across = self._across[guard.name] if guard.across else None
            between = None if across is None else across.issuperset(stream[end : place.start])
            if _applies(guard, start, end, place, clauses, between):
                names[guard.name] = guard.keep
        keep = 1.0
        for value in names.values():
            keep *= value
        return Hit(phrase, place.start, place.end, trust, keep, tuple(names))


def _by_first(compiled: Iterable[Parts]) -> dict[int, list[int]]:
    """Numbers of the phrases by the atoms that they can begin with."""
    index: dict[int, list[int]] = {}
    for number, parts in enumerate(compiled):
        for atom in parts[0]:
            index.setdefault(atom, []).append(number)
    return index


def _spoken(atom: Units, least: int = 2) -> Units:
    spoken = readings(atom)
    return toneless(spoken[0]) if spoken and len(spoken[0]) >= least else ()


def _follow(parts: Parts, first: Place, places: Mapping[int, Sequence[Place]]) -> Place | None:
    """The nearest continuation of `first` by the remaining parts."""
    end, cost = first.end, first.cost * (first.end - first.start)
    for choice in parts:
        later = [
            place
            for atom in choice
            for place in places.get(atom, ())
            if end <= place.start <= end + GAP
        ]
        if not later:
            return None
        nearest = min(later, key=lambda place: (place.start, -place.end))
        cost += nearest.cost * (nearest.end - nearest.start)
        end = nearest.end
    return Place(first.start, end, cost / max(end - first.start, 1))


def _applies(
    guard: Guard,
    start: int,
    end: int,
    place: Place,
    clauses: Sequence[int] | None,
    between: bool | None,
) -> bool:
    """`between`: whether only the guard's own fillers lie before the phrase; None: it has none."""
    if guard.scope == "over":
        return start <= place.start and place.end <= end
    together = clauses is None or clauses[start] == clauses[place.start]
    if guard.scope == "before":
        if not together or start >= place.start:
            return False
        if between is None:
            return place.start - 2 <= end <= place.start
        return end > place.start or (between and place.start - end <= GAP)
    if guard.scope == "clause":
        return (together and start <= place.end + WINDOW and end >= place.start - WINDOW) or (
            start < place.end and place.start < end
        )
    return False
