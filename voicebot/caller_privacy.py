"""Who may see what of a caller: the one rule of every list, screen and search (保密). Pure.

A caller who wants name and number kept is known to supervisors alone; agents learn neither who
that is nor what was said. 110 and the duty desks read what they were sent, and nothing else.
Values are plain JSON, as the lists have them; what is given back is a copy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from telephony.masking import mask_number

HIDDEN = "保密"
"""Stands in a list for what its reader may not know."""
KNOW_ALL = frozenset({"supervisor", "admin"})
SEAT = "seat"

Values = dict[str, Any]

_SAYS_NOTHING = frozenset({"call", "transfer", "hung_up"})
"""Kinds of live messages that say how far a call is, and nothing of its caller."""


def may_know(role: str, *, confidential: bool, danger: bool = False) -> bool:
    """Whether a role may learn who a caller is, and what he has said.

    Parameters:
        danger: he was in danger and nobody has reached him yet; that wins over every rule.
    """
    return not confidential or danger or role in KNOW_ALL


@dataclass(frozen=True, slots=True)
class Receivers:
    """Whom the dossier of a hand-off was for.

    Parameters:
        numbers: of the directory, and the desks of single agents.
        lines: their lines: ``110``, ``seat``, ``power``.
    """

    numbers: frozenset[str] = frozenset()
    lines: frozenset[str] = frozenset()


def may_read_dossier(role: str, own: str, sent_to: Receivers) -> bool:
    """Whether 110, or a duty desk, may read the dossier of a hand-off: only one that it had.

    Parameters:
        own: the line, or the number of the directory, that a desk's token is for; "": any but
            the seats.
    """
    if role == "110":
        return "110" in sent_to.lines
    if own:
        return own in sent_to.lines or own in sent_to.numbers
    return any(each != SEAT for each in sent_to.lines)


def call(values: Mapping[str, Any], role: str, confidential: Collection[str]) -> Values:
    """A call of a list, or a missed one; `confidential`: ids of calls."""
    name = "caller" if "caller" in values else "number"
    waits = bool(values.get("danger")) and values.get("state") in ("waiting", "given_up")
    hidden = values["call_id"] in confidential
    if may_know(role, confidential=hidden, danger=waits):
        return dict(values)
    return {**values, name: HIDDEN}


def evaluation(
    values: Mapping[str, Any],
    role: str,
    confidential: Collection[str],
    tickets: Collection[str],
) -> Values:
    """An evaluation; `tickets`: ids of those that are confidential."""
    hidden = values["call_id"] in confidential or values["ticket"] in tickets
    return {**values, "number": HIDDEN} if not may_know(role, confidential=hidden) else dict(values)


def member(values: Mapping[str, Any], role: str, confidential: Collection[str]) -> Values:
    """A hand-off in its incident: that there is one stays, its caller's words go."""
    hidden = values["call_id"] in confidential
    return {**values, "words": HIDDEN} if not may_know(role, confidential=hidden) else dict(values)


def waiting(values: Mapping[str, Any], role: str, confidential: Collection[str]) -> Values:
    """Who waits for a line: how urgently stays, which words said so go."""
    hidden = values["call_id"] in confidential
    if may_know(role, confidential=hidden):
        return dict(values)
    return {**values, "reasons": [HIDDEN]}


def limit(values: Mapping[str, Any], role: str, confidential: Collection[str]) -> Values:
    """A limit (骚扰限制): its number would tell whose a confidential call of its evidence is."""
    evidence = values.get("evidence", ())
    hidden = any(each in confidential for each in evidence)
    if may_know(role, confidential=hidden):
        return dict(values)
    kept = [each for each in evidence if each not in confidential]
    return {**values, "number": HIDDEN, "evidence": kept}


def nuisance(values: Mapping[str, Any], role: str, numbers: Collection[str]) -> Values:
    """Nuisance calls of a number; `numbers`: those with a confidential call among them."""
    hidden = values["number"] in numbers
    return {**values, "number": HIDDEN} if not may_know(role, confidential=hidden) else dict(values)


def settled(
    calls: Collection[str], asked: str, role: str, confidential: Collection[str]
) -> list[str]:
    """Missed calls that one call-back has settled: they are of one number, which would tell whose
    the confidential ones are.
    """
    if may_know(role, confidential=any(each in confidential for each in calls)):
        return list(calls)
    return [each for each in calls if each == asked]


def ticket(values: Mapping[str, Any], role: str) -> Values:
    """A ticket with what belongs to it: merged ones, evaluations, transcript."""
    shown = dict(values)
    if not may_know(role, confidential=values["confidential"]):
        shown.update(name=HIDDEN, number=HIDDEN, call_id="")
        if "transcript" in values:
            shown["transcript"] = []
        if "evaluations" in values:
            shown["evaluations"] = [{**each, "call_id": ""} for each in values["evaluations"]]
    if "merged" in values:
        shown["merged"] = [ticket(each, role) for each in values["merged"]]
    return shown


def live(message: Mapping[str, Any], role: str) -> Values | None:
    """A message of the live view; None: not for this role.

    Agents see numbers masked: a caller may still ask for confidence later in the call. Once he
    has, all messages of his call say so (`confidential`).
    """
    confidential = bool(message.get("confidential"))
    if role in KNOW_ALL:
        return dict(message)
    if confidential and message["kind"] not in _SAYS_NOTHING:
        return None
    if "caller" not in message:
        return dict(message)
    return {**message, "caller": HIDDEN if confidential else mask_number(message["caller"])}
