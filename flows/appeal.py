"""A limited caller who does not agree (申诉, R11): a work order, and a mark at the limit. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from flows import ticket_asking, ticket_dialogue, ticket_writing
from flows.actions import AppealLimit, Decide
from flows.policy import Step
from flows.state import CallerTurn, State, settled
from flows.wording import plain

MATTER = "申诉，不同意限制本机号码"

_WANTED = re.compile(r"申诉|(?:不同意|取消|解除|撤销|为什么|凭什么).{0,6}限制")


def wanted(state: State, turn: CallerTurn) -> bool:
    """The caller of a limited number appeals; elsewhere 申诉 is a matter like any other."""
    return state.limited and _WANTED.search(plain(turn.transcript)) is not None


def made(state: State, turn: CallerTurn) -> Step:
    """Write it down; what is being taken down already goes on with the appeal in it."""
    state = settled(state, turn)
    words = f"{MATTER}；{turn.transcript}"
    why = Decide("appeal", "来电人申诉号码限制")
    ticket = state.ticket
    if ticket is not None and not ticket.complete and state.phase in ticket_dialogue.STEPS:
        matter = f"{ticket.matter}；{words}"[: ticket_dialogue.MOST_MATTER]
        state, draft = ticket_writing.write(replace(state, ticket=replace(ticket, matter=matter)))
        state, question = ticket_asking.ask(state)
        return state, (why, draft, AppealLimit(ticket.id, turn.transcript), question)
    state = ticket_dialogue.begin(state, words)
    assert state.ticket is not None
    appeal = AppealLimit(state.ticket.id, turn.transcript)
    state, written = ticket_writing.finish(state)
    return state, (why, *written, appeal)
