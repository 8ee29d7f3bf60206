"""From what was heard turn by turn to one assessment of the conversation.

Danger is the worst of the turns, and of the conversation taken as a whole. A doubt in an earlier
turn is lowered by what was explained since; a danger that was plain when it was said stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import LINES, ROUTES, Assessment
from flows.triage.calibration import POLICE, URGENT, Calibration, log_odds, with_urgent
from flows.triage.classifier import CATEGORIES, VOICES, sigmoid
from flows.triage.evidence import evidence
from flows.triage.heard import Heard
from flows.triage.reading import SENTENCE, Reading, Strength

_QUIET = 0.4
"""Share of the probability to ask at: a turn below it adds no danger of its own."""
_SHORT_OF = 0.05
"""Log-odds by which a fragment stays below the hand-off: it is asked about."""
_MATTER = 3
"""Units of content in which a matter of the police can have been told."""
_LINE_LIKELY = 0.5
_LINE_PHRASE = 0.45
"""Strength from which a phrase alone brings its lines in."""
_FLAG_PHRASE = 0.3
_VOICE_LIKELY = 0.6
_PLAIN_LENGTH = 10
_PLAIN_STRENGTH = 0.75
"""On the training lines, mostly hard ones, five such turns in six are an emergency."""
_TOLD_STRENGTH, _TOLD_LIKELY = 0.85, 0.5
"""Danger that sure phrases tell (`_told`) is called in from so much on: a classifier that has seen
many harmless sentences with frightening words is slower to be sure."""
_CRY_FOR_HELP = "help_request"
_CRY_LIKELY = 0.15
_CRY_SHORT = 8
"""救命 counts as a request when it is nearly all that was said, or danger is not unlikely:
within a complaint it is a figure of speech."""


def nothing_heard() -> Assessment:
    """The assessment of silence."""
    even = {"110_now": 0.02, "110": 0.03, "12345": 0.25, "neither": 0.7}
    return Assessment("neither", even, "continue")


def fuse(
    heard: Sequence[Heard], together: Heard, calibration: Calibration, region: str | None
) -> Assessment:
    """One assessment of all turns.

    Args:
        heard: the caller's turns in order, at least one.
        together: the conversation as a whole, without mere answers; the turn itself where there
            is one alone.
    """
    worst, odds = _worst(heard, together, calibration)
    spread = with_urgent(together.spread, odds)
    request = _request(heard, spread[URGENT], calibration)
    told = any(_told(one.reading, region) for one in heard)
    route, action = _decide(heard, spread, request, calibration, told=told)
    urgent = route == "110_now"
    strengths = [strength for one in heard for strength in one.reading.strengths]
    category = None
    if route in ("110_now", "110"):
        category = int(CATEGORIES[int((worst if urgent else together).scores("category").argmax())])
    return Assessment(
        route,
        {name: round(float(p), 4) for name, p in zip(ROUTES, spread, strict=True)},
        action,
        category,
        _lines(route, worst, together, strengths),
        _flags(urgent, together, strengths),
        evidence(heard, spread, calibration),
        region,
        request,
    )


def _worst(
    heard: Sequence[Heard], together: Heard, calibration: Calibration
) -> tuple[Heard, float]:
    """Where the danger is greatest, and its log-odds."""
    sure = log_odds(calibration.handoff)
    turns = [(one, _own_odds(one, calibration)) for one in heard]
    newest, newest_odds = turns[-1]
    most = max(odds for _, odds in turns)
    # What adds no danger of its own must not make more of what was said before.
    adds = newest.reading.named("danger") or newest_odds > log_odds(calibration.ask * _QUIET)
    whole = together.odds if adds and together.index < 0 else min(together.odds, most)
    worst, odds = together, whole
    for one, own in turns:
        if one is not newest and own < sure:
            own = (own + min(own, whole)) / 2
        if _plain_danger(one.reading):
            own = max(own, log_odds(calibration.ask))
        if own > odds or (own == odds and worst is together):
            worst, odds = one, own
    return worst, odds


def _own_odds(one: Heard, calibration: Calibration) -> float:
    """A turn's danger; a fragment without words of danger is asked about at most."""
    reading, odds, sure = one.reading, one.odds, log_odds(calibration.handoff)
    if reading.named("danger") and not one.answer:
        return odds
    told = reading.decides and odds >= sure if one.answer else reading.content > 0
    if not told:
        return min(odds, log_odds(calibration.ask * _QUIET))
    return odds if reading.decides else min(odds, sure - _SHORT_OF)


def _plain_danger(reading: Reading) -> bool:
    """Little more was said than a sure phrase, and nothing speaks against it: worth asking
    about whatever the classifier makes of it."""
    return reading.length <= _PLAIN_LENGTH and reading.named("danger", least=_PLAIN_STRENGTH)


def _told(reading: Reading, region: str | None) -> bool:
    """Danger of two kinds is named in a turn, or of one and where it is; nothing speaks against
    it."""
    topics = reading.topics("danger", least=_TOLD_STRENGTH)
    return len(topics) > 1 or (bool(topics) and region is not None)


def _request(heard: Sequence[Heard], urgent: float, calibration: Calibration) -> str | None:
    """Police if it was ever asked for; a human if it is asked for now."""
    for one in heard:
        if one.reading.request == "police" and _meant(one, urgent, calibration):
            return "police"
    return "human" if heard[-1].reading.request == "human" else None


def _meant(one: Heard, urgent: float, calibration: Calibration) -> bool:
    asked = [s for s in one.reading.strengths if s.phrase.kind == "request_police" and not s.guards]
    if any(s.phrase.topic != _CRY_FOR_HELP for s in asked):
        return True
    return one.reading.length <= _CRY_SHORT or urgent >= min(_CRY_LIKELY, calibration.ask)


def _decide(
    heard: Sequence[Heard],
    spread: NDArray[np.float64],
    request: str | None,
    calibration: Calibration,
    *,
    told: bool,
) -> tuple[str, str]:
    """(route, action). An ordinary matter goes to 110 only if something of it was told."""
    urgent = spread[URGENT]
    if request == "police":
        likely = urgent >= calibration.ask or urgent >= spread[POLICE]
        return ("110_now" if likely else "110"), "handoff"
    if urgent >= calibration.handoff or (told and urgent >= _TOLD_LIKELY):
        return "110_now", "handoff"
    if urgent >= calibration.ask:
        return "110_now", "ask"
    others = spread.copy()
    others[URGENT] = -1.0
    matters = [one.reading for one in heard if not one.answer]
    if not any(_tells(reading, _MATTER) for reading in matters):
        others[POLICE] = -1.0
    route = ROUTES[int(others.argmax())]
    sure = (
        route == "110"
        and spread[POLICE] >= calibration.police
        and any(_tells(reading, SENTENCE) for reading in matters)
    )
    return route, "handoff" if sure else "continue"


def _tells(reading: Reading, least: int) -> bool:
    """我要举报 alone is no matter of the police yet."""
    return reading.content >= least or reading.named("police", "danger")


def _lines(
    route: str, worst: Heard, together: Heard, strengths: Iterable[Strength]
) -> tuple[str, ...]:
    """Every line that is likely wanted; phrases of danger count where 110 goes out."""
    if route == "neither":
        return ()
    likely = np.maximum(sigmoid(worst.scores("lines")), sigmoid(together.scores("lines")))
    wanted = {line for line, p in zip(LINES, likely, strict=True) if p >= _LINE_LIKELY}
    if route == "110_now":
        for strength in strengths:
            if strength.whole >= _LINE_PHRASE:
                wanted.update(strength.phrase.lines)
    return tuple(line for line in LINES if line in wanted)


def _flags(urgent: bool, together: Heard, strengths: Iterable[Strength]) -> tuple[str, ...]:
    flags = [
        flag
        for strength in strengths
        if urgent and strength.whole >= _FLAG_PHRASE
        for flag in strength.phrase.flags
    ]
    voices = sigmoid(together.scores("voice"))
    flags += [voice for voice, p in zip(VOICES, voices, strict=True) if p >= _VOICE_LIKELY]
    return tuple(dict.fromkeys(flags))
