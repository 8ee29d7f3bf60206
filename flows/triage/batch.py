"""``voicebot triage --input X.jsonl --output Y.jsonl``: many conversations, one a line.

In: ``{"id", "text"}`` or ``{"id", "turns": [{"side", "text", "start"?, "alternatives"?,
"syllables"?}]}``. Out: see `result`. A bad row does not stop the good ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.triage.assessment import Assessment, Turn
from flows.triage.errors import InputError
from flows.triage.evaluation import syllables_of
from flows.triage.model import TriageModel

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
SIDES = ("caller", "bot", "agent")


@dataclass(frozen=True, slots=True)
class Row:
    id: str
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
        return Row(str(row["id"]), tuple(turns))
    if not isinstance(row.get(field), str):
        raise InputError(f"{field} is missing or no text, and there are no turns.")
    return Row(str(row["id"]), (Turn("caller", row[field]),))


def assess_rows(
    model: TriageModel, rows: Sequence[Row], embed: Embed | None
) -> list[dict[str, Any]]:
    """One result a row, in order; all texts are embedded in one batch."""
    beginnings = [row.turns[: end + 1] for row in rows for end in range(len(row.turns))]
    texts = list(dict.fromkeys(text for turns in beginnings for text in model.texts(turns)))
    embeddings = dict(zip(texts, embed(texts), strict=True)) if embed and texts else {}
    return [_assess(model, row, embeddings) for row in rows]


def result(row: Row, assessment: Assessment, decided: int | None) -> dict[str, Any]:
    """The contract's output object."""
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
            {"kind": e.kind, "detail": e.detail, "weight": e.weight, "turn": e.turn}
            for e in assessment.evidence
        ],
        "region": assessment.region,
        "request": assessment.request,
    }


def _assess(
    model: TriageModel, row: Row, embeddings: Mapping[str, NDArray[np.float32]]
) -> dict[str, Any]:
    """Turn by turn, as in a call: a hand-off to 110, once made, is not taken back.

    An urgent hand-off after an ordinary one is the later decision that counts.
    """
    standing: tuple[Assessment, int] | None = None
    callers = 0
    assessment = model.assess(row.turns, embeddings)
    for end, turn in enumerate(row.turns):
        if turn.side != "caller":
            continue
        callers += 1
        current = model.assess(row.turns[: end + 1], embeddings)
        if current.action != "handoff":
            continue
        if standing is None or (standing[0].route != "110_now" and current.route == "110_now"):
            standing = current, callers
    if standing is None:
        return result(row, assessment, None)
    made, after = standing
    if assessment.action != "handoff" or assessment.route != made.route:
        assessment = made
    return result(row, assessment, after)


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
