"""The states of an outgoing leg: this table is the whole truth about them.

    idle ─▶ connecting ─▶ reached ─▶ ringing ─▶ answered ─▶ acknowledged
                 └──────────┴───────────┴───────────┴────────────┴──▶ ended

An input that the table does not list for a state changes nothing: desks repeat
themselves, and say "ringing" after they have answered.
"""

from __future__ import annotations

from enum import StrEnum


class LegState(StrEnum):
    IDLE = "idle"
    CONNECTING = "connecting"
    REACHED = "reached"
    """The socket is open and the start message is sent; nothing was said yet."""
    RINGING = "ringing"
    ANSWERED = "answered"
    """Off the hook; whether a person is there is not known."""
    ACKNOWLEDGED = "acknowledged"
    """The desk confirmed by hand (按键确认) that it has the call."""
    ENDED = "ended"


class LegInput(StrEnum):
    DIAL = "dial"
    OPEN = "open"
    RING = "ringing"
    ANSWER = "answered"
    ACKNOWLEDGE = "acknowledged"
    BUSY = "busy"
    FAR_END = "ended"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    DEADLINE = "deadline"
    HANG_UP = "hang_up"
    TAKEN_OVER = "taken_over"


class LegEndReason(StrEnum):
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    ENDED = "ended"
    """The desk ended the leg."""
    LOST = "lost"
    """The socket closed, or the audio stopped, without the desk's goodbye."""
    HUNG_UP = "hung_up"
    """We ended the leg."""
    TRANSFERRED = "transferred"
    """The far side has taken the caller over (REFER); the call is no longer ours."""


_S, _I = LegState, LegInput

_FORWARD: dict[tuple[LegState, LegInput], LegState] = {
    (_S.IDLE, _I.DIAL): _S.CONNECTING,
    (_S.CONNECTING, _I.OPEN): _S.REACHED,
    (_S.CONNECTING, _I.UNREACHABLE): _S.ENDED,
    (_S.REACHED, _I.RING): _S.RINGING,
    (_S.REACHED, _I.ANSWER): _S.ANSWERED,
    (_S.REACHED, _I.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.RINGING, _I.ANSWER): _S.ANSWERED,
    (_S.RINGING, _I.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.ANSWERED, _I.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    # Nobody answers for ever; once answered there is no deadline any more.
    (_S.REACHED, _I.DEADLINE): _S.ENDED,
    (_S.RINGING, _I.DEADLINE): _S.ENDED,
    # A desk that has answered cannot be busy any more.
    (_S.REACHED, _I.BUSY): _S.ENDED,
    (_S.RINGING, _I.BUSY): _S.ENDED,
}

TRANSITIONS: dict[tuple[LegState, LegInput], LegState] = (
    _FORWARD
    | {
        (state, ending): _S.ENDED
        for state in (_S.REACHED, _S.RINGING, _S.ANSWERED, _S.ACKNOWLEDGED)
        for ending in (_I.FAR_END, _I.CLOSED, _I.HANG_UP, _I.TAKEN_OVER)
    }
    | {(_S.IDLE, _I.HANG_UP): _S.ENDED, (_S.CONNECTING, _I.HANG_UP): _S.ENDED}
)

END_REASONS: dict[LegInput, LegEndReason] = {
    _I.BUSY: LegEndReason.BUSY,
    _I.FAR_END: LegEndReason.ENDED,
    _I.CLOSED: LegEndReason.LOST,
    _I.UNREACHABLE: LegEndReason.UNREACHABLE,
    _I.DEADLINE: LegEndReason.NO_ANSWER,
    _I.HANG_UP: LegEndReason.HUNG_UP,
    _I.TAKEN_OVER: LegEndReason.TRANSFERRED,
}


def transition(state: LegState, event: LegInput) -> LegState:
    """The state after `event`; the same state when the table does not list it."""
    return TRANSITIONS.get((state, event), state)
