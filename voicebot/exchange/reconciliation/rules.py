"""What is done about a difference without asking anybody, and what is left to a person. Pure."""

from __future__ import annotations

from enum import StrEnum

from voicebot.exchange.reconciliation.comparing import Difference, Finding


class Repair(StrEnum):
    """How a difference is mended."""

    SEND_AGAIN = "send_again"
    """Ours goes out once more; its idempotency key lets the other side apply it once."""
    ASK_AGAIN = "ask_again"
    """Theirs is fetched and received as if it had just come."""
    TAKE_THEIRS = "take_theirs"
    """Our ledger is set to what theirs says."""
    NONE = "none"
    """Nothing is wrong any more, or the other side alone can mend it and will."""
    PERSON = "person"
    """A person decides, with both sides' lines before them."""


REPAIR_NAMES = {
    Repair.SEND_AGAIN: "重新发送",
    Repair.ASK_AGAIN: "重新索取",
    Repair.TAKE_THEIRS: "以对方为准",
    Repair.NONE: "无需处理",
    Repair.PERSON: "人工处理",
}


def repair(difference: Difference) -> Repair:
    """The rule for a difference.

    The sender is the authority over what a message says and the receiver over whether it
    arrived. So a police order's state is what 110 says and a ticket's what 12345 says: each
    state comes as a message of the one who decides it (R12).
    """
    if any(
        each and each.state in ("refused", "conflict")
        for each in (difference.ours, difference.theirs)
    ):
        return Repair.PERSON  # it would be refused again
    ours_to_send = difference.entry.sender == "12345"
    match difference.finding:
        case Finding.MISSING_THERE if ours_to_send:
            return Repair.SEND_AGAIN
        case Finding.MISSING_HERE if not ours_to_send:
            return Repair.ASK_AGAIN
        case Finding.STATE:
            return _settled(difference, ours_to_send)
        case Finding.LATE:
            return Repair.NONE
    # A sender who has lost what it sent, two contents under one key, two messages in one
    # place: no rule can tell which of them people meant.
    return Repair.PERSON


def _settled(difference: Difference, ours_to_send: bool) -> Repair:
    received = difference.receiver_has
    if received is not None and received.settled:
        # They have it and we have not heard so; or the reverse, and they will send again.
        return Repair.TAKE_THEIRS if ours_to_send else Repair.NONE
    # The sender may have been told otherwise, but nobody has applied it.
    return Repair.SEND_AGAIN if ours_to_send else Repair.ASK_AGAIN
