"""Entries that bear on danger (燃气泄漏, 剐蹭, 电梯困人): what comes before their answer. Pure.

``ask``: spoken only after a clear no to the question about danger, which is put whatever triage
made of the words. ``handoff``: the caller is handed to 110, and the answer is spoken nowhere
but on the bridge while it rings (`bridge_wording`); after a clear no a human decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flows import danger, handoff
from flows.actions import Decide
from flows.bridge_wording import HANDOFF
from flows.policy import Policy, Step
from flows.state import CallerTurn, State

Marks = Mapping[str, str]
"""Entry → ``ask`` | ``handoff``, as in `flows.events.SearchResult.safety`."""


def open_marks(state: State, turn: CallerTurn, marks: Marks) -> Marks:
    """Those that still count: no question is put about words that a clear no has settled."""
    if not _cleared(state, turn):
        return marks
    return {entry: mark for entry, mark in marks.items() if mark == HANDOFF}


def barrier(
    state: State, turn: CallerTurn, entry: str, marks: Marks, policy: Policy
) -> Step | None:
    """What comes before the answer: the question, 110 or a human; None if it may be said."""
    if entry in state.unbarred or entry not in open_marks(state, turn, marks):
        return None
    if marks[entry] != HANDOFF:
        return danger.put(state, turn, policy, f"问到涉及危险的条目 {entry}")
    if _cleared(state, turn):
        return danger.left_to_a_human(state, turn, f"否认有危险，又问到须转110的条目 {entry}")
    state, actions = handoff.to_police(state, "danger")
    assert state.handoff is not None
    state = replace(state, handoff=replace(state.handoff, wording=entry))
    return state, (Decide("safety_entry", f"问到须转110的条目 {entry}"), *actions)


def answered(state: State, entry: str, marks: Marks) -> State:
    """The answer was given after a clear no: a second time nothing comes before it."""
    if entry not in marks:
        return state
    return replace(state, unbarred=(*state.unbarred, entry))


def _cleared(state: State, turn: CallerTurn) -> bool:
    return turn.number <= state.cleared
