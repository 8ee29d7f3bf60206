"""Messages of both sides, for tests of the exchange."""

from datetime import datetime

from voicebot.clock import BEIJING
from voicebot.exchange.schema import Body, Envelope, Sender, Status, Ticket, seal

AT = datetime(2026, 11, 26, 9, 30, tzinfo=BEIJING)


def ticket(number: str, matter: str = "路灯坏了") -> Ticket:
    """A matter that the other side passes on."""
    return Ticket(number=number, created_at=AT, matter=matter)


def status(state: str = "accepted") -> Status:
    return Status.model_validate({"state": state, "at": AT.isoformat()})


def message(
    subject: str, sequence: int, body: Body | None = None, *, sender: Sender = "110"
) -> Envelope:
    """The first of a subject is a ticket, the others are its states."""
    body = body or (ticket(subject) if sequence == 1 else status())
    return seal(body, subject=subject, sequence=sequence, sender=sender, sent_at=AT)
