"""``voicebot triage --input X.jsonl --output Y.jsonl``: many conversations, one a line.

In: ``{"id", "text"}`` or ``{"id", "turns": [{"side", "text", "start"?, "alternatives"?,
"syllables"?}]}``. Out: see `result`. A bad row does not stop the good ones.

Each conversation is gone through turn by turn, as a call is: a hand-off, once made, stands; a
doubt stands until the caller answers the bot's question about danger with a clear no.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.denial import clear_no
from flows.triage.asked import asked_by
from flows.triage.assessment import Assessment, Turn
from flows.triage.cases import syllables_of
from flows.triage.errors import InputError
from flows.triage.model import TriageModel

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_SETTLED = "settled"
"""Side of a caller's turn that is not heard any more."""
SIDES = ("caller", "bot", "agent")


@dataclass(frozen=True, slots=True)
class Row:
    id: str | int
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """`number` counts lines from 1; `error` says what is wrong and what was expected."""

    number: int
    error: InputError


def read_rows(lines: Iterable[str], field: str = "text") -> Iterator[Row | BadRow]:
    """The rows of a file, blank lines left out, bad ones in their place."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield parse_row(line, field)
        except InputError as error:
            yield BadRow(number, InputError(f"line {number}: {error}"))


def parse_row(line: str, field: str = "text") -> Row:
    """One row; `field` names the text of the short form.

    Raises:
        InputError: it is neither of the two forms.
    """
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"not valid JSON: {error}.") from error
    if not isinstance(row, dict):
        raise InputError('not an object; expected {"id", "text"} or {"id", "turns"}.')
    if not isinstance(row.get("id"), str | int) or isinstance(row.get("id"), bool):
        raise InputError("id is missing or neither text nor a number.")
    if "turns" in row:
        if not isinstance(row["turns"], list):
            raise InputError("turns must be a list.")
        turns = [_turn(number, turn) for number, turn in enumerate(row["turns"], 1)]
        return Row(row["id"], tuple(_with_questions(turns)))
    if not isinstance(row.get(field), str):
        raise InputError(f"{field} is missing or no text, and there are no turns.")
    return Row(row["id"], (Turn("caller", row[field]),))


def assess_rows(
    model: TriageModel, rows: Sequence[Row], embed: Embed | None
) -> list[dict[str, Any]]:
    """One result a row, in order; all texts are embedded in one batch."""
    seen = [turns for row in rows for view in _views(row) for turns in (view.whole, view.fresh)]
    texts = list(dict.fromkeys(text for turns in seen for text in model.texts(turns)))
    embeddings = dict(zip(texts, embed(texts), strict=True)) if embed and texts else {}
    return [_assess(model, row, embeddings) for row in rows]


def result(row: Row, assessment: Assessment, decided: int | None) -> dict[str, Any]:
    """The contract's output object.

    ``decided_after_turn`` and the ``turn`` of each piece of evidence count the caller's turns,
    from 1. ``decided_after_turn`` is the turn of the hand-off, or of the doubt that was never
    settled; null where there was neither.
    """
    callers = [index for index, turn in enumerate(row.turns) if turn.side == "caller"]
    count = {index: number for number, index in enumerate(callers, 1)}
    return {
        "id": row.id,
        "route": assessment.route,
        "category": assessment.category,
        "lines": list(assessment.lines),
        "probabilities": dict(assessment.probabilities),
        "action": assessment.action,
        "decided_after_turn": decided,
        "flags": list(assessment.flags),
        "evidence": [
            {"kind": e.kind, "detail": e.detail, "weight": e.weight, "turn": count[e.turn]}
            for e in assessment.evidence
        ],
        "region": assessment.region,
        "request": assessment.request,
    }


class _View(NamedTuple):
    """The conversation after one of the caller's turns.

    Attributes:
        fresh: what no clear no has settled; the other turns are left out of hearing.
        answer: None where the turn does not answer the question about danger; else whether it
            is a clear no.
    """

    whole: tuple[Turn, ...]
    fresh: tuple[Turn, ...]
    answer: bool | None


def _views(row: Row) -> Iterator[_View]:
    settled = 0
    for end, turn in enumerate(row.turns, 1):
        if turn.side == "caller":
            answer = clear_no(turn.text, turn.syllables) if turn.asked == "danger" else None
            settled = end if answer else settled
            past = tuple(replace(turn, side=_SETTLED) for turn in row.turns[:settled])
            yield _View(row.turns[:end], (*past, *row.turns[settled:end]), answer)


def _assess(
    model: TriageModel, row: Row, embeddings: Mapping[str, NDArray[np.float32]]
) -> dict[str, Any]:
    """Turn by turn. An urgent hand-off after an ordinary one is the later decision that counts."""
    made: tuple[Assessment, int] | None = None
    doubt: tuple[Assessment, int] | None = None
    whole = fresh = model.assess((), embeddings)
    for number, view in enumerate(_views(row), 1):
        whole = model.assess(view.whole, embeddings)
        fresh = model.assess(view.fresh, embeddings)
        current = fresh if fresh.action == "continue" and _urgent(whole) else whole
        if view.answer:
            doubt = None
        elif view.answer is False and current.action != "handoff":
            # Anything but a clear no is a yes.
            current = replace(doubt[0] if doubt else whole, route="110_now", action="handoff")
        if current.action == "handoff":
            if made is None or (made[0].route != "110_now" and current.route == "110_now"):
                made = current, number
        elif fresh.action == "ask":
            doubt = doubt or (fresh, number)
    standing = made or doubt
    if standing is None:
        return result(row, _calmed(whole) if _urgent(whole) else whole, None)
    decided, after = standing
    same = (whole.action, whole.route) == (decided.action, decided.route)
    return result(row, whole if same else replace(decided, region=whole.region), after)


def _urgent(assessment: Assessment) -> bool:
    return assessment.route == "110_now"


def _calmed(assessment: Assessment) -> Assessment:
    """What a clear no has settled: the next likely route."""
    others = {r: p for r, p in assessment.probabilities.items() if r != "110_now"}
    route = max(others, key=others.__getitem__)
    return replace(assessment, route=route, action="continue", category=None, flags=())


def _with_questions(turns: Sequence[Turn]) -> Iterator[Turn]:
    """The turns, the caller's with what was asked just before."""
    asked = ""
    for turn in turns:
        if turn.side == "caller":
            yield replace(turn, asked=asked)
            asked = ""
        else:
            asked = asked_by(turn.text) or asked
            yield turn


def _turn(number: int, turn: Any) -> Turn:
    where = f"turn {number}"
    if not isinstance(turn, dict):
        raise InputError(f"{where} is not an object.")
    side, text = turn.get("side", "caller"), turn.get("text") or ""
    if side not in SIDES:
        raise InputError(f"{where}: side {side!r} is none of {', '.join(SIDES)}.")
    if not isinstance(text, str):
        raise InputError(f"{where}: text is no text.")
    alternatives = turn.get("alternatives") or ()
    if not isinstance(alternatives, list | tuple) or not all(
        isinstance(other, str) for other in alternatives
    ):
        raise InputError(f"{where}: alternatives must be a list of texts.")
    syllables = turn.get("syllables") or ()
    if not isinstance(syllables, str | list | tuple) or not all(
        isinstance(syllable, str) for syllable in syllables
    ):
        raise InputError(f"{where}: syllables must be a list of pinyin, or one text.")
    start = turn.get("start")
    if start is not None and (isinstance(start, bool) or not isinstance(start, int | float)):
        raise InputError(f"{where}: start must be a number of seconds.")
    return Turn(side, text, tuple(alternatives), syllables_of(syllables), start)
