"""What of the knowledge base a caller hears while 110 rings: approved safety wording. Pure.

Entries that are marked ``handoff`` are spoken nowhere else: 煤气味 (open the window, switch nothing
on), somebody who does not breathe. What the caller goes on saying is searched for one, which
is said once, after the question where the caller is and the time to reply to it.
"""

from __future__ import annotations

from dataclasses import replace

from flows.actions import Action, Decide, Search
from flows.events import SearchResult
from flows.policy import Policy, Step
from flows.speaking import say_entry
from flows.state import CallerTurn, HandoffState, Phase, State

HANDOFF = "handoff"
"""The mark of an entry whose matter is 110's at once (`flows.events.SearchResult.safety`)."""

REPLY_S = 2.2
"""How long the caller has to begin a reply to 您在什么位置 before anything else is said."""


def found(result: SearchResult | None, policy: Policy) -> str:
    """The safety wording that a search is sure of; empty if it is of none."""
    if result is None or result.decision != "answer" or not result.candidates:
        return ""
    entry, sure = result.candidates[0]
    fits = result.safety.get(entry) == HANDOFF and sure >= policy.limits.early_answer
    return entry if fits else ""


def search(state: State, turn: CallerTurn) -> tuple[Action, ...]:
    """Look among the approved entries for safety wording that fits what was said."""
    handoff = state.handoff
    if handoff is None or not _wanted(handoff) or not turn.words:
        return ()
    return (Search.of(turn, state.region, final=True),)


def keep(state: State, event: SearchResult, policy: Policy) -> State:
    """The wording found while 110 is being called is kept until it can be said."""
    handoff = state.handoff
    entry = found(event, policy)
    if handoff is None or not entry or not _wanted(handoff):
        return state
    return replace(state, handoff=replace(handoff, wording=entry))


def speak(state: State) -> Step | None:
    """Say it; the caller of this has made sure that nobody speaks and nobody is off-hook."""
    handoff = state.handoff
    if handoff is None or not handoff.wording or handoff.worded or _may_reply(state):
        return None
    state = replace(state, handoff=replace(handoff, worded=True))
    state, said = say_entry(state, handoff.wording, safety=True)
    return state, (Decide("safety_wording", f"等候110时说安全提示 {handoff.wording}"), said)


def _wanted(handoff: HandoffState) -> bool:
    reached = handoff.connected or handoff.released
    return handoff.to_police and not (handoff.wording or reached)


def _may_reply(state: State) -> bool:
    asked = state.phase is Phase.HANDING_OFF and state.prompt == "where_are_you"
    return asked and state.at - state.said_at < REPLY_S
