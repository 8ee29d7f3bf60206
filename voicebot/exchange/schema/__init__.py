"""What 12345 and 110 send each other: typed, versioned messages (plan 二(三)1; R12).

    seal(body, subject=…, sequence=…, sender=…, sent_at=…)   an envelope to send
    envelope.wire(), envelope.to_json()                      as it stands on the line
    read_envelope(data)                                      what came in, checked; MessageInvalid
    json_schemas(), write_schemas(folder)                    for the other side's engineers

docs/exchange.md explains it all; docs/exchange/ has the schemas and an example of each kind.
"""

from voicebot.exchange.schema.bodies import (
    Audio,
    Evaluation,
    Feedback,
    Person,
    PoliceOrder,
    Receipt,
    Status,
    Supervision,
    Ticket,
)
from voicebot.exchange.schema.canonical import canonical_json, content_hash
from voicebot.exchange.schema.envelope import (
    Body,
    Envelope,
    Kind,
    Sender,
    read_envelope,
    seal,
)
from voicebot.exchange.schema.errors import MessageInvalid
from voicebot.exchange.schema.json_schema import json_schemas, write_schemas

__all__ = [
    "Audio",
    "Body",
    "Envelope",
    "Evaluation",
    "Feedback",
    "Kind",
    "MessageInvalid",
    "Person",
    "PoliceOrder",
    "Receipt",
    "Sender",
    "Status",
    "Supervision",
    "Ticket",
    "canonical_json",
    "content_hash",
    "json_schemas",
    "read_envelope",
    "seal",
    "write_schemas",
]
