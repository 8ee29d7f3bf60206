"""One turn of the caller, as both ears heard it: frozen, each hypothesis makes a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.events import Ear, Heard
from flows.triage import Turn

UNKNOWN = "unknown"
"""No language that an engine is sure of."""


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """What was heard between two pauses."""

    number: int
    transcript: str = ""
    alternatives: tuple[str, ...] = ()
    syllables: tuple[str, ...] = ()
    start: float = 0.0
    end: float = 0.0
    transcribed: bool = False
    """The final text is in: the transcriber's, or what the listener heard, written by its sound."""
    listened: bool = False
    """The listener's final hypothesis is in."""
    ended: bool = False
    aside: bool = False
    """It answered the bot's question about danger and is no part of the caller's own."""
    asked: str = ""
    """What the bot had asked when it began (`flows.triage.assessment.Turn`)."""
    continues: bool = False
    """It goes on with the sentence before it, over a question not yet heard."""
    language: str = UNKNOWN
    """``zh`` | ``en`` | ``other`` | ``unknown``"""
    intelligible: float = 1.0
    """How far the ears agree that it was words, 0..1; 1 until both have told."""

    def hear(self, event: Heard) -> CallerTurn:
        """The turn with this hypothesis in it; a partial never replaces a final."""
        if event.ear is Ear.LISTENER:
            if self.listened and not event.final:
                return self
            heard = replace(
                self,
                syllables=event.syllables,
                start=event.start if not self.transcript else self.start,
                end=max(self.end, event.end),
                listened=event.final,
            )
            if not event.text or self.transcribed:
                return heard
            return replace(
                heard, transcript=event.text, alternatives=event.alternatives, transcribed=True
            )
        if self.transcribed and not event.final:
            return self
        return replace(
            self,
            transcript=event.text.strip(),
            alternatives=event.alternatives,
            start=event.start,
            end=max(self.end, event.end),
            transcribed=event.final,
            language=event.language,
            intelligible=event.intelligible,
        )

    def followed_by(self, later: CallerTurn) -> CallerTurn:
        """Both as one: a pause inside a sentence ends a turn, not the sentence."""
        return CallerTurn(
            later.number,
            self.transcript + later.transcript,
            tuple(self.transcript + reading for reading in later.alternatives),
            self.syllables + later.syllables,
            self.start,
            later.end,
            self.transcribed and later.transcribed,
            self.listened and later.listened,
            later.ended,
            asked=self.asked,
            continues=self.continues,
            language=_of_both(self.language, later.language),
            intelligible=max(self.intelligible, later.intelligible),
        )

    @property
    def words(self) -> str:
        """The transcript; the sounds in pinyin where there is none."""
        return self.transcript or " ".join(self.syllables)

    @property
    def empty(self) -> bool:
        return not self.transcript and len(self.syllables) < 2

    @property
    def to_triage(self) -> Turn:
        """In the form that triage reads."""
        return Turn(
            "caller",
            self.transcript,
            self.alternatives,
            self.syllables,
            self.start,
            asked=self.asked,
        )


def _of_both(one: str, other: str) -> str:
    """The language of two turns: that which is known; unknown if they differ."""
    named = {one, other} - {UNKNOWN}
    return named.pop() if len(named) == 1 else UNKNOWN
