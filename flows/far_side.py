"""Who is on the far side of an answered leg: a person, a queue, or a machine that refuses. Pure.

A SIP 200 says that something answered. Only words tell what: a recorded announcement is known
by its phrases (`data/announcements.toml`), found by sound; what is none of them is a person, as
soon as it can be told: by words that give the other side the turn (请讲), by the pause after a
greeting, or by a stretch of speech too long for an announcement to hide in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path

from asr import phonetics

DEFAULT_FILE = Path(__file__).with_name("data") / "announcements.toml"

PAUSE_S = 0.7
"""Silence after which a greeting is over; commas of announcements are shorter."""

FORMAL_PAUSE_S = 1.2
"""The same after words that announcements too begin with."""

TURN_PAUSE_S = 0.2
"""The same after words that give us the turn: 请讲."""

SPEECH_S = 2.5
"""Speech without a pause in which nothing of an announcement was heard."""

FORMAL_SPEECH_S = 7.0
"""The same after words that announcements too begin with."""

VOICE_S = 0.4
"""Voice that counts as a person where nothing tells words."""

WORDLESS_S = 5.0
"""Voice without understandable words that counts as a person all the same."""

WORDLESS_PAUSE_S = 1.5
"""Silence after a short call that no word was understood of: music does not wait so long."""

LEAST_VOICE_S = 0.25
"""Voice in the shortest greeting: 喂."""

NEWEST = 40
"""Syllables of an utterance that are looked at: ten seconds."""


class Who(StrEnum):
    """What is known about the far side."""

    UNDECIDED = "undecided"
    PERSON = "person"
    QUEUE = "queue"
    """An announcement after which somebody may come."""
    REFUSED = "refused"
    """An announcement after which nobody will."""


@dataclass(frozen=True, slots=True)
class Verdict:
    who: Who
    reason: str = ""
    """Of a refusal: ``busy`` | ``no_answer`` | ``unavailable``; else the phrase or the rule."""


@dataclass(frozen=True, slots=True)
class FarSideHeard:
    """One utterance of the far side so far.

    Parameters:
        syllables: what an ear understood of it; None where there is no ear.
        voice_s: seconds of voice in it, tones left out.
        pause_s: seconds of silence after it.
        early: it came before the far side answered: no person.
        queued: an announcement was heard before it.
    """

    syllables: tuple[str, ...] | None
    voice_s: float
    pause_s: float
    early: bool = False
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Announcements:
    """Phrases and what each is a sign of; all are looked for at once."""

    texts: tuple[str, ...]
    kinds: tuple[str, ...]
    patterns: phonetics.PatternSet
    limits: tuple[float, ...]


REFUSALS = ("busy", "no_answer", "unavailable")
KINDS = (*REFUSALS, "queue", "opening", "person")

UNDECIDED = Verdict(Who.UNDECIDED)


class AnnouncementError(ValueError):
    """A file of announcements that cannot be used; the message names the place."""


@cache
def load_announcements(path: Path = DEFAULT_FILE) -> Announcements:
    """Read a file of phrases.

    Raises:
        AnnouncementError: it cannot be read, lacks a table, or a phrase is too short.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AnnouncementError(f"{path}: it cannot be read: {error}") from error
    texts: list[str] = []
    kinds: list[str] = []
    for kind in KINDS:
        phrases = tables.get(kind, {}).get("phrases", ())
        if not phrases:
            raise AnnouncementError(f"{path}: there is no [{kind}] with phrases")
        least = 2 if kind == "person" else 3
        for text in phrases:
            if len(phonetics.to_syllables(text)) < least:
                raise AnnouncementError(f"{path}: [{kind}] {text} is too short to be sure of")
        texts += phrases
        kinds += [kind] * len(phrases)
    sounds = [phonetics.to_syllables(text) for text in texts]
    limits = tuple(_limit(len(syllables)) for syllables in sounds)
    return Announcements(tuple(texts), tuple(kinds), phonetics.PatternSet(sounds), limits)


def _limit(length: int) -> float:
    """How unlike a phrase may sound, a syllable: the shorter, the closer it must be."""
    return {2: 0.08, 3: 0.14, 4: 0.18}.get(length, 0.22)


@dataclass(frozen=True, slots=True)
class _Found:
    """What of an announcement, or of a person's turn, is in the words of an utterance."""

    refused: str = ""
    """The kind of the refusal that sounds most like it."""
    announced: str = ""
    given: str = ""
    """The words that give us the turn, where no announcement comes after them."""
    formal: bool = False


@lru_cache(maxsize=256)
def _found(stream: tuple[str, ...], path: Path) -> _Found:
    known = load_announcements(path)
    heard: dict[str, list[tuple[phonetics.Match, str]]] = {kind: [] for kind in KINDS}
    for index, match in known.patterns.find(stream, max_cost=known.limits):
        heard[known.kinds[index]].append((match, known.texts[index]))
    refused = [(match.cost, kind) for kind in REFUSALS for match, _ in heard[kind]]
    announced, given = _last(heard["queue"]), _last(heard["person"])
    return _Found(
        min(refused)[1] if refused else "",
        announced[1],
        given[1] if given[0] > announced[0] else "",
        bool(heard["opening"]),
    )


def _last(heard: Sequence[tuple[phonetics.Match, str]]) -> tuple[int, str]:
    """Where the last of them ends, and which it is."""
    return max(((match.end, text) for match, text in heard), default=(0, ""))


def judge(heard: FarSideHeard, path: Path = DEFAULT_FILE) -> Verdict:
    """Who it is, as far as this utterance tells; asked again whenever more of it is heard."""
    if heard.syllables is None:
        return Verdict(Who.PERSON, "voice") if _voice(heard) else UNDECIDED
    found = _found(heard.syllables[-NEWEST:], path)
    if found.refused:
        return Verdict(Who.REFUSED, found.refused)
    if heard.early:
        return UNDECIDED
    if found.given and heard.pause_s >= TURN_PAUSE_S:
        return Verdict(Who.PERSON, found.given)
    if found.announced:
        return Verdict(Who.QUEUE, found.announced)
    return _by_time(heard, formal=found.formal)


def _voice(heard: FarSideHeard) -> bool:
    return not heard.early and heard.voice_s >= VOICE_S


def _by_time(heard: FarSideHeard, *, formal: bool) -> Verdict:
    assert heard.syllables is not None
    words = len(heard.syllables)
    if heard.voice_s >= LEAST_VOICE_S and words:
        if heard.pause_s >= (FORMAL_PAUSE_S if formal else PAUSE_S):
            return Verdict(Who.PERSON, "greeting")
        if heard.voice_s >= (FORMAL_SPEECH_S if formal else SPEECH_S) and words >= heard.voice_s:
            return Verdict(Who.PERSON, "speech")
    if heard.queued:
        return UNDECIDED
    called = not words and heard.voice_s >= VOICE_S and heard.pause_s >= WORDLESS_PAUSE_S
    if called or heard.voice_s >= max(WORDLESS_S, words):
        return Verdict(Who.PERSON, "voice")
    return UNDECIDED
