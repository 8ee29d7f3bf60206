"""An ordinary matter of 110's: announced, confirmed in one sentence, transferred. Pure.

There is no danger in it, so that a caller may say no; anything but a no goes, and danger
that is told meanwhile waits for no reply (`hearing`).
"""

from __future__ import annotations

from dataclasses import replace

from flows import answers, handoff, small_talk, ticket_asking, ticket_dialogue
from flows.actions import Decide
from flows.judging import probability
from flows.policy import Step
from flows.speaking import say
from flows.state import CallerTurn, Phase, State, settled


def offer(state: State, turn: CallerTurn) -> Step:
    """Say whose matter it is, and ask whether to put the caller through."""
    state = replace(settled(state, turn), phase=Phase.CONFIRMING_POLICE, matter=turn.words)
    why = Decide("offer_110", f"公安事项，概率 {probability(state, '110'):.2f}")
    state, question = say(state, "offer_110")
    return state, (why, question)


def answered(state: State, turn: CallerTurn) -> Step | None:
    """The reply to the question; None where it is a question of the caller's own."""
    text = turn.transcript
    if answers.question(text):
        return None
    if not (answers.declined(text) or small_talk.refused(text)):
        return accepted(settled(state, turn))
    why = Decide("police_declined", "来电人不要转110")
    state = settled(withdrawn(state), turn)
    if state.phase in ticket_dialogue.STEPS:
        state, said = ticket_asking.ask(state)
    else:
        state, said = say(state, "not_transferred")
    return state, (why, said)


def withdrawn(state: State) -> State:
    """The call goes on without a transfer, where it was; it is not offered again."""
    ticket = state.ticket
    under_way = ticket is not None and not ticket.complete
    phase = ticket.step if ticket is not None and under_way else Phase.LISTENING
    return replace(state, phase=phase, police_declined=True)


def accepted(state: State) -> Step:
    """The caller has not said no."""
    return handoff.to_police(state, "police_matter")


def left(state: State) -> State:
    """A caller who hangs up over the question has told a matter all the same."""
    under_way = state.ticket is not None and not state.ticket.complete
    if state.phase is not Phase.CONFIRMING_POLICE or under_way:
        return state
    return ticket_dialogue.begin(state, state.matter)
