"""A work order (工单) on its way to disk: draft, complete, withdrawn, announced. Pure.

Nothing is announced before the last write is confirmed; what the caller does not want is kept
as withdrawn and counts for nothing.
"""

from __future__ import annotations

from dataclasses import replace

from flows import jurisdiction, numbers
from flows.actions import Action, Decide, OpenTicket
from flows.events import Written
from flows.policy import Step
from flows.speaking import hush, say
from flows.state import Phase, State, Ticket


def finish(state: State) -> Step:
    """Write the ticket as it is; the caller is told when that is done."""
    state, written = write(replace(state, phase=Phase.TICKET_WRITING, awaiting=None))
    return state, (written,)


def withdraw(state: State) -> Step:
    """The caller wants no ticket: it stays on record as withdrawn, and counts for nothing."""
    state, hushed = hush(state)
    kept = state.ticket_kept and state.ticket is not None and not state.ticket.complete
    state, written = write(state, withdrawn=True)
    state = replace(
        state,
        phase=Phase.LISTENING,
        ticket=None,
        awaiting=None,
        ticket_written=kept,
        ticket_kept=kept,
    )
    state, told = say(state, "ticket_withdrawn")
    return state, (*hushed, written, Decide("ticket_withdrawn", "来电人不要登记"), told)


def save(state: State) -> tuple[Action, ...]:
    """The ticket once more, for a caller who hung up before it was complete."""
    if state.ticket is None or state.ticket.complete:
        return ()
    return (write(state)[1],)


def write(state: State, *, withdrawn: bool = False) -> tuple[State, OpenTicket]:
    ticket = state.ticket
    assert ticket is not None
    state = replace(state, ticket=replace(ticket, writes=ticket.writes + 1))
    return state, OpenTicket(
        ticket.id,
        ticket.matter,
        ticket.place,
        ticket.name,
        ticket.number,
        _region(state, ticket),
        happened=ticket.happened,
        confidential=ticket.confidential,
        withdrawn=withdrawn,
    )


def _region(state: State, ticket: Ticket) -> str | None:
    """The division code of the place of the matter, which need not be where the caller is."""
    place = jurisdiction.resolve(ticket.place) or jurisdiction.resolve(ticket.matter)
    return place.code if place is not None else state.region


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
    state = replace(state, ticket=replace(ticket, complete=True), ticket_kept=True)
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
    state, done = say(state, prompt, ticket=numbers.spoken(tail))
    return state, (done, Decide("guide", "引导到网上12345"))
