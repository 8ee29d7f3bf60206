"""The questions of a work order (工单), one after the other, and what is read back. Pure."""

from __future__ import annotations

from dataclasses import replace

from flows import ticket_number, ticket_slots
from flows.actions import Action, Say
from flows.policy import Step
from flows.speaking import say
from flows.state import Phase, State

PLAIN = "ticket_where"
"""The first question of any ticket but those for want of an answer."""

AND = "；"
"""Between the matter and what was said of it later."""
READ_BACK = 24
"""Characters that are read back; longer ones are recognised worse than they are remembered."""


def ask(state: State) -> tuple[State, Say]:
    """The question of the present step."""
    match state.phase:
        case Phase.TICKET_MATTER:
            return say(state, "ticket_matter")
        case Phase.TICKET_PLACE:
            return say(state, PLAIN)
        case Phase.TICKET_NAME:
            return say(state, "ticket_name")
        case _:
            return ticket_number.ask(state)


def next_step(state: State, phase: Phase) -> Step:
    """Go on to a step; before the last one what was taken down is read back."""
    ticket = state.ticket
    assert ticket is not None
    state = replace(
        state, ticket=replace(ticket, step=phase, repeated=False), phase=phase, awaiting=None
    )
    read: tuple[Action, ...] = ()
    if phase is Phase.TICKET_NUMBER:
        state, read = _read_back(state)
    state, question = ask(state)
    return state, (*read, question)


def _read_back(state: State) -> Step:
    ticket = state.ticket
    assert ticket is not None
    matter, place = _short(ticket.matter.split(AND)[0]), _short(ticket.place)
    said: tuple[Say, ...] = ()
    if place:
        state, summary = say(state, "ticket_summary", matter=matter or "您说的事", place=place)
        said = (summary,)
    elif matter:
        state, summary = say(state, "ticket_summary_matter", matter=matter)
        said = (summary,)
    if ticket.happened:
        state, when = say(state, "ticket_time", time=ticket_slots.spoken(ticket.happened))
        said = (*said, when)
    return state, said


def _short(words: str) -> str:
    """What is fit to be read back: neither long nor in pinyin."""
    fit = 0 < len(words) <= READ_BACK and not (words.isascii())
    return words if fit else ""


def unanswered(state: State) -> Step:
    """Put the question once more, in other words; then go on without that reply."""
    ticket = state.ticket
    assert ticket is not None
    if not ticket.repeated:
        state = replace(state, ticket=replace(ticket, repeated=True))
        prompt = "ticket_where" if state.phase is Phase.TICKET_PLACE else "ticket_name"
        state, question = say(state, prompt)
        return state, (question,)
    after = Phase.TICKET_NAME if state.phase is Phase.TICKET_PLACE else Phase.TICKET_NUMBER
    return next_step(state, after)
