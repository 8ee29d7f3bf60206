"""The keys: 1 is 110 and 0 a human at any time, but for the digits of a number and an evaluation.

Pure."""

from __future__ import annotations

from dataclasses import replace

from flows import handoff, progress, satisfaction, seatless, ticket_number, ticket_writing
from flows.events import KeyPressed
from flows.policy import Step
from flows.speaking import hush
from flows.state import State


def pressed(state: State, event: KeyPressed) -> Step:
    """What a key means where the call stands."""
    state = replace(state, nudges=0)
    content = satisfaction.keyed(state, event.key)
    if content is not None:
        return content
    if state.phase in progress.STEPS:
        return progress.keyed(state, event.key)
    if ticket_number.keying(state):
        if event.key == "#" and ticket_number.reading_back(state):
            return state, ()  # it ended the number, and confirms nothing that was not heard
        return _digit(state, event.key)
    police = state.handoff is not None and state.handoff.to_police
    if event.key == "1" and not police:
        return handoff.to_police(state, "requested_police")
    if event.key == "0" and state.handoff is None:
        if handoff.unsettled(state):
            return handoff.to_police(state, "danger")  # anything but a clear no
        return seatless.to_human(state, "requested_human", "connecting_human")
    return state, ()


def _digit(state: State, key: str) -> Step:
    state, hushed = hush(state)
    keyed = ticket_number.keyed(state, key)
    if keyed is None:
        state, actions = ticket_writing.finish(state)
        return state, (*hushed, *actions)
    state, actions = keyed
    if ticket_number.emergency(state):
        state, actions = handoff.to_police(state, "requested_police")
    return state, (*hushed, *actions)
