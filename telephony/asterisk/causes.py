"""What Asterisk says of an outgoing leg, in the words of `telephony.leg_state`. Pure."""

from __future__ import annotations

from telephony.asterisk.ari import Event
from telephony.leg_state import LegInput, LegState

BUSY = frozenset({17})
NO_ANSWER = frozenset({18, 19})
"""Q.850: no user responding, no answer from user."""
_LOST = frozenset({27, 38, 41, 44})
"""Destination or network out of order, temporary failure; Asterisk's own for a leg without
audio (`rtp_timeout`): nobody has hung up."""

_DIAL = {
    "PROGRESS": LegInput.OPEN,
    "RINGING": LegInput.RING,
    "ANSWER": LegInput.ANSWER,
    "BUSY": LegInput.BUSY,
    "NOANSWER": LegInput.DEADLINE,
}


def inputs(event: Event, state: LegState, acknowledge_key: str) -> tuple[LegInput, ...]:
    """What the event of a leg's channel means for a leg in `state`.

    A leg is `connecting` until the far side has said anything at all; what ends it
    before that makes it unreachable.
    """
    match event["type"]:
        case "Dial":
            found = _DIAL.get(str(event.get("dialstatus", "")))
            return _reached(found) if found else ()
        case "ChannelStateChange":
            match event.get("channel"):
                case {"state": "Up"}:
                    return _reached(LegInput.ANSWER)
                case {"state": "Ringing"}:
                    return _reached(LegInput.RING)
                case _:
                    return ()
        case "ChannelDtmfReceived" if event.get("digit") == acknowledge_key:
            return (LegInput.ACKNOWLEDGE,) if state is LegState.ANSWERED else ()
        case "ChannelDestroyed":
            cause = event.get("cause")
            return _ended(cause if isinstance(cause, int) else 0, state)
        case _:
            return ()


def _reached(found: LegInput) -> tuple[LegInput, ...]:
    return (found,) if found is LegInput.OPEN else (LegInput.OPEN, found)


def _ended(cause: int, state: LegState) -> tuple[LegInput, ...]:
    if state in (LegState.ANSWERED, LegState.ACKNOWLEDGED):
        return (LegInput.CLOSED,) if cause in _LOST else (LegInput.FAR_END,)
    if cause in BUSY:
        return LegInput.OPEN, LegInput.BUSY
    if cause in NO_ANSWER:
        return LegInput.OPEN, LegInput.DEADLINE
    if state is LegState.CONNECTING:
        return (LegInput.UNREACHABLE,)
    return (LegInput.FAR_END,)
