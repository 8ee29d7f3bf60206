"""The number to ring back: read back, said anew, or keyed. Pure.

A number is said and keyed in groups. One that could still go on is waited for until the
caller pauses, so that no key of it is left over; keys stay digits until the ticket is done.
"""

from __future__ import annotations

from dataclasses import replace

from flows import answers, numbers
from flows.actions import Action, Say
from flows.policy import Step
from flows.speaking import say
from flows.state import CallerTurn, Phase, State, Ticket

EMERGENCY = ("110", "119", "120", "122")
MOST_DIGITS = 24
MENU_PAUSE_S = 6.0
"""After a lone 1 or 0, and nothing else keyed, this long a pause makes it the menu."""


def ask(state: State) -> tuple[State, Say]:
    """Read the number back, or ask for it."""
    ticket = state.ticket
    assert ticket is not None
    if ticket.number:
        return say(state, "ticket_number", number=numbers.spoken(ticket.number))
    if ticket.digits:
        return say(state, "ticket_more_digits")
    return say(state, "ticket_other_number")


def take_down(state: State, turn: CallerTurn) -> tuple[State, tuple[Action, ...] | None]:
    """The reply to the read-back or to the question; no actions at all: it is complete."""
    ticket = state.ticket
    assert ticket is not None
    heard = turn.words
    said = numbers.number(heard)
    known = ticket.number
    if known and said and (said == known or (len(said) >= 3 and known.endswith(said))):
        return state, None  # the same number once more is a yes
    if numbers.dialable(said):
        return _offer(state, said)
    if len(said) >= 3 or (ticket.digits and 2 * len(said) >= len(heard) > 0):
        joined = ticket.digits + said
        return _collect(state, joined if not known or numbers.dialable(joined) else said)
    if answers.no_call(heard):
        return _set(state, replace(ticket, number="", digits="")), None
    if known:
        if answers.yes(heard):
            return state, None
        if answers.no(heard):
            return _again(state, replace(ticket, number="", digits=""))
    elif answers.no(heard):
        return state, None  # there is no other number
    if ticket.repeated:
        return state, None
    return _again(state, replace(ticket, repeated=True))


def keying(state: State) -> bool:
    """Keys are digits of a number, and no menu: a caller may key another one at any time here."""
    return state.phase is Phase.TICKET_NUMBER and state.ticket is not None


def reading_back(state: State) -> bool:
    """The number is being read back and was not heard to its end."""
    return state.ticket is not None and bool(state.ticket.number) and not state.quiet


def keyed(state: State, key: str) -> Step | None:
    """A key of a number: ``*`` begins again, ``#`` ends it. None: it confirms what was read."""
    ticket = state.ticket
    assert ticket is not None
    if key == "*":
        return _again(state, replace(ticket, number="", digits=""))
    if key == "#":
        if ticket.number:
            return None
        return paused(state) or _again(state, replace(ticket, digits=""))
    if key not in tuple("0123456789"):
        return state, ()
    begun = "" if numbers.whole(ticket.digits) else ticket.digits
    ticket = replace(ticket, keys=ticket.keys + 1, keyed_at=state.at)
    return _collect(_set(state, ticket), begun + key)


def paused(state: State) -> Step | None:
    """The caller pauses: what was said and keyed so far is read back if it is a number."""
    ticket = state.ticket
    assert ticket is not None
    number = "" if ticket.number else numbers.dialable(ticket.digits)
    return _offer(state, number) if number else None


def menu_key(state: State) -> str:
    """The lone key, after a long pause, that was meant for the menu; else empty."""
    ticket = state.ticket
    if not keying(state) or ticket is None or ticket.keys != 1 or ticket.digits not in ("1", "0"):
        return ""
    return ticket.digits if state.at - ticket.keyed_at >= MENU_PAUSE_S else ""


def emergency(state: State) -> bool:
    """110 and its like were keyed: no number to ring back begins so."""
    return state.ticket is not None and state.ticket.digits in EMERGENCY


def _collect(state: State, digits: str) -> Step:
    """Wait until it can be a number; one that cannot go on is read back at once."""
    ticket = state.ticket
    assert ticket is not None
    digits = digits[:MOST_DIGITS]
    if numbers.whole(digits):
        return _offer(state, digits)
    if numbers.hopeless(digits):
        return _again(state, replace(ticket, number="", digits=""))
    # One key alone may be meant as a yes, or for the menu.
    number = ticket.number if len(digits) == 1 == ticket.keys else ""
    return _set(state, replace(ticket, number=number, digits=digits)), ()


def _offer(state: State, number: str) -> Step:
    """Read it back; its digits are kept, because more may follow."""
    ticket = state.ticket
    assert ticket is not None
    return _again(state, replace(ticket, number=number, digits=number, repeated=False))


def _again(state: State, ticket: Ticket) -> Step:
    state, question = ask(_set(state, ticket))
    return state, (question,)


def _set(state: State, ticket: Ticket) -> State:
    return replace(state, ticket=ticket, phase=Phase.TICKET_NUMBER, awaiting=None)
