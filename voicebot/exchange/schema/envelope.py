"""What every message has around its body: who says what about which matter, and in what order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from voicebot.exchange.dossier import Dossier
from voicebot.exchange.schema.bodies import (
    Evaluation,
    Feedback,
    PoliceOrder,
    Receipt,
    Status,
    Supervision,
    Ticket,
)
from voicebot.exchange.schema.canonical import canonical_json, content_hash, wire
from voicebot.exchange.schema.errors import MessageInvalid
from voicebot.exchange.schema.fields import Identifier, Model, Sha256, Time

Kind = Literal[
    "handoff",
    "ticket",
    "police_order",
    "status",
    "receipt",
    "feedback",
    "evaluation",
    "supervision",
]
Sender = Literal["12345", "110"]
Body: TypeAlias = (
    Dossier | Ticket | PoliceOrder | Status | Receipt | Feedback | Evaluation | Supervision
)

MAX_BYTES = 4 * 2**20
"""A transcript of hours is well below it."""


class Envelope(Model):
    """A message between 12345 and 110; made by `seal`, read by `read_envelope`."""

    schema_version: Literal[1] = 1
    id: Identifier
    """Idempotency key: who gets it twice applies it once."""
    kind: Kind
    subject: Identifier
    """Number of the ticket, order or hand-off that it is about."""
    sequence: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """1, 2, … for each subject and sender, without gaps: messages are applied in this order."""
    sender: Sender
    sent_at: Time
    incident: Identifier | None = None
    """Shared by all tickets and orders about one event (同一事件)."""
    content_hash: Sha256
    """SHA-256 of the body's canonical JSON."""
    body: Body

    def wire(self) -> dict[str, Any]:
        """Plain JSON values, as sent."""
        return wire(self)

    def to_json(self) -> str:
        """Canonical JSON (RFC 8785): the same bytes each time."""
        return canonical_json(self.wire()).decode()


class HandoffEnvelope(Envelope):
    kind: Literal["handoff"]
    body: Dossier


class TicketEnvelope(Envelope):
    kind: Literal["ticket"]
    body: Ticket


class PoliceOrderEnvelope(Envelope):
    kind: Literal["police_order"]
    body: PoliceOrder


class StatusEnvelope(Envelope):
    kind: Literal["status"]
    body: Status


class ReceiptEnvelope(Envelope):
    kind: Literal["receipt"]
    body: Receipt


class FeedbackEnvelope(Envelope):
    kind: Literal["feedback"]
    body: Feedback


class EvaluationEnvelope(Envelope):
    kind: Literal["evaluation"]
    body: Evaluation


class SupervisionEnvelope(Envelope):
    kind: Literal["supervision"]
    body: Supervision


AnyEnvelope = Annotated[
    HandoffEnvelope
    | TicketEnvelope
    | PoliceOrderEnvelope
    | StatusEnvelope
    | ReceiptEnvelope
    | FeedbackEnvelope
    | EvaluationEnvelope
    | SupervisionEnvelope,
    Field(discriminator="kind"),
]
ADAPTER: TypeAdapter[Envelope] = TypeAdapter(AnyEnvelope)

BODIES: Mapping[Kind, type[Body]] = {
    "handoff": Dossier,
    "ticket": Ticket,
    "police_order": PoliceOrder,
    "status": Status,
    "receipt": Receipt,
    "feedback": Feedback,
    "evaluation": Evaluation,
    "supervision": Supervision,
}
_NUMBERS: Mapping[Kind, str] = {"ticket": "number", "police_order": "number", "handoff": "handoff"}
"""Where a body has a number itself."""
_KINDS: Mapping[type[Body], Kind] = {model: kind for kind, model in BODIES.items()}


_BEYOND_EXACT = 2**53


def seal(
    body: Body,
    *,
    subject: str,
    sequence: int,
    sender: Sender,
    sent_at: datetime,
    incident: str | None = None,
    id: str | None = None,
) -> Envelope:
    """The envelope of a body, with its hash.

    Parameters:
        sent_at: with zone.
        id: by default made of sender, kind, subject and sequence, so that what is sealed
            again after a crash has the key that it had before.

    Raises:
        MessageInvalid: a field of the envelope is not allowed.
    """
    kind = _KINDS[type(body)]
    values = {
        "schema_version": 1,
        "id": id or _key(f"{sender}:{kind}", f"{subject}:{sequence}"),
        "kind": kind,
        "subject": subject,
        "sequence": sequence,
        "sender": sender,
        "sent_at": sent_at.isoformat().replace("+00:00", "Z"),
        "incident": incident,
        # All fields are written, not only those that were given.
        "body": body.model_dump(mode="json", exclude_computed_fields=True),
    }
    values["content_hash"] = content_hash(values["body"])
    return read_envelope(json.dumps(values))


def read_envelope(data: str | bytes) -> Envelope:
    """A message as it came.

    Raises:
        MessageInvalid: it does not follow the schema; says which fields, never their values.
    """
    if len(data) > MAX_BYTES:
        raise MessageInvalid(("message", f"is longer than {MAX_BYTES} bytes"))
    try:
        raw = json.loads(data, object_pairs_hook=_once_each, parse_float=_exact)
    except (ValueError, RecursionError):
        raise MessageInvalid(("message", "is not valid JSON")) from None
    try:
        envelope = ADAPTER.validate_json(data, strict=True)
    except ValidationError as error:
        raise _without_tag(error) from None
    own_name = _NUMBERS.get(envelope.kind)
    if own_name and getattr(envelope.body, own_name) != envelope.subject:
        raise MessageInvalid(("subject", f"is not the body's own {own_name}"))
    _check_hash(envelope, raw["body"])
    return envelope


def _exact(digits: str) -> float:
    """RFC 8785 writes 1e20 as digits alone, which are then a whole number without an exact form:
    such a float could be read once and never again."""
    number = float(digits)
    if abs(number) >= _BEYOND_EXACT and number.is_integer():
        raise MessageInvalid(("message", "has a number without an exact JSON form"))
    return number


def _key(prefix: str, rest: str) -> str:
    """Readable where it is short enough for an `Identifier`."""
    key = f"{prefix}:{rest}"
    return key if len(key) <= 128 else f"{prefix}:{hashlib.sha256(rest.encode()).hexdigest()}"


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers of an object with one name twice may understand it differently."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise MessageInvalid(("message", "has a name twice in one object"))
    return values


def _without_tag(error: ValidationError) -> MessageInvalid:
    """pydantic begins each place with the kind that it chose."""
    found = MessageInvalid.of(error)
    return MessageInvalid(
        *(
            (field.partition(".")[2] if field.split(".")[0] in BODIES else field, words)
            for field, words in found.problems
        )
    )


def _check_hash(envelope: Envelope, raw: Any) -> None:
    try:
        as_sent = content_hash(raw)
    except ValueError:
        raise MessageInvalid(
            ("body", "has a number or a text without an exact JSON form")
        ) from None
    if as_sent != envelope.content_hash:
        raise MessageInvalid(
            ("content_hash", "is not the SHA-256 of the body's canonical JSON (RFC 8785)")
        )
    if content_hash(envelope.body) != as_sent:
        raise MessageInvalid(("body", "holds a time or a number that is not in its usual form"))
