"""The reply to a turn of the caller, once it is over and its words are settled. Pure.

Doubt about danger comes first: one short closed question (您那边现在有人有危险吗？), to
which anything but a clear no is a yes.
"""

from __future__ import annotations

from dataclasses import replace

from flows import answering, answers, handoff, ticket_dialogue
from flows.actions import Decide, HangUp
from flows.answering import settled
from flows.events import Ear
from flows.policy import Policy, Step
from flows.speaking import say
from flows.state import CallerTurn, Phase, State


def reply(state: State, policy: Policy, *, impatient: bool = False, overdue: bool = False) -> Step:
    """The turn is over: do what the phase asks for, once its words are settled.

    `impatient`: the final hypothesis is not waited for any longer; `overdue`: nor is the search.
    """
    turn = state.question()
    if turn is None:
        return replace(state, awaiting=None), ()
    if not impatient and not words_settled(state, turn):
        return state, ()
    if turn.empty:
        return _not_heard(state, turn, policy)
    state = replace(state, unheard=0, nudges=0, awaiting=turn.number)
    if state.phase is Phase.CONFIRMING_DANGER:
        return _danger_answered(state, turn, policy)
    asked = _ask_danger(state, turn, policy)
    return asked or _proceed(state, turn, policy, overdue=overdue)


def words_settled(state: State, turn: CallerTurn) -> bool:
    """The turn is as well heard as it will be."""
    return turn.transcribed or Ear.TRANSCRIBER not in state.ears


def _proceed(state: State, turn: CallerTurn, policy: Policy, *, overdue: bool = False) -> Step:
    """The reply to words in which there is no danger."""
    if human_requested(state):
        return handoff.to_human(settled(state, turn), "requested_human", "connecting_human")
    match state.phase:
        case Phase.TICKET_WRITING:
            return settled(state, turn), ()
        case Phase.TICKET_PLACE | Phase.TICKET_NAME | Phase.TICKET_NUMBER:
            state = settled(state, turn)
            if answering.police_matter(state):
                return handoff.to_police(state, "police_matter")
            return ticket_dialogue.take_down(state, turn)
        case Phase.CLOSING:
            if answers.backchannel(turn.transcript, turn.syllables) or answers.finished(
                turn.transcript
            ):
                return goodbye_said(settled(state, turn))
            state = replace(state, phase=Phase.LISTENING)
        case Phase.CLARIFYING:
            chosen = answering.choose(state, turn)
            if chosen is not None:
                return chosen
        case _:
            pass
    small = _small_talk(state, turn)
    if small is not None:
        return small
    if (
        answering.police_matter(state)
        and answering.probability(state, "110") >= policy.limits.police_over_answer
    ):
        return handoff.to_police(settled(state, turn), "police_matter")
    result = state.result
    if result is not None and result.turn == turn.number:
        if overdue or (result.final and result.query == turn.transcript):
            return answering.conclude(state, turn, result, policy)
    elif overdue and answering.searched(state, turn):
        return answering.conclude(state, turn, None, policy)
    if not answering.searchable(turn):
        return _not_heard(state, turn, policy)
    return answering.search(state, turn, final=True)  # its result is waited for


def _small_talk(state: State, turn: CallerTurn) -> Step | None:
    """嗯, 喂你好, 没有了谢谢: words that ask for nothing."""
    noise = bool(turn.transcript) and answers.backchannel(turn.transcript)
    if answers.finished(turn.transcript):
        state = replace(settled(state, turn), phase=Phase.CLOSING)
        state, goodbye = say(state, "goodbye")
        return state, (goodbye,)
    if not noise and not answers.greeting(turn.transcript):
        return None
    state = settled(state, turn)
    if not state.quiet:
        return state, ()  # said along with the bot
    more = noise and state.served and state.prompt != "anything_else"
    state, said = say(state, "anything_else" if more else "go_on")
    return state, (said,)


def goodbye_said(state: State) -> Step:
    """Hang up, unless the goodbye is still being said or the caller speaks."""
    if not state.quiet or state.caller_speaking:
        return state, ()
    return replace(state, phase=Phase.ENDED), (HangUp(state.outcome),)


def _not_heard(state: State, turn: CallerTurn, policy: Policy) -> Step:
    if state.phase is Phase.CONFIRMING_DANGER:
        if state.quiet:
            return handoff.to_police(state, "danger")
        # A noise while the question is being asked is no answer to it.
        return replace(state.with_turn(replace(turn, aside=True)), awaiting=None), ()
    state = settled(state, turn)
    if not state.quiet or state.phase in (Phase.CLOSING, Phase.TICKET_WRITING):
        return state, ()
    state = replace(state, unheard=state.unheard + 1)
    if state.unheard >= policy.limits.unheard and not state.seat_failed:
        return handoff.to_human(state, "not_understood", "failure_human")
    state, said = say(state, "not_heard")
    return state, (said,)


def human_requested(state: State) -> bool:
    """The caller asks for a person now; a request that was dealt with is not made again."""
    return state.human_turn > state.handled


def _ask_danger(state: State, turn: CallerTurn, policy: Policy) -> Step | None:
    """One short closed question; not again unless the doubt has grown."""
    if state.assessment is None or state.assessment.action != "ask":
        return None
    doubt = answering.probability(state, "110_now")
    if turn.number <= state.cleared or state.asked_danger >= policy.limits.danger_questions:
        return None
    if state.asked_danger and doubt < state.asked_at + 0.1:
        return None
    resume = Phase.LISTENING if state.phase is Phase.CLOSING else state.phase
    state = replace(
        state,
        phase=Phase.CONFIRMING_DANGER,
        resume=resume,
        awaiting=None,
        asked_danger=state.asked_danger + 1,
        asked_at=doubt,
        doubt_turn=turn.number,
    )
    state, question = say(state, "ask_danger")
    return state, (Decide("ask_danger", f"可能有危险，概率 {doubt:.2f}"), question)


def _danger_answered(state: State, reply_turn: CallerTurn, policy: Policy) -> Step:
    """Anything but a clear no is a yes. After a no the caller's own words get their reply."""
    if not answers.clear_no(reply_turn.transcript, reply_turn.syllables) or answers.doubtful_no(
        reply_turn.alternatives
    ):
        return handoff.to_police(state, "danger")
    decided = Decide("no_danger", "来电人明确回答没有危险")
    doubt_turn = state.doubt_turn if state.doubt_turn is not None else state.handled
    turns = tuple(
        replace(turn, aside=True) if doubt_turn < turn.number <= reply_turn.number else turn
        for turn in state.turns
    )
    state = replace(
        state,
        turns=turns,
        phase=state.resume,
        resume=Phase.LISTENING,
        doubt_turn=None,
        cleared=doubt_turn,
        awaiting=None,
    )
    doubt = state.question(upto=doubt_turn)
    ticket = state.ticket
    if state.phase is Phase.TICKET_WRITING and ticket is not None and ticket.complete:
        state, actions = ticket_dialogue.announce(settled(state, reply_turn))
    elif doubt is None or doubt.empty:
        state, said = say(settled(state, reply_turn), "go_on")
        actions = (said,)
    else:
        state, actions = _proceed(replace(state, awaiting=doubt.number), doubt, policy)
    return state, (decided, *actions)
