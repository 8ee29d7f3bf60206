"""What triage reads and what it says: plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROUTES = ("110_now", "110", "12345", "neither")
"""Where a call can go; `TRIAGE_RUBRIC.md` says when."""

LINES = ("119", "120", "122", "12395", "power", "water", "gas", "railway")
"""Other lines that may be brought in."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, as both ears heard it; a partial hypothesis has the same form.

    Attributes:
        side: ``caller`` or ``bot``; only the caller's words are evidence.
        text: hanzi from the transcriber; empty where only the listener heard it.
        alternatives: the transcriber's other readings, best first.
        syllables: toned pinyin from the listener, ``("zhao2", "huo3", "le5")``.
        start: seconds since the call was answered.
        asked: what the bot had asked when this turn of the caller began: ``place``, ``name``,
            ``number``, ``danger``, ``more`` (anything else?), or empty.
    """

    side: str
    text: str
    alternatives: tuple[str, ...] = ()
    syllables: tuple[str, ...] = ()
    start: float | None = None
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for an assessment.

    Attributes:
        kind: ``danger``, ``police_request``, ``human_request``, ``police_matter``,
            ``classifier``, ``retraction`` (a danger told before is denied or taken back; it
            cancels nothing).
        detail: the phrase or the figure, in words fit for a transcript or dossier.
        weight: how much it counted; negative where it lowers the danger.
        turn: index in the turns given (0-based).
    """

    kind: str
    detail: str
    weight: float
    turn: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the words mean so far, and what to do about it.

    Attributes:
        route: best of `ROUTES`; with action ``ask`` the result if the question stays
            unanswered.
        probabilities: calibrated, one for each of `ROUTES`, sum 1.
        action: ``handoff`` (to 110, urgent or ordinary by `route`), ``ask`` (one closed
            question about danger), ``continue``.
        category: 1-7 of the plan's annex 2 where the route is ``110_now`` or ``110``.
        lines: members of `LINES` to bring in.
        flags: ``extremism``, ``revenge``, ``gathering``, ``coerced``, ``child``, …
        evidence: strongest first.
        region: GB/T 2260 code of the place last named, if any.
        request: ``police`` or ``human`` where the caller asked for one.
    """

    route: str
    probabilities: Mapping[str, float]
    action: str
    category: int | None = None
    lines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = field(default=())
    region: str | None = None
    request: str | None = None
