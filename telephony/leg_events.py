"""What an outgoing leg tells whoever dialled it."""

from __future__ import annotations

from dataclasses import dataclass, field

from telephony.leg_state import LegEndReason, LegState


@dataclass(frozen=True, slots=True)
class LegProgress:
    """The leg has come to a new state: ringing, answered or acknowledged."""

    state: LegState


@dataclass(frozen=True, slots=True)
class LegAudio:
    """Audio from the desk.

    Parameters:
        pcm: 16-bit mono PCM in host order.
        rate: Hz.
        early: it came before the desk answered (early media, 早期媒体): no person.
    """

    pcm: bytes = field(repr=False)
    rate: int
    early: bool = False


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The last event of every leg."""

    reason: LegEndReason


LegEvent = LegProgress | LegAudio | LegEnded
