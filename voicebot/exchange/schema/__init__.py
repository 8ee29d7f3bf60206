"""What 12345 and 110 send each other: typed, versioned messages (plan 二(三)1; R12).

    seal(body, subject=…, sequence=…, sender=…, sent_at=…)   an envelope to send
    envelope.wire(), envelope.to_json()                      as it stands on the line
    read_envelope(data)                                      what came in, checked; MessageInvalid

For the other side's engineers: docs/exchange.md and the JSON Schemas in docs/exchange/.
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
    "read_envelope",
    "seal",
]
