"""What the caller says: danger first, on every hypothesis, partial ones too. Pure."""

from __future__ import annotations

from dataclasses import replace

from flows import (
    answering,
    bridge_wording,
    danger,
    dossier,
    handoff,
    judging,
    progress,
    replying,
    small_talk,
)
from flows.actions import Action, Transcribe
from flows.events import CallerSpeaking, Ear, Heard, SearchResult, TurnEnded
from flows.policy import Policy, Step
from flows.speaking import cut_off, hush, interruptible
from flows.state import CallerTurn, Phase, State


def speaking(state: State, event: CallerSpeaking) -> State:
    """A turn has begun; one that still waits for its reply becomes part of it."""
    if state.caller_turn(event.turn) is not None:
        return state
    state = danger.begun(state, event.turn, event.at)
    newest = state.turn
    assert newest is not None
    return replace(state, awaiting=None) if newest.number == event.turn else state


def with_hypothesis(state: State, event: Heard) -> State:
    """The state in which the hypothesis has been taken in."""
    if state.caller_turn(event.turn) is None:
        state = danger.begun(state, event.turn, event.start or event.at)
    if event.ear is Ear.TRANSCRIBER and event.final:
        state = danger.revoked(state, event.turn, event.text)
    turn = state.caller_turn(event.turn)
    assert turn is not None
    return state.with_turn(turn.hear(event))


def heard(state: State, event: Heard, policy: Policy) -> Step:
    """A hypothesis of one ear. Danger and a call for the police act at once, mid-sentence."""
    known = state.caller_turn(event.turn)
    if known is not None and known.hear(event) is known:
        return state, ()  # a partial that came after its final
    cleared = state.cleared
    state = with_hypothesis(state, event)
    turn = state.caller_turn(event.turn)
    assert turn is not None
    current = turn is state.turn
    actions: tuple[Action, ...] = ()
    if (
        current
        and not turn.ended
        and interruptible(state)
        and not small_talk.backchannel(turn.transcript, turn.syllables)
    ):
        state, actions = hush(cut_off(state))
        if state.phase is Phase.CLOSING:
            state = replace(state, phase=Phase.LISTENING)

    before = state.assessment
    state, certain = judging.judged(state, event, policy)
    assessment = state.assessment
    assert assessment is not None
    state, located = dossier.locate(state, turn, event, before)
    actions += located

    if state.handoff is not None:
        state, updated = dossier.update(state, assessment, certain=certain)
        state, company = dossier.keep_company(state)
        return state, (*actions, *updated, *company, *_wording(state, event, turn))
    if assessment.request == "police":
        state, handed = handoff.to_police(state, "requested_police")
        return state, (*actions, *handed, *_wording(state, event, turn))
    if certain or state.cleared < cleared:  # the no was none after all
        state, handed = handoff.to_police(state, "danger")
        return state, (*actions, *handed, *_wording(state, event, turn))
    if not current and (state.awaiting is None or turn.number <= state.handled):
        return state, actions
    if _suspected(state, event, policy):
        actions += (Transcribe(turn.number),)

    state, replied = _follow_up(state, event, turn, policy)
    return state, (*actions, *replied)


def _wording(state: State, event: Heard, turn: CallerTurn) -> tuple[Action, ...]:
    """On words that are settled: the search for safety wording."""
    settled = event.final and replying.words_settled(state, turn)
    return bridge_wording.search(state, turn) if settled else ()


def _suspected(state: State, event: Heard, policy: Policy) -> bool:
    """The listener hears what may be danger; the transcriber's next words are due later."""
    return (
        event.ear is Ear.LISTENER
        and not event.final
        and Ear.TRANSCRIBER in state.ears
        and judging.probability(state, "110_now") >= policy.limits.suspicion
    )


def _follow_up(state: State, event: Heard, turn: CallerTurn, policy: Policy) -> Step:
    """Search on the new words, reply if they were all that was waited for."""
    if turn is not state.turn:
        return replying.reply(state, policy)  # the first half of what is waited for
    early = state.early
    final = event.final and replying.words_settled(state, turn)
    if early is not None and early.turn == turn.number:
        return _second_thoughts(state, turn, policy) if final else (state, ())
    if turn.number <= state.handled:
        return _too_late(state, turn, policy) if final else (state, ())
    question = state.question()
    if question is None:
        return state, ()
    if state.awaiting == turn.number:
        return replying.reply(state, policy)
    if event.ear is Ear.LISTENER and Ear.TRANSCRIBER in state.ears:
        return state, ()
    return answering.search(
        state, question, final=final and replying.words_settled(state, question)
    )


def _too_late(state: State, turn: CallerTurn, policy: Policy) -> Step:
    """The final of a turn that was replied to without it: the doubt in it is asked about now."""
    if not state.doubt or state.phase is Phase.CONFIRMING_DANGER or turn.number <= state.cleared:
        return state, ()
    state, hushed = hush(state)
    asked = danger.ask(state, turn, policy)
    assert asked is not None
    return asked[0], (*hushed, *asked[1])


def _second_thoughts(state: State, turn: CallerTurn, policy: Policy) -> Step:
    """The final of a turn that was answered early: danger, 110 or a human go before the answer."""
    early = state.early
    assert early is not None
    reopened = replace(
        state, handled=early.handled_before, early=None, answered=max(0, state.answered - 1)
    )
    police = judging.police_matter(state) and (
        judging.probability(state, "110") >= policy.limits.police_over_answer
    )
    if state.doubt or police or replying.human_requested(reopened):
        reopened, hushed = hush(replace(reopened, awaiting=turn.number))
        reopened, actions = replying.reply(reopened, policy)
        return reopened, (*hushed, *actions)
    return answering.search(state, turn, final=True)


def turn_ended(state: State, event: TurnEnded, policy: Policy) -> Step:
    """Endpointing decided that the caller is done."""
    turn = state.caller_turn(event.turn) or CallerTurn(event.turn, start=event.at)
    if turn.ended:
        return state, ()
    state = state.with_turn(replace(turn, ended=True))
    if state.turn is None or state.turn.number != turn.number:
        return state, ()  # the caller has gone on meanwhile
    if state.phase in (Phase.HANDING_OFF, Phase.CONNECTED):
        return dossier.keep_company(state)
    if turn.number <= state.handled:
        return state, ()
    state = replace(state, awaiting=turn.number)
    question = state.question()
    if (
        question is not None
        and not (state.doubt or progress.asked(question.transcript))
        and not judging.police_matter(state)
        and not replying.human_requested(state)
    ):
        early = answering.early_result(state, question, policy)
        if early is not None and not (early.final and replying.words_settled(state, question)):
            return answering.answer_early(state, question, early)
    return replying.reply(state, policy)


def search_result(state: State, event: SearchResult, policy: Policy) -> Step:
    """The knowledge base answered."""
    if state.handoff is not None:
        return dossier.keep_company(bridge_wording.keep(state, event, policy))
    if state.early is not None and event.final and event.turn == state.early.turn:
        return answering.veto(state, event, policy)
    state = answering.keep(state, event)
    if not event.final or state.awaiting != event.turn:
        return state, ()
    return replying.reply(state, policy)
