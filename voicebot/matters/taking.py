"""A matter on record: its ticket or police order, and what was told, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from flows.dispatch import Proposal
from voicebot.exchange.schema import Person, PoliceOrder
from voicebot.exchange.schema.codes import divisions, organisation_of
from voicebot.exchange.sending import send
from voicebot.exchange.wording import moment, text
from voicebot.matters import telling
from voicebot.matters.deciding import Decision, Outcome
from voicebot.matters.tables import InternetMatterRow
from voicebot.records.tables import AuditRow
from voicebot.tickets import opening
from voicebot.tickets.history import Actor

DIGITS = 12


class OtherMatter(Exception):
    """Its key is that of a matter with other words."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What a channel has sent."""

    sender: str
    key: str
    content_hash: str
    words: str
    channel: str
    region: str | None = None
    place: str = ""
    name: str = ""
    number: str = ""
    confidential: bool = False
    happened: str = ""

    @property
    def serial(self) -> str:
        """Digits of its own, the same for the same key."""
        digest = hashlib.sha256(f"{self.sender}\0{self.key}".encode()).hexdigest()
        return f"{int(digest, 16) % 10**DIGITS:0{DIGITS}d}"


def known(session: Session, sender: str, key: str, content_hash: str) -> dict[str, Any] | None:
    """What was told of the matter of this key; None: it is new.

    Raises:
        OtherMatter: the key stands for other words.
    """
    row = session.get(InternetMatterRow, (sender, key))
    if row is None:
        return None
    if row.content_hash != content_hash:
        raise OtherMatter(key)
    return dict(row.told)


def take(
    session: Session,
    matter: Matter,
    decision: Decision,
    proposal: Proposal | None,
    audit: Mapping[str, Any],
    *,
    at: float,
) -> dict[str, Any]:
    """Keep a matter, with whatever is made of it; again, it gives what was told then.

    Raises:
        OtherMatter: the key stands for other words.
    """
    before = known(session, matter.sender, matter.key, matter.content_hash)
    if before is not None:
        return before
    number = ""
    if decision.outcome in (Outcome.DANGER, Outcome.POLICE):
        number = f"w-{matter.serial}-j1"
        _order(session, matter, decision, number, at)
    elif decision.outcome is Outcome.TICKET:
        number = f"w-{matter.serial}"
        _ticket(session, matter, proposal, number, at)
    told = {
        "outcome": decision.outcome.value,
        "number": number,
        "message": telling.told(decision, matter.region, number),
        "entry": decision.entry.id if decision.entry is not None else "",
        "call_110": decision.outcome is Outcome.DANGER,
        "region": matter.region,
        "department": proposal.department if proposal is not None else "",
    }
    session.add(
        InternetMatterRow(
            sender=matter.sender,
            key=matter.key,
            content_hash=matter.content_hash,
            at=at,
            outcome=decision.outcome.value,
            number=number,
            told=told,
        )
    )
    session.add(AuditRow(at=at, action="matter.take", subject=number or matter.key, **audit))
    return told


def _ticket(
    session: Session, matter: Matter, proposal: Proposal | None, number: str, at: float
) -> None:
    proposed: dict[str, Any] = {}
    if proposal is not None:
        proposed = {
            "proposed_department": proposal.department,
            "proposal_confidence": round(proposal.confidence, 4),
            "proposal_reason": proposal.reason,
        }
    opening.save(
        session,
        ticket=number,
        at=at,
        by=Actor(matter.sender, "channel"),
        call_id="",
        matter=matter.words,
        place=matter.place,
        name=matter.name,
        number=matter.number,
        region=matter.region,
        channel=matter.channel,
        confidential=matter.confidential,
        happened=matter.happened,
        **proposed,
    )


def _order(session: Session, matter: Matter, decision: Decision, number: str, at: float) -> None:
    """For the local 110 at once; it is dispatched there, not here."""
    found = decision.assessment
    region = matter.region if matter.region in divisions() else None
    place = organisation_of(region or telling.PROVINCE, "110")
    asked = place or organisation_of(telling.PROVINCE, "110")
    danger = decision.outcome is Outcome.DANGER
    order = PoliceOrder(
        number=number,
        created_at=moment(at),
        division=region,
        place=text(matter.place),
        caller=Person(
            name=text(matter.name, 200), number=matter.number, confidential=matter.confidential
        ),
        flags=found.flags,
        reason=text(matter.words),
        category=found.category,
        evidence=tuple(text(f"{each.kind}：{each.detail}") for each in found.evidence),
        lines=found.lines,
        priority=("life" if decision.certain else "urgent") if danger else "ordinary",
        desk=asked.code if asked is not None else None,
    )
    send(session, order, subject=number, at=at, id=number)
