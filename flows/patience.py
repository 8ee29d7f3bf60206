"""Silence, and engines that fail: what the bot does when nothing comes. Pure."""

from __future__ import annotations

from dataclasses import replace

from flows import (
    courtesies,
    dossier,
    handoff,
    police_offer,
    progress,
    replying,
    satisfaction,
    seatless,
    sides,
    ticket_asking,
    ticket_dialogue,
    ticket_number,
    ticket_writing,
    waiting,
)
from flows.actions import Action, Decide, HangUp, Leave, Search, UpdateDossier
from flows.events import Ear, EngineFailed, Silence
from flows.policy import Policy, Step
from flows.speaking import say, silenced
from flows.state import Phase, State

WAITING_S = 3.0
"""Longest silence for a caller whose hand-off is under way; by 4 s it must be over."""

BESIDE_S = 15.0
"""Between two words about 110 to a caller who has other people on the line."""


def silence(state: State, event: Silence, policy: Policy) -> Step:
    """Neither side has made a sound for a while; the caller is never left alone for 4 s."""
    limits = policy.limits
    patient = event.seconds < limits.silence_s
    if event.talking:
        if not (state.quiet or patient or event.at - state.said_at < limits.silence_s):
            state = silenced(state)  # it was never heard: its playback is lost
        # Someone who talks on to a 110 that does not answer must hear that we are there.
        waiting = state.phase is Phase.HANDING_OFF and state.quiet and event.seconds >= WAITING_S
        return _waiting(state, patient=False) if waiting else (state, ())
    if not state.quiet:
        if patient or event.at - state.said_at < limits.silence_s:
            return state, ()
        state = silenced(state)  # it was never heard: its playback is lost
    if event.seconds < limits.patience_s:
        return state, ()
    if state.phase is Phase.CONNECTED:
        return (state, ()) if patient else _still_trying(state)
    if state.caller_speaking and state.turn is not None:
        state = state.with_turn(replace(state.turn, ended=True))
    if state.phase is Phase.HANDING_OFF:
        return _waiting(state, patient=event.seconds < WAITING_S)
    keyed = progress.paused(state) or _keyed(state, policy)
    if keyed is not None:
        return keyed
    if state.question() is not None:
        state, actions = replying.reply(state, policy, impatient=True, overdue=not patient)
        if not patient and any(isinstance(action, Search) for action in actions):
            state, filler = say(state, "one_moment")
            actions = (*actions, filler)
        if actions:
            return state, actions
    if patient:
        return state, ()
    match state.phase:
        case Phase.CONFIRMING_DANGER:
            return handoff.to_police(state, "danger")
        case Phase.CONFIRMING_POLICE:
            return police_offer.accepted(state)
        case Phase.TICKET_WRITING:
            state, actions = seatless.to_human(state, "ticket_not_written", "ticket_unsaved")
            state, told = handoff.announce(state)  # a disk that is slow is not waited for again
            return state, (*actions, *told)
        case Phase.PROGRESS_SEARCH:
            return progress.lost(state)
        case Phase.CLOSING:
            return courtesies.goodbye_said(state)
        case Phase.EVALUATING:
            return satisfaction.over(state)
        case _:
            return _nudge(state, policy)


def _still_trying(state: State) -> Step:
    """Others have the caller, and 110 is still being called: a word now and then, if all rest."""
    open_handoff = state.handoff
    if (
        open_handoff is None
        or not open_handoff.to_police
        or open_handoff.connected
        or open_handoff.released
        or open_handoff.off_hook
        or state.at - state.said_at < BESIDE_S
    ):
        return state, ()
    state, said = say(state, "still_connecting_110")
    return state, (said,)


def _keyed(state: State, policy: Policy) -> Step | None:
    """A pause after digits: a number that is complete by now, or the key of the menu."""
    ticket = state.ticket
    if ticket is None or not ticket.digits or state.phase is not Phase.TICKET_NUMBER:
        return None
    if state.at - ticket.keyed_at < policy.limits.patience_s:
        return state, ()  # the next key is on its way
    match ticket_number.menu_key(state):
        case "1":
            return handoff.to_police(state, "requested_police")
        case "0":
            return seatless.to_human(state, "requested_human", "connecting_human")
        case _:
            return ticket_number.paused(state)


def _waiting(state: State, *, patient: bool) -> Step:
    """The hand-off is under way."""
    open_handoff = state.handoff
    if open_handoff is None:
        return state, ()
    if open_handoff.waiting and not open_handoff.announced:
        return handoff.announce(state)
    state, company = dossier.keep_company(state)
    if patient or company:
        return state, company
    told = waiting.told(state)
    if told is not None:
        return told
    # Off-hook and nobody speaks: the caller must not think that the line is dead.
    state, said = say(state, "still_connecting")
    return state, (said,)


def _nudge(state: State, policy: Policy) -> Step:
    """Speak to a silent caller; then a human, or the goodbye of one who was served.

    Who was called back, was not in danger and says nothing gets the goodbye too: an answering
    machine needs no seat.
    """
    idle = state.phase is Phase.LISTENING
    content = idle and (state.served or state.seat_failed)
    nobody = idle and state.calling == "missed" and not state.heard
    nudges = state.nudges + 1
    state = replace(state, nudges=nudges)
    if nudges > policy.limits.nudges - int(content):
        if content or nobody:
            state = replace(state, phase=Phase.CLOSING)
            state, goodbye = say(state, "goodbye")
            return state, (goodbye,)
        if state.seat_failed and state.phase in ticket_dialogue.STEPS:
            return ticket_writing.finish(state)
        if state.seat_failed and state.phase is Phase.TICKET_MATTER:
            state, goodbye = say(replace(state, phase=Phase.CLOSING), "goodbye")
            return state, (goodbye,)
        return seatless.to_human(state, "silent_caller", "silent_human")
    asking = state.phase in ticket_dialogue.STEPS or state.phase is Phase.TICKET_MATTER
    if not state.ears:
        state, said = say(state, "keys")
    elif state.phase in progress.STEPS and nudges == 1:
        return progress.ask(state)
    elif asking and nudges == 1:
        state, said = ticket_asking.ask(state)
    else:
        state, said = say(state, "anything_else" if content else "are_you_there")
    return state, (said,)


def engine_failed(state: State, event: EngineFailed, policy: Policy) -> Step:
    """Go on with what is left: the other ear, a ticket, the keys, a human."""
    decided = Decide("engine_failed", f"{event.engine}：{event.reason}".rstrip("："))
    actions: tuple[Action, ...] = ()
    match event.engine:
        case Ear.LISTENER | Ear.TRANSCRIBER:
            state, actions = _ear_failed(state, Ear(event.engine), policy)
        case "knowledge_base" if state.handoff is None and state.awaiting is not None:
            state, actions = replying.reply(state, policy, overdue=True)
        case "speech" if state.handoff is None:
            # A bridged call needs no voice of ours.
            if handoff.unsettled(state):
                state, actions = handoff.to_police(state, "danger")  # it cannot be asked
            else:
                state, actions = seatless.to_human(state, "no_speech", "voice_human")
        case _:
            pass
    return state, (decided, *actions)


def _ear_failed(state: State, ear: Ear, policy: Policy) -> Step:
    if ear not in state.ears:
        return state, ()
    state = replace(state, ears=state.ears - {ear})
    if state.handoff is not None:
        return state, ()
    if not state.ears:
        if handoff.unsettled(state):
            return handoff.to_police(state, "danger")  # no answer can be heard any more
        return seatless.to_human(state, "no_recogniser", "keys")
    if state.awaiting is None:
        return state, ()
    return replying.reply(state, policy)


def closing(state: State) -> tuple[State, tuple[Action, ...]]:
    """What must still be safe when the caller is gone."""
    state, police = dossier.interrupted(police_offer.left(silenced(state)))
    tickets = ticket_writing.save(state)
    ended = replace(state, phase=Phase.ENDED)
    return ended, (*police, *sides.notices(state), *tickets, HangUp(ended.outcome))


def released(state: State) -> Step:
    """The service leaves: nobody hangs up, and what was begun must be safe all the same."""
    handoff = state.handoff
    noted: tuple[Action, ...] = ()
    if handoff is not None and handoff.to_police and not (handoff.connected or handoff.released):
        note = "系统停止服务，来电未断开，由线路继续转接"
        noted = (
            UpdateDossier(handoff.id, handoff.region, handoff.lines, handoff.flags, note=note),
        )
    tickets = ticket_writing.save(police_offer.left(silenced(state)))
    ended = replace(state, phase=Phase.ENDED, left=True)
    why = Decide("caller_left", "系统停止服务，来电留给在线的人或人工队列")
    return ended, (why, *noted, *sides.notices(state), *tickets, Leave(ended.outcome))
