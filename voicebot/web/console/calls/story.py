"""A call as people read it: its turns and what was done between them, each with its reason. Pure.

The reasons are those that the core put on record when it decided (`flows.actions.Decide`), not
guesses made afterwards; `voicebot replay` runs them through the core once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicebot.web.console.calls.word_times import anchors_by_turn, begins, turn_numbers

Values = Mapping[str, Any]

DANGEROUS = frozenset({"danger"})
"""Reasons of a hand-off that mean somebody is in danger."""
KEY_DECISIONS = frozenset(
    {
        "answer", "appeal", "ask_danger", "caller_left", "clarify", "correct", "danger_doubt",
        "dispute", "from_110", "guide", "hand_off_110", "hand_off_human", "neither", "offer_110",
        "police_declined", "progress", "safety_entry", "seat_closed", "seat_refused", "ticket",
        "ticket_withdrawn", "undecided",
    }
)  # fmt: skip
"""Decisions that say what the call came to; the others are steps on the way."""
_EVIDENCE = re.compile(r"^(?P<kind>[a-z_]+)：(?P<detail>[^（]*)(?:（(?P<note>.*)）)?$")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Parameters:
    kind: ``danger`` | ``police_request`` | ``human_request`` | ``police_matter`` |
        ``classifier`` | ``retraction`` | "".
    detail: the words, or the route.
    share: how sure the classifier was, 0..1.
    note: what was made of the words: who heard them, what speaks against.
    """

    kind: str
    detail: str
    note: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened; `at` in seconds since the call was answered.

    Parameters:
        kind: ``turn`` | ``decision`` | ``leg`` | ``ticket`` | ``key`` | ``end``.
        what: side of a turn, name of a decision, state of a leg.
        text: what was said, or the reason as it is on record.
        danger: a turn in which danger was heard, or a decision for it.
        key: a decision that says what the call came to.
        entry: the approved answer that was spoken.
        end: of a turn.
        times: when each character of a turn begins.
        evidence: a reason that is made of evidence, taken apart.
        number: of the caller's turn, as live messages have it; None: not known.
    """

    at: float
    kind: str
    what: str
    text: str = ""
    danger: bool = False
    key: bool = False
    entry: str = ""
    end: float = 0.0
    final: bool = True
    times: tuple[float, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A hand-off with its reason: why, by what evidence, and how it went.

    Parameters:
        at: when it was asked for; `waited_s`: until a person was there; None: nobody was.
        legs: (seconds since the call was answered, destination, state).
    """

    at: float | None
    reason: str
    destination: str
    state: str
    danger: bool
    category: int | None
    lines: tuple[str, ...]
    region: str | None
    evidence: tuple[Evidence, ...]
    waited_s: float | None
    connected_to: str | None
    returned: bool
    legs: tuple[tuple[float, str, str], ...]


@dataclass(frozen=True, slots=True)
class Story:
    moments: tuple[Moment, ...]
    transfers: tuple[Transfer, ...]
    key_decisions: tuple[Moment, ...]


def story(record: Values, events: Sequence[Values]) -> Story:
    """Parameters:
    record: `Records.call`; `events`: `Records.events`, with times since the call was answered.
    """
    dangers = [
        each["requested_at"]
        for each in record["handoffs"]
        if each["reason"] in DANGEROUS and each["requested_at"] is not None
    ]
    decisions = [_decision(each) for each in record["decisions"]]
    moments = [
        *_turns(record["turns"], events, dangers),
        *decisions,
        *_others(events),
    ]
    moments.sort(key=lambda moment: (moment.at, moment.kind != "turn"))
    return Story(
        tuple(moments),
        tuple(_transfer(each, events) for each in record["handoffs"]),
        tuple(each for each in decisions if each.key),
    )


def evidence_of(text: str) -> Evidence:
    """``danger：着火了（听音）`` and ``classifier：110_now 0.87``, taken apart."""
    found = _EVIDENCE.match(text)
    if found is None:
        return Evidence("", text)
    kind, detail, note = found["kind"], found["detail"].strip(), found["note"] or ""
    if kind == "classifier":
        route, _, share = detail.partition(" ")
        try:
            return Evidence(kind, route, note, float(share))
        except ValueError:
            return Evidence(kind, detail, note)
    return Evidence(kind, detail, note)


def _turns(
    turns: Iterable[Values], events: Sequence[Values], dangers: Sequence[float]
) -> Iterable[Moment]:
    heard, numbers = anchors_by_turn(events), turn_numbers(events)
    for turn in turns:
        text, start, end = turn["text"], float(turn["start"]), float(turn["end"])
        of_caller = turn["side"] == "caller"
        number = numbers.get(start) if of_caller else None
        shares = heard.get(number, []) if number is not None else []
        anchors = [(share * len(text), at) for share, at in shares]
        yield Moment(
            at=start,
            kind="turn",
            what=turn["side"],
            text=text,
            danger=of_caller and any(start <= at <= end + 1.0 for at in dangers),
            entry=turn.get("entry") or "",
            end=end,
            final=bool(turn.get("final", True)),
            times=tuple(begins(len(text), start, end, anchors)),
            number=number,
        )


def _decision(row: Values) -> Moment:
    what = row["what"]
    parts = tuple(evidence_of(part) for part in row["why"].split("；"))
    return Moment(
        at=float(row["at"]),
        kind="decision",
        what=what,
        text=row["why"],
        danger=what in ("hand_off_110", "danger_doubt", "ask_danger"),
        key=what in KEY_DECISIONS or what.startswith("agent_"),
        evidence=parts if all(each.kind for each in parts) else (),
    )


def _others(events: Iterable[Values]) -> Iterable[Moment]:
    for row in events:
        at, values = float(row["at"]), row["payload"]
        match row["kind"]:
            case "TransferProgress":
                yield Moment(at, "leg", values["state"], values["destination"])
            case "OpenTicket":
                yield Moment(at, "ticket", values["ticket"], values["matter"])
            case "KeyPressed":
                yield Moment(at, "key", values["key"])
            case "FarSideKey":
                yield Moment(at, "key", values["key"], "110")
            case "HungUp":
                yield Moment(at, "end", values["by"])
            case "Released":
                yield Moment(at, "end", "service")
            case _:
                pass


def _transfer(row: Values, events: Iterable[Values]) -> Transfer:
    requested, connected = row["requested_at"], row["connected_at"]
    legs = tuple(
        (float(each["at"]), each["payload"]["destination"], each["payload"]["state"])
        for each in events
        if each["kind"] == "TransferProgress" and each["payload"]["handoff"] == row["id"]
    )
    return Transfer(
        at=requested,
        reason=row["reason"],
        destination=row["destination"],
        state=row["state"],
        danger=row["reason"] in DANGEROUS,
        category=row["category"],
        lines=tuple(row["lines"]),
        region=row["region"],
        evidence=tuple(evidence_of(each) for each in row["evidence"]),
        waited_s=None if None in (requested, connected) else connected - requested,
        connected_to=row["connected_to"],
        returned=row["returned_at"] is not None,
        legs=legs,
    )
