"""A matter that may be 110's or 12345's: both on the line with the caller (R2, R3, R10). Pure.

110 and a seat are called side by side, and either may leave. Where neither can be had, or 110
gives the caller back, the first receiver keeps the matter: 12345 opens a work order, and it
counts as a dispute.
"""

from __future__ import annotations

from dataclasses import replace

from flows import handoff, ticket_dialogue
from flows.actions import Decide
from flows.announcing import UNDECIDED
from flows.judging import probability
from flows.policy import Step
from flows.state import State


def bring(state: State) -> Step:
    """Call 110 and a seat."""
    why = Decide(
        "undecided",
        f"110与12345难分：{probability(state, '110'):.2f} 与 {probability(state, '12345'):.2f}",
    )
    state, actions = handoff.to_police(replace(state, undecided=True), UNDECIDED)
    return state, (why, *actions)


def disputed(state: State, matter: str, why: str) -> Step:
    """Nobody has taken the matter: a work order with the first receiver."""
    dispute = Decide("dispute", why)
    state, actions = ticket_dialogue.resume(state, matter)
    return state, (dispute, *actions)
