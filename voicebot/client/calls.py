"""Operations about calls, hand-offs and matters."""

from __future__ import annotations

from typing import Any

from voicebot.client.answers import Call, CallRow, HandoffRow, Progress, SurgeDecision, Told
from voicebot.client.operation import Answer, Operation, Pages, given, named, post, read


def search(
    *,
    number: str = "",
    did: str = "",
    outcome: str = "",
    text: str = "",
    transferred: bool | None = None,
    since: float | None = None,
    until: float | None = None,
    limit: int | None = None,
) -> Pages[CallRow]:
    """Calls, the newest first.

    Parameters:
        number: the caller's, in full.
        did: the number that was dialled.
        text: words that somebody said.
        transferred: only those that were handed on.
        since, until: seconds since the epoch.
        limit: rows of one page.
    """
    query = {
        "number": number,
        "did": did,
        "outcome": outcome,
        "text": text,
        "transferred": transferred,
        "since": since,
        "until": until,
        "limit": limit,
    }
    return Pages(read("/v1/calls", query), "calls")


def call(call_id: str) -> Operation[Call]:
    """All that is on record about a call: turns, hand-offs, tickets, decisions with evidence."""
    return read(f"/api/calls/{named(call_id)}")


def call_events(call_id: str) -> Operation[list[dict[str, Any]]]:
    """Its event log: what went into the dialogue and what came out, in order."""
    return read(f"/api/calls/{named(call_id)}/events")


def why(call_id: str) -> Operation[SurgeDecision]:
    """Why surge control sent a call where it went."""
    return read(f"/v1/surge/calls/{named(call_id)}")


def handoffs(
    *,
    state: str = "",
    reason: str = "",
    destination: str = "",
    since: float | None = None,
    until: float | None = None,
    limit: int | None = None,
) -> Pages[HandoffRow]:
    """Hand-offs, the newest first, without their dossiers.

    Parameters:
        state: ``requested``, ``ringing``, ``confirmed`` …
        destination: how the number of the duty directory begins, such as ``110-``.
        since, until: seconds since the epoch.
    """
    query = {
        "state": state,
        "reason": reason,
        "destination": destination,
        "since": since,
        "until": until,
        "limit": limit,
    }
    return Pages(read("/v1/handoffs", query), "handoffs")


def handoff(handoff_id: str) -> Operation[dict[str, Any]]:
    """A hand-off with its dossier, its transcript and what became of its messages."""
    return read(f"/api/handoffs/{named(handoff_id)}")


def submit_matter(
    key: str,
    text: str,
    *,
    channel: str | None = None,
    place: str | None = None,
    region: str | None = None,
    name: str | None = None,
    number: str | None = None,
    confidential: bool | None = None,
    want: str | None = None,
) -> Operation[Told]:
    """A matter from an Internet channel: danger to 110 at once, an answer, or a ticket.

    Of a refusal too, ``error.details["advice"]`` is to be shown to whoever wrote.

    Parameters:
        key: the channel's own for this matter; sent again, it is the same matter.
        channel: ``web``, ``app``, ``mini_program``, ``wechat``.
        want: ``ticket``: one is wanted, whatever approved answer there is.
    """
    body = given(
        text=text,
        channel=channel,
        place=place,
        region=region,
        name=name,
        number=number,
        confidential=confidential,
        want=want,
    )
    return post("/v1/matters", body, {"Idempotency-Key": key})


def matter(key: str) -> Operation[Progress]:
    """What was told of a matter of one's own, and how far its ticket is."""
    return read(f"/v1/matters/{named(key)}")


def rows_of(name: str, answer: Answer) -> Any:
    """What stands under one name in an answer."""
    return answer.values[name]
