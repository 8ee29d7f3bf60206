"""An answer as a caller would hear it, whether it is spoken yet or still being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb.errors import FormRefused
from kb.importer import LONGEST_ANSWER, unspeakable
from kb.regions import PROVINCE
from kb.slots import Slot, fault, fill
from voicebot.call.audio_check import Finding, findings, measure
from voicebot.call.voices.baker import syllables
from voicebot.call.voices.reading import clauses, spoken
from voicebot.clock import today
from voicebot.knowledge_speech import CHECKED_RATE

if TYPE_CHECKING:
    from voicebot.call.audio_library import AudioLibrary


@dataclass(frozen=True, slots=True)
class Listening:
    """Rendered audio by its name, what is said in it, and what is amiss with it."""

    audio: str
    text: str
    reading: str
    seconds: float
    findings: tuple[Finding, ...]


def text_for(answer: str, region: str, known: Sequence[Slot]) -> str:
    """The answer as it is said at a place (a GB/T 2260 code; empty: the province).

    Raises:
        FormRefused: it cannot be spoken; which part of it, and why.
    """
    if len(answer) > LONGEST_ANSWER:
        raise FormRefused(f"answer: has {len(answer)} characters, at most {LONGEST_ANSWER}.")
    reason = fault(answer) or unspeakable(answer)
    if reason or not answer.strip():
        raise FormRefused(f"answer: {reason or 'is empty'}.")
    filled = fill(answer, known, region or PROVINCE, today())
    if filled is None:
        raise FormRefused("answer: a slot in it has no value for this place, so nobody hears it.")
    if not any(syllables(clause.text) for clause in clauses(filled)):
        raise FormRefused("answer: holds no words.")
    return filled


def rendered(library: AudioLibrary, text: str) -> Listening:
    """The text as audio; blocks for a second or more where it is new.

    Raises:
        SpeechUnavailable: it cannot be spoken.
    """
    speech = library.get(text, CHECKED_RATE)
    return Listening(
        library.name(text, CHECKED_RATE),
        text,
        spoken(text),
        measure(speech, text).seconds,
        findings(speech, text),
    )
