"""What the exchange with 110 can complain of.

VoicebotError
├── MessageInvalid       a message does not follow the schema (voicebot.exchange.schema)
├── OtherContent         an id was used before, for other content
├── OutOfOrder           a message is not the next about its subject
├── NotSent              a message was never sent by us
└── Refused              a handler cannot take a message's content
"""

from __future__ import annotations

from collections.abc import Sequence

from voicebot.errors import VoicebotError


class OtherContent(VoicebotError):
    """An id was used before, for other content."""

    code = "exchange.other_content"

    def __init__(self, message_id: str) -> None:
        super().__init__(
            f"The id {message_id} was used before, for other content; send a correction as "
            "a new message."
        )


class OutOfOrder(VoicebotError):
    """A message is not the next about its subject."""

    code = "exchange.out_of_order"

    def __init__(self, message_id: str, expected: int) -> None:
        super().__init__(
            f"{message_id} is not the next message about its subject, whose sequence is {expected}."
        )


class NotSent(VoicebotError):
    """We have sent no message of these ids."""

    code = "exchange.not_sent"

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(
            f"We have sent no message of the id {', '.join(ids)}; nothing was changed. "
            "`voicebot exchange show` finds a matter's messages."
        )


class Refused(VoicebotError):
    """A handler cannot take a message's content; `field` says where.

    The message is kept, and tried again when it comes again.
    """

    code = "exchange.refused"

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"{field}: {reason}")
