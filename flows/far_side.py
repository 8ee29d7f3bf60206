"""Who is on the far side of an answered leg: a person, a queue, or a machine that refuses. Pure.

A SIP 200 says that something answered. Only words tell what: a recorded announcement is known
by its phrases (`data/announcements.toml`), found by sound; what is none of them is a person, as
soon as it can be told: by words that give the other side the turn (请讲), by the pause after a
greeting, or by a stretch of speech too long for an announcement to hide in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
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
class _Phrases:
    texts: tuple[str, ...]
    patterns: phonetics.PatternSet
    limits: tuple[float, ...]

    def find(self, stream: tuple[str, ...]) -> tuple[str, int] | None:
        """The phrase that is heard last in the stream, and where it ends."""
        found = self.patterns.find(stream, max_cost=self.limits)
        if not found:
            return None
        index, match = max(found, key=lambda each: each[1].end)
        return self.texts[index], match.end

    def nearest(self, stream: tuple[str, ...]) -> float | None:
        """The cost of the phrase that sounds most like a part of the stream; None for none."""
        found = self.patterns.find(stream, max_cost=self.limits)
        return 1.0 + found[0][1].cost if found else None


Announcements = Mapping[str, _Phrases]

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
    result = {}
    for kind in KINDS:
        texts = tuple(tables.get(kind, {}).get("phrases", ()))
        if not texts:
            raise AnnouncementError(f"{path}: there is no [{kind}] with phrases")
        sounds = [phonetics.to_syllables(text) for text in texts]
        least = 2 if kind == "person" else 3
        for text, syllables in zip(texts, sounds, strict=True):
            if len(syllables) < least:
                raise AnnouncementError(f"{path}: [{kind}] {text} is too short to be sure of")
        limits = tuple(_limit(len(syllables)) for syllables in sounds)
        result[kind] = _Phrases(texts, phonetics.PatternSet(sounds), limits)
    return result


def _limit(length: int) -> float:
    """How unlike a phrase may sound, a syllable: the shorter, the closer it must be."""
    return {2: 0.08, 3: 0.14, 4: 0.18}.get(length, 0.22)


def judge(heard: FarSideHeard, announcements: Announcements | None = None) -> Verdict:
    """Who it is, as far as this utterance tells; asked again whenever more of it is heard."""
    if heard.syllables is None:
        return Verdict(Who.PERSON, "voice") if _voice(heard) else UNDECIDED
    known = announcements if announcements is not None else load_announcements()
    stream = heard.syllables[-NEWEST:]
    refused = [(found, kind) for kind in REFUSALS if (found := known[kind].nearest(stream))]
    if refused:
        return Verdict(Who.REFUSED, min(refused)[1])
    if heard.early:
        return UNDECIDED
    announced = known["queue"].find(stream)
    given = known["person"].find(stream)
    if (
        given is not None
        and (announced is None or announced[1] < given[1])
        and heard.pause_s >= TURN_PAUSE_S
    ):
        # Words that give us the turn, after all that was announced.
        return Verdict(Who.PERSON, given[0])
    if announced is not None:
        return Verdict(Who.QUEUE, announced[0])
    return _by_time(heard, formal=known["opening"].find(stream) is not None)


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
    if heard.voice_s >= max(WORDLESS_S, words) and not heard.queued:
        return Verdict(Who.PERSON, "voice")
    return UNDECIDED
