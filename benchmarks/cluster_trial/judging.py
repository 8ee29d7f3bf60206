"""Whether anybody was lost, from what callers heard and what is on record. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.chaos.judging import DANGER, Found, Told, of_call, of_danger, of_records

SEATS = "seats"
"""Where a call is that the dispatcher gave to the seats: no node has it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One call that a caller placed; times are seconds since the epoch.

    Parameters:
        number: of the caller.
        node: the media node's address, `SEATS`, or "" where it was not answered.
        answered_at: 0 where it was not.
        replies: seconds from the end of what the caller said to the bot's first sound.
    """

    told: Told
    number: str
    node: str
    answered_at: float = 0.0
    replies: tuple[float, ...] = ()


def broken(
    placed: Sequence[Placed],
    found: Found,
    *,
    ended_by_bot: Collection[str],
    died: Mapping[str, float],
    machine: bool,
) -> list[str]:
    """The invariants that did not hold, a sentence each: ``name: what``.

    Parameters:
        ended_by_bot: calls whose log says that the bot hung up, its dialogue being over.
        died: when a media node was killed.
        machine: with all of its processes, so that its calls are lost with it.
    """
    sentences: list[str] = []
    for call in placed:
        if not call.told.answered or call.node == SEATS:
            continue
        died_at = died.get(call.node)
        began_before = died_at is not None and call.answered_at < died_at
        sentences += of_call(call.told, found, died_at if began_before else None)
        if call.told.reached or (began_before and machine):
            continue
        if began_before and call.told.ended_at > (died_at or 0.0):
            sentences.append(f"stranded: nobody came for {call.told.call} when its node died")
        elif call.told.broke and call.told.call not in ended_by_bot:
            sentences.append(f"call_dropped: {call.told.call} ({call.told.role}) was cut off")
    sentences += of_records(found)
    for number in sorted({each.number for each in placed}):
        told = [each.told for each in placed if each.number == number]
        sentences += [f"{each} ({number})" for each in of_danger(told)]
        if not any(each.answered for each in told):
            sentences.append(f"not_answered: {number} dialled {len(told)} times")
    return sentences


def figures(placed: Sequence[Placed]) -> str:
    """What a run was, beside what broke, in a line."""
    danger = {each.number for each in placed if each.told.role == DANGER}
    reached = {each.number for each in placed if each.told.reached}
    silent = max((each.told.silence_s for each in placed if each.told.answered), default=0.0)
    parts = [
        f"{len(danger & reached)} of {len(danger)} in danger reached",
        f"silent {silent:.1f} s at most",
    ]
    for node in sorted({each.node for each in placed}):
        calls = [each for each in placed if each.node == node]
        part = f"{node or 'refused'} {len(calls)} calls"
        replies = [each for call in calls for each in call.replies]
        if replies:
            p50, p95 = np.quantile(replies, (0.5, 0.95))
            part += f", {len(replies)} replies p50 {p50:.2f} p95 {p95:.2f} s"
        parts.append(part)
    return "; ".join(parts)
