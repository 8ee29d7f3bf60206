"""Taking down a work order (工单): matter, place, name, number read back, written. Pure.

The matter is written at once as a draft, so that it outlives a caller who hangs up
(R19). A caller can refuse it,
correct it and leave it at every step; what is no reply to the question is not taken down.
"""

from __future__ import annotations

from dataclasses import replace

from flows import answers, numbers, small_talk, ticket_number, ticket_slots
from flows.actions import Action, Decide, OpenTicket
from flows.policy import Step
from flows.speaking import hush, say
from flows.state import CallerTurn, Phase, State, Ticket
from flows.ticket_asking import AND, PLAIN, READ_BACK, ask, next_step, unanswered
from flows.ticket_writing import finish, withdraw, write

STEPS = frozenset({Phase.TICKET_PLACE, Phase.TICKET_NAME, Phase.TICKET_NUMBER})

ANSWERLESS = "ticket_place"
"""The first question after a matter to which there is no approved answer."""

MOST_MATTER = 400
"""Characters of a matter that are kept."""


# ── opening ───────────────────────────────────────────────────────────────────────


def open_dialogue(
    state: State, matter: str, why: str, *, question: str = PLAIN, place: str = ""
) -> Step:
    """Begin a ticket with its draft and the first question."""
    state = begin(state, matter)
    assert state.ticket is not None
    state = replace(state, ticket=ticket_slots.taken(state, state.ticket, f"{matter}{AND}{place}"))
    decided = Decide("ticket", why)
    if not state.ears:
        # Nothing more can be heard: the number and the recording must do.
        state, written = finish(state)
        return state, (decided, *written)
    ticket = state.ticket
    assert ticket is not None
    if place:
        state = replace(state, ticket=replace(ticket, place=place))
        state, draft = write(state)
        state, told = ticket_slots.acknowledged(state)
        state, asked = next_step(state, Phase.TICKET_NAME)
        return state, (decided, draft, *told, *asked)
    state, draft = write(replace(state, phase=Phase.TICKET_PLACE))
    state, told = ticket_slots.acknowledged(state)
    state, first = say(state, question)
    return state, (decided, draft, *told, first)


def begin(state: State, matter: str) -> State:
    """A new ticket; one that waits for its matter gets it instead."""
    known = state.ticket
    if known is not None and known.step is Phase.TICKET_MATTER and not known.complete:
        ticket = replace(known, matter=matter, step=Phase.TICKET_PLACE)
    else:
        state = replace(state, tickets=state.tickets + 1)
        ticket = Ticket(
            f"{state.call_id}-t{state.tickets}", matter, number=numbers.dialable(state.caller)
        )
    return replace(
        state, ticket=ticket, awaiting=None, result=None, searched=None, invited="", unheard=0
    )


def ask_matter(state: State, draft: str) -> Step:
    """Ask what it is about. With `draft` that much is a ticket already."""
    actions: tuple[Action, ...] = ()
    if draft and state.ticket is None:
        state = begin(state, draft)
        assert state.ticket is not None
        state = replace(state, ticket=replace(state.ticket, step=Phase.TICKET_MATTER))
        state, written = write(state)
        actions = (Decide("ticket", "人工座席占线，登记回电"), written)
    state, question = say(replace(state, phase=Phase.TICKET_MATTER), "ticket_matter")
    return state, (*actions, question)


def resume(state: State, matter: str) -> Step:
    """No seat is free: go on with the ticket that was begun, or begin one."""
    ticket = state.ticket
    if ticket is None:
        return open_dialogue(state, matter, "人工座席占线，登记工单")
    if ticket.complete:
        again = replace(
            ticket,
            id=f"{state.call_id}-t{state.tickets + 1}",
            matter=matter,
            writes=0,
            complete=False,
        )
        return finish(replace(state, ticket=again, tickets=state.tickets + 1))
    if not state.ears:
        return finish(state)
    if ticket.step is Phase.TICKET_MATTER:
        return ask_matter(state, "")
    state, question = ask(replace(state, phase=ticket.step, awaiting=None))
    return state, (question,)


# ── taking down ───────────────────────────────────────────────────────────────────


def courtesy(state: State, turn: CallerTurn) -> Step | None:
    """Words that are no reply to the question: no more of it, goodbye, yes, a correction."""
    done = _courtesy(state, turn)
    return None if done is None else _on_record(state, done)


def _courtesy(state: State, turn: CallerTurn) -> Step | None:
    besides = ticket_slots.heard(state, turn)
    state = ticket_slots.wished(state, turn)
    ticket = state.ticket
    assert ticket is not None
    text = turn.transcript
    wrong = answers.correction(text)
    if wrong is not None:
        return _correct(state, ticket, wrong)
    if besides is not None and not besides.rest:
        return _besides(besides)
    at_number = state.phase is Phase.TICKET_NUMBER
    if state.phase is Phase.TICKET_NAME and answers.name(text) == answers.ANONYMOUS:
        return None
    if small_talk.refused(text) and not (at_number and answers.no_call(text)):
        return withdraw(state)
    if small_talk.finished(text) and not (at_number and small_talk.bare_no(text)):
        state, hushed = hush(state)
        state, written = finish(state)
        return state, (*hushed, *written)
    if at_number:
        return None
    if small_talk.agreed(text) or small_talk.contentless(text) or small_talk.more(text):
        return unanswered(state) if state.quiet else (state, ())
    return None


def _on_record(before: State, done: Step) -> Step:
    """A new wish for confidentiality is written at once: lists go by what is on record."""
    state, actions = done
    if state.ticket is None or before.ticket is None:
        return done
    same = state.ticket.confidential == before.ticket.confidential
    if same or any(isinstance(each, OpenTicket) for each in actions):
        return done
    state, written = write(state)
    return state, (written, *actions)


def _besides(heard: ticket_slots.Heard) -> Step:
    """Only of when, or of confidentiality, was spoken: it is noted, and the question put again."""
    state, hushed = hush(heard.state)
    state, told = ticket_slots.acknowledged(state, heard)
    if state.phase is Phase.TICKET_NUMBER:
        state, question = ask(state)
        return state, (*hushed, *told, question)
    state, actions = unanswered(state)
    return state, (*hushed, *told, *actions)


def _correct(state: State, ticket: Ticket, wrong: answers.Correction) -> Step:
    """地址说错了，是和平大道: put right, and on with the present question."""
    state, hushed = hush(state)
    if wrong.slot == "time":
        return _correct_time(state, ticket, wrong.value, hushed)
    back = Phase.TICKET_PLACE if wrong.slot == "place" else Phase.TICKET_NAME
    match wrong.slot, wrong.value:
        case "place", value if value:
            ticket = replace(ticket, place=value)
        case "name", value if value:
            ticket = replace(ticket, name=answers.name(f"我叫{value}") or value)
        case "matter", value if value:
            ticket = replace(ticket, matter=value)
        case "matter", _:
            state, question = ask(state)
            return state, (*hushed, question)
        case _:
            state, actions = next_step(replace(state, ticket=ticket), back)
            return state, (*hushed, *actions)
    state, actions = next_step(replace(state, ticket=ticket), state.phase)
    return state, (*hushed, *actions)


def _correct_time(state: State, ticket: Ticket, value: str, hushed: tuple[Action, ...]) -> Step:
    """时间说错了，是前天: put right; asked for where the new one is not told."""
    when = ticket_slots.time_of(state, value)
    state = replace(state, ticket=replace(ticket, happened=when))
    if when:
        state, actions = next_step(state, state.phase)
    else:
        state, question = say(state, "ticket_when")
        actions = (question,)
    return state, (*hushed, *actions)


def take_down(state: State, turn: CallerTurn) -> Step:
    """The caller's reply to the present question, and what is said of the matter with it."""
    before = state = replace(state, awaiting=None)
    besides = ticket_slots.heard(state, turn)
    if besides is None:
        return _reply(state, turn)
    state, told = ticket_slots.acknowledged(besides.state, besides)
    state, actions = _reply(state, replace(turn, transcript=besides.rest))
    return _on_record(before, (state, (*told, *actions)))


def _reply(state: State, turn: CallerTurn) -> Step:
    ticket = state.ticket
    assert ticket is not None
    match state.phase:
        case Phase.TICKET_PLACE:
            return _place(state, ticket, turn)
        case Phase.TICKET_NAME:
            return _name(state, ticket, turn)
        case _:
            state, actions = ticket_number.take_down(state, turn)
            return finish(state) if actions is None else (state, actions)


def _place(state: State, ticket: Ticket, turn: CallerTurn) -> Step:
    words = turn.words
    if answers.place_unknown(words):
        return next_step(state, Phase.TICKET_NAME)
    asks = answers.question(words)
    if not turn.transcript or (answers.place(words, turn.syllables) and not asks):
        return next_step(replace(state, ticket=replace(ticket, place=words)), Phase.TICKET_NAME)
    if answers.framed_name(words):
        ticket = replace(ticket, name=answers.name(words))
    elif ticket.repeated and not asks and len(words) <= READ_BACK:
        # No place that we know, and the caller says no other.
        return next_step(replace(state, ticket=replace(ticket, place=words)), Phase.TICKET_NAME)
    else:
        ticket = _also(ticket, words)
    return unanswered(replace(state, ticket=ticket))


def _name(state: State, ticket: Ticket, turn: CallerTurn) -> Step:
    name = answers.name(turn.transcript) if turn.transcript else turn.words
    if name:
        return next_step(replace(state, ticket=replace(ticket, name=name)), Phase.TICKET_NUMBER)
    words = turn.transcript
    if answers.place(words) and not answers.question(words):
        ticket = replace(ticket, place=words)
    else:
        ticket = _also(ticket, words)
    return unanswered(replace(state, ticket=ticket))


def _also(ticket: Ticket, words: str) -> Ticket:
    return replace(ticket, matter=f"{ticket.matter}{AND}{words}"[:MOST_MATTER])
