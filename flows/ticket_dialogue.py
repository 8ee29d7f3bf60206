"""Taking down a work order (工单): matter, place, name, number read back, written. Pure.

The matter is written at once as a draft, so that it outlives a caller who hangs up
(R19); nothing is announced before the last write is confirmed.
"""

from __future__ import annotations

from dataclasses import replace

from flows import answers
from flows.actions import Action, Decide, OpenTicket, Say
from flows.events import Written
from flows.policy import Step
from flows.speaking import say
from flows.state import CallerTurn, Phase, State, Ticket

STEPS = frozenset({Phase.TICKET_PLACE, Phase.TICKET_NAME, Phase.TICKET_NUMBER})

CALL_BACK = "来电人要求人工服务"
"""The matter of a caller who said nothing but that."""


def open_dialogue(state: State, matter: str, why: str) -> Step:
    """Begin a ticket with its draft and the first question."""
    number = state.tickets + 1
    ticket = Ticket(
        f"{state.call_id}-t{number}", matter, number=answers.telephone_number(state.caller)
    )
    state = replace(
        state,
        ticket=ticket,
        tickets=number,
        phase=Phase.TICKET_PLACE,
        awaiting=None,
        result=None,
        searched=None,
    )
    decided = Decide("ticket", why)
    if not state.ears:
        # Nothing more can be heard: the number and the recording must do.
        state, written = finish(state)
        return state, (decided, *written)
    state, draft = _write(state)
    state, question = ask(state)
    return state, (decided, draft, question)


def resume(state: State, matter: str) -> Step:
    """No seat is free: go on with the ticket that was begun, or begin one."""
    ticket = state.ticket
    if ticket is None:
        return open_dialogue(state, matter, "人工座席占线，登记工单")
    if ticket.complete:
        again = replace(
            ticket,
            id=f"{state.call_id}-t{state.tickets + 1}",
            matter=CALL_BACK,
            writes=0,
            complete=False,
        )
        return finish(replace(state, ticket=again, tickets=state.tickets + 1))
    if not state.ears:
        return finish(state)
    state, question = ask(replace(state, phase=ticket.step, awaiting=None))
    return state, (question,)


def ask(state: State) -> tuple[State, Say]:
    """The question of the present step."""
    ticket = state.ticket
    assert ticket is not None
    match state.phase:
        case Phase.TICKET_PLACE:
            return say(state, "ticket_place")
        case Phase.TICKET_NAME:
            return say(state, "ticket_name")
        case _ if ticket.number:
            return say(state, "ticket_number", number=answers.spoken_number(ticket.number))
        case _:
            return say(state, "ticket_other_number")


def take_down(state: State, turn: CallerTurn) -> Step:
    """The caller's reply to the present question."""
    ticket = state.ticket
    assert ticket is not None
    state = replace(state, awaiting=None)
    if state.phase is Phase.TICKET_PLACE:
        return _next(state, replace(ticket, place=turn.words), Phase.TICKET_NAME)
    if state.phase is Phase.TICKET_NAME:
        return _next(state, replace(ticket, name=answers.name(turn.words)), Phase.TICKET_NUMBER)
    return _number(state, ticket, turn.words)


def _next(state: State, ticket: Ticket, phase: Phase) -> Step:
    state = replace(state, ticket=replace(ticket, step=phase), phase=phase)
    state, question = ask(state)
    return state, (question,)


def _number(state: State, ticket: Ticket, heard: str) -> Step:
    digits = answers.number(heard)
    if len(digits) >= 3 or (ticket.digits and 2 * len(digits) >= len(heard) > 0):
        return _digits(state, ticket.digits + digits)
    if ticket.number:
        if answers.yes(heard):
            return finish(state)
        if answers.no(heard):
            return _next(state, replace(ticket, number="", digits=""), Phase.TICKET_NUMBER)
    elif answers.no(heard):
        return finish(state)  # there is no other number
    if ticket.repeated:
        return finish(state)
    return _next(state, replace(ticket, repeated=True), Phase.TICKET_NUMBER)


def _digits(state: State, digits: str) -> Step:
    """Numbers are said and keyed in groups: wait until it can be one, then read it back."""
    ticket = state.ticket
    assert ticket is not None
    number = answers.telephone_number(digits)
    if number:
        return _next(state, replace(ticket, number=number, digits=""), Phase.TICKET_NUMBER)
    return replace(state, ticket=replace(ticket, number="", digits=digits[:24])), ()


def keying(state: State) -> bool:
    """Another number was asked for: keys are its digits, and no menu.

    A lone 1 or 0 followed by a pause still is the menu, and so is 110.
    """
    ticket = state.ticket
    return state.phase is Phase.TICKET_NUMBER and ticket is not None and not ticket.number


def keyed(state: State, key: str) -> Step:
    """A key while a number is being keyed in; ``*`` begins again, ``#`` ends it."""
    ticket = state.ticket
    assert ticket is not None
    if key in ("*", "#"):
        return _next(state, replace(ticket, digits=""), Phase.TICKET_NUMBER)
    if key not in tuple("0123456789"):
        return state, ()
    return _digits(state, ticket.digits + key)


def finish(state: State) -> Step:
    """Write the ticket as it is; the caller is told when that is done."""
    state, written = _write(replace(state, phase=Phase.TICKET_WRITING, awaiting=None))
    return state, (written,)


def save(state: State) -> tuple[Action, ...]:
    """The ticket once more, for a caller who hung up before it was complete."""
    if state.ticket is None or state.ticket.complete:
        return ()
    return (_write(state)[1],)


def _write(state: State) -> tuple[State, OpenTicket]:
    ticket = state.ticket
    assert ticket is not None
    state = replace(state, ticket=replace(ticket, writes=ticket.writes + 1))
    return state, OpenTicket(
        ticket.id, ticket.matter, ticket.place, ticket.name, ticket.number, state.region
    )


def written(state: State, event: Written) -> tuple[Step, bool]:
    """A write of the ticket was confirmed; the second value is False when it was lost."""
    ticket = state.ticket
    assert ticket is not None
    ticket = replace(ticket, writes=max(0, ticket.writes - 1))
    state = replace(state, ticket=ticket, ticket_written=state.ticket_written or event.ok)
    writing = Phase.TICKET_WRITING in (state.phase, state.resume)
    if ticket.complete or ticket.writes or not writing:
        return (state, ()), True
    if not event.ok:
        return (state, ()), state.phase is not Phase.TICKET_WRITING
    state = replace(state, ticket=replace(ticket, complete=True))
    if state.phase is Phase.TICKET_WRITING:
        return announce(state), True
    return (state, ()), True  # the question about danger comes first


def announce(state: State) -> Step:
    """The ticket is safe: its number, and the way to online 12345 (海易办)."""
    ticket = state.ticket
    assert ticket is not None
    tail = "".join(digit for digit in ticket.id if digit in "0123456789")[-4:]
    prompt = "ticket_done" if ticket.number else "ticket_no_number"
    state = replace(state, phase=Phase.LISTENING)
    state, done = say(state, prompt, ticket=answers.spoken_number(tail))
    return state, (done, Decide("guide", "引导到网上12345"))
