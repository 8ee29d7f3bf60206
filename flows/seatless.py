"""A human seat, and what happens without one: danger first, then the caller's matter. Pure.

A caller whose number is limited (骚扰限制, R11), or who calls outside the hours of service, gets
the work order at once instead of a seat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flows import danger, handoff, legs, release, small_talk, ticket_dialogue, together
from flows.actions import Decide
from flows.announcing import UNDECIDED
from flows.events import FarSideKey, TransferProgress
from flows.pending import HandoffState
from flows.policy import Policy, Step
from flows.speaking import hush, say
from flows.state import Phase, State, spoken

CALL_BACK = "来电人要求人工服务"
"""The matter of a caller who asked for a person and said nothing but that."""

_LIMITED = frozenset({"requested_human", "not_understood", "silent_caller", "foreign_language"})
"""What a limited caller gets no seat for, nor anybody outside the hours. Danger that is in doubt,
distress and faults of ours are not among it."""

_LEAST_MATTER = 4
"""Characters of what a ticket can be about."""


def to_human(state: State, reason: str, prompt: str) -> Step:
    """A hand-off to a seat, or what there is instead for a limited number and outside the hours."""
    if not (state.limited or state.closed) or reason not in _LIMITED:
        return handoff.to_human(state, reason, prompt)
    state, hushed = hush(state)
    if not state.limited:
        why = Decide("seat_closed", f"非服务时间，没有座席：{reason}")
        state, actions = _take_down(release.no_seat(state), reason, prompt="closed_no_seat")
        return state, (*hushed, why, *actions)
    why = Decide("seat_refused", f"号码在限制期内，不转座席：{reason}")
    day = {"day": state.limited_until} if state.limited_until else {}
    prompt = "limited_until" if day else "limited"
    state, actions = _take_down(release.no_seat(state), reason, prompt=prompt, values=day)
    return state, (*hushed, why, *actions)


def transfer(state: State, event: TransferProgress, policy: Policy) -> Step:
    """Progress of a hand-off; a seat that cannot be had ends it."""
    before, matter = state.handoff, _matter(state)
    uncertain = handoff.unsettled(state) and state.doubt > 0
    state, actions = legs.transfer(state, event)
    if _left_to_12345(before, state):
        state, told = say(state, "human_busy")
        why = "110和座席都没有接通，由首接的12345登记"
        state, more = together.disputed(state, matter or CALL_BACK, why)
        return state, (*actions, told, *more)
    if (
        before is None
        or before.to_police
        or state.handoff is not None
        or state.phase is Phase.ENDED
    ):
        return state, actions
    state, more = _go_on(state, before, policy, uncertain=uncertain)
    return state, (*actions, *more)


def key(state: State, event: FarSideKey, policy: Policy) -> Step:
    """110 gives the caller back; a matter that might have been its own is a dispute then."""
    before, matter = state.handoff, _matter(state)
    state, actions = release.key(state, event, policy)
    if not _left_to_12345(before, state):
        return state, actions
    state, more = together.disputed(state, matter or CALL_BACK, "110退回，由首接的12345登记")
    return state, (*actions, *more)


def _left_to_12345(before: HandoffState | None, state: State) -> bool:
    """Nobody has a matter any more over which 110 and a seat were called in together."""
    undecided = before is not None and before.reason == UNDECIDED
    return undecided and state.handoff is None and state.phase is not Phase.ENDED


def _go_on(state: State, failed: HandoffState, policy: Policy, *, uncertain: bool) -> Step:
    if failed.doubtful:
        return handoff.to_police(state, "danger")
    turn = state.turn
    if uncertain and turn is not None:
        asked = danger.ask(state, turn, policy)
        if asked is not None:
            return asked
    if failed.reason == "ticket_not_written":
        state, told = say(state, "not_recorded")
        return state, (told,)
    return _take_down(state, failed.reason, prompt="human_busy")


def _take_down(
    state: State, reason: str, *, prompt: str, values: Mapping[str, str] | None = None
) -> Step:
    """The matter as a work order; `prompt`, filled with `values`, tells the caller why."""
    values = values or {}
    matter = _matter(state)
    ticket = state.ticket
    under_way = ticket is not None and not ticket.complete
    if not (matter or under_way or (ticket is not None and ticket.complete)):
        return _without_matter(state, reason, prompt, values)
    state, told = say(state, prompt, **values)
    state, actions = ticket_dialogue.resume(state, matter or CALL_BACK)
    return state, (told, *actions)


def _without_matter(state: State, reason: str, prompt: str, values: Mapping[str, str]) -> Step:
    """Nothing was said yet that anyone could work on."""
    wanted = reason == "requested_human"
    if not state.ears:
        state, told = say(state, prompt, **values)
        state, actions = ticket_dialogue.resume(state, CALL_BACK)
        return state, (told, *actions)
    if not wanted and not spoken(state):
        prompt = "goodbye" if state.limited or state.closed else "nobody_free"
        state, told = say(replace(state, phase=Phase.CLOSING), prompt)
        return state, (Decide("guide", "没有人说话，也没有座席"), told)
    state, told = say(state, prompt, **values)
    state, actions = ticket_dialogue.ask_matter(state, CALL_BACK if wanted else "")
    return state, (told, *actions)


def _matter(state: State) -> str:
    """What the caller has said of substance: the longest of it."""
    said = [
        turn.transcript
        for turn in spoken(state)
        if len(turn.transcript) >= _LEAST_MATTER
        and not small_talk.human_wanted(turn.transcript)
        and not small_talk.courtesy(turn.transcript)
    ]
    return max(said, key=len, default="")
