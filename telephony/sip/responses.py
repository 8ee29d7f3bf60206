"""What SIP response codes mean for a leg; pure."""

from __future__ import annotations

from telephony.leg_state import LegInput, LegState

_BUSY = frozenset({486, 600})
_NO_ANSWER = frozenset({408, 480, 487})

_BEFORE_RINGING = (LegState.IDLE, LegState.CONNECTING)
_RINGING = (LegState.REACHED, LegState.RINGING)


def progress(code: int) -> LegInput | None:
    """What a provisional response says; None for 100, which only the next hop says."""
    if code in (180, 181, 182, 183):
        return LegInput.RING
    return None


def ending(state: LegState, code: int) -> tuple[LegInput, ...]:
    """What the final response or the BYE (`code` 200) of the far side means, in order."""
    if state in _BEFORE_RINGING:
        if code in _BUSY:
            return LegInput.OPEN, LegInput.BUSY
        if code == 603:  # declined by hand: somebody was reached
            return LegInput.OPEN, LegInput.FAR_END
        if code == 480:  # the far side itself says that nobody answers
            return LegInput.OPEN, LegInput.DEADLINE
        return (LegInput.UNREACHABLE,)
    if state in _RINGING:
        if code in _BUSY:
            return (LegInput.BUSY,)
        return (LegInput.DEADLINE if code in _NO_ANSWER else LegInput.FAR_END,)
    return (LegInput.FAR_END if code == 200 else LegInput.CLOSED,)


def given_up(state: LegState) -> LegInput:
    """What it means that the deadline of a leg has passed."""
    return LegInput.UNREACHABLE if state in _BEFORE_RINGING else LegInput.DEADLINE


def refer_ending(state: LegState, code: int) -> tuple[LegInput, ...]:
    """What the last NOTIFY of a REFER, or its refusal, means (RFC 3515)."""
    if 200 <= code < 300:
        opened = (LegInput.OPEN,) if state in _BEFORE_RINGING else ()
        return *opened, LegInput.TAKEN_OVER
    return ending(state, code)
