"""The dialogue core: ``step(state, event, policy) -> (state, actions)``.

Rule 1: everything that decides what a call does next lives here, and it is pure:
no clock, no I/O, no model. Time and embeddings come in with the events.
Rule 2: danger wins over every other rule, in every phase, on partial hypotheses too.
Rule 3: nothing is announced before it is written; 110 alone is dialled at once, and
what the caller is told follows the write.

This file says which concern takes which event; what short replies mean is read by
`answers`, `denial`, `numbers` and `small_talk`:

=================  ===========================================================
`hearing`          hypotheses, barge-in, turn ends
`judging`          which words triage judges, and what is certain or in doubt
`replying`         the reply to a turn; `courtesies` to small talk, in every phase
`danger`           the question about danger, and its reply
`understanding`    words that nobody made out, and other languages
`distress`         screams, crying, shouting
`answering`        search, answer, clarify, guide, details that an answer invited
`ticket_dialogue`  work orders (工单): `ticket_number` the number, spoken or keyed,
                   `ticket_writing` draft, complete, withdrawn, announced,
                   `ticket_asking` questions, `ticket_slots` when, and 替我保密
`progress`         what became of a ticket, read out to its caller
`police_offer`     an ordinary matter of 110's: announced, confirmed, transferred
`together`         110's or 12345's: both on the line; a dispute if nobody takes it
`keypad`           the menu of keys
`handoff`          110 and seats: opened, written, announced (`announcing` has the wording)
`legs`             the legs to them (`routes`), the next route; `release` who leaves the call
`waiting`          110 has no line: what the caller is told, and a line that is free for him
`seatless`         a seat, and what there is without one: limited numbers, closed hours
`appeal`           a limited caller who does not agree
`satisfaction`     the question how content the caller is
`sides`            119, 120, 122, 12395 beside 110
`far_side`         who is on an answered leg: a person, a queue, a machine
`dossier`          place, lines, notes of an open hand-off
`agent`            what an agent asks for at his desk
`call_back`        a caller who is gone while danger is open
`patience`         silence, failing engines, the end
`speaking`         what is being said and may be interrupted
=================  ===========================================================

A call can be replayed from its event log (`voicebot replay`), and property tests
throw any order of events at it (tests/flows/test_dialogue_invariants.py).
"""

from __future__ import annotations

from dataclasses import replace

from flows import (
    agent,
    call_back,
    courtesies,
    distress,
    dossier,
    handoff,
    hearing,
    judging,
    keypad,
    legs,
    patience,
    progress,
    satisfaction,
    seatless,
    speaking,
    ticket_writing,
    waiting,
)
from flows.actions import Decide
from flows.events import (
    AgentAsked,
    CallerSpeaking,
    CallStarted,
    Distress,
    DutyLinesChanged,
    Ear,
    EngineFailed,
    Event,
    FarSideKey,
    Heard,
    HungUp,
    KeyPressed,
    LineFree,
    PlaybackFinished,
    PlaybackStarted,
    Released,
    SearchResult,
    Silence,
    TicketsFound,
    TimePassed,
    TransferProgress,
    TurnEnded,
    Written,
)
from flows.policy import Limits, Policy, Step
from flows.routes import POLICE
from flows.state import Phase, State

__all__ = ["Limits", "Policy", "Step", "step", "texts_to_embed"]


def texts_to_embed(state: State, event: Event, policy: Policy) -> tuple[str, ...]:
    """The texts whose embeddings `event` must carry before it is given to `step`.

    Those of earlier events are kept in the state and not asked for again.
    """
    if not isinstance(event, Heard) or event.ear is Ear.LISTENER or state.phase is Phase.ENDED:
        return ()
    if event.plain:
        return ()
    texts = judging.texts(hearing.with_hypothesis(state, event), policy)
    return tuple(text for text in texts if text not in state.embeddings)


def step(state: State, event: Event, policy: Policy) -> Step:
    """One event in, the new state and what to do about it out."""
    if state.phase is Phase.ENDED:
        # A write that is confirmed late still counts in the figures.
        return (_written(state, event)[0], ()) if isinstance(event, Written) else (state, ())
    state = replace(state, at=max(state.at, event.at))
    if isinstance(event, HungUp):
        return patience.closing(state)
    if isinstance(event, Released):
        return patience.released(state)
    state, actions = _dispatch(state, event, policy)
    if state.phase is Phase.ENDED:
        return state, actions
    # Afterwards: news of a leg that comes now is of the one before, and passed over.
    state, redialled = legs.redial(state)
    return agent.off_hold(state, (*actions, *redialled))


def _dispatch(state: State, event: Event, policy: Policy) -> Step:
    match event:
        case CallStarted():
            return _started(state, event, policy)
        case DutyLinesChanged():
            return replace(state, duty_lines=event.duty_lines), ()
        case CallerSpeaking():
            return hearing.speaking(state, event), ()
        case Heard():
            return hearing.heard(state, event, policy)
        case Distress():
            return distress.marked(state, event)
        case TurnEnded():
            return hearing.turn_ended(state, event, policy)
        case SearchResult():
            return hearing.search_result(state, event, policy)
        case TicketsFound():
            return progress.found(state, event)
        case KeyPressed():
            return keypad.pressed(state, event)
        case Silence():
            return patience.silence(state, event, policy)
        case PlaybackStarted():
            return speaking.started(state, event), ()
        case PlaybackFinished():
            return _playback_finished(state, event)
        case Written():
            return _written(state, event)
        case TransferProgress():
            return seatless.transfer(state, event, policy)
        case LineFree():
            return waiting.granted(state, event)
        case TimePassed():
            return dossier.keep_company(state)
        case FarSideKey():
            return seatless.key(state, event, policy)
        case AgentAsked():
            return agent.asked(state, event, policy)
        case EngineFailed():
            return patience.engine_failed(state, event, policy)
        case _:
            return state, ()


def _started(state: State, event: CallStarted, policy: Policy) -> Step:
    if state.started:
        return state, ()
    state = replace(
        state,
        started=True,
        call_id=event.call_id,
        caller=event.caller,
        did=event.serves_as or event.did,
        region=state.region or event.known_region or event.did_region,
        trunk=event.trunk,
        order=event.order,
        duty_lines=event.duty_lines,
        calls_back=event.calls_back,
        called_back=event.called_back,
        today=event.today,
        limited=event.limited,
        limited_until=event.limited_until,
        closed=event.closed,
        evaluates=event.evaluates,
        calling=event.calling,
        about=event.about,
    )
    if state.handoff is not None:
        return state, ()
    if event.called_back is not None:
        return call_back.begin(state, event.called_back)
    if event.trunk == POLICE:
        why = Decide("from_110", f"110转来，警单 {event.order}" if event.order else "110转来")
        state, greeting = speaking.say(state, "from_110")
        return state, (why, greeting)
    if event.calling == "evaluation" and not event.limited:
        return satisfaction.put(state, "evaluation_call_back")
    if event.calling in ("missed", "danger"):
        state, greeting = speaking.say(state, "missed_call_back")
        return state, (greeting,)
    state, told = _announcement(state, event)
    state, greeting = speaking.say(state, policy.greetings.get(event.did, "greeting"))
    if not event.closed:
        return state, (*told, greeting)
    state, hours = speaking.say(state, "closed_hours")
    return state, (*told, greeting, hours)


def _announcement(state: State, event: CallStarted) -> Step:
    """What is announced about an incident; the caller may speak into it as into any prompt."""
    if not event.announcement:
        return state, ()
    state, told = speaking.say(state, "incident_announcement", announcement=event.announcement)
    return state, (told,)


def _playback_finished(state: State, event: PlaybackFinished) -> Step:
    after = speaking.finished(state, event)
    if after is None:
        return speaking.stopped(state, event), ()
    if after.phase is Phase.CLOSING:
        return courtesies.goodbye_said(after)
    return dossier.keep_company(after)


def _written(state: State, event: Written) -> Step:
    if state.handoff is not None and event.ref == state.handoff.id:
        if state.phase is Phase.HANDING_OFF:
            return handoff.written(state, event)
        return replace(state, handoff=replace(state.handoff, written=event.ok)), ()
    if state.ticket is None or event.ref != state.ticket.id:
        return state, ()
    (state, actions), safe = ticket_writing.written(state, event)
    if safe:
        return state, actions
    return seatless.to_human(state, "ticket_not_written", "ticket_unsaved")
