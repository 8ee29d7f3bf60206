"""What can be wrong with an act on a ticket.

VoicebotError
└── TicketError
    ├── UnknownTicket   there is no ticket of this number
    ├── ActRefused      the ticket's state, or the person's role, does not allow the act
    │   └── ActIncomplete   something that the act needs is missing
    └── TicketChanged   somebody else changed the ticket meanwhile
"""

from __future__ import annotations

from voicebot.errors import VoicebotError


class TicketError(VoicebotError):
    """An act on a ticket cannot be done."""

    code = "ticket.error"


class UnknownTicket(TicketError):
    """There is no ticket of this number."""

    code = "ticket.unknown"

    def __init__(self, ticket: str) -> None:
        super().__init__(
            f"There is no ticket {ticket}; `voicebot tickets list` shows the newest ones."
        )


class ActRefused(TicketError):
    """The ticket's state, or the person's role, does not allow the act."""

    code = "ticket.refused"


class ActIncomplete(ActRefused):
    """Something that the act needs is missing."""

    code = "ticket.incomplete"


class TicketChanged(TicketError):
    """Somebody else changed the ticket meanwhile."""

    code = "ticket.changed"

    def __init__(self, ticket: str, version: int) -> None:
        super().__init__(
            f"Ticket {ticket} was changed meanwhile and is at version {version}; "
            "read it again, and act on what you see."
        )
        self.version = version
