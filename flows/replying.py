"""The reply to a turn of the caller, once it is over and its words are settled. Pure.

Doubt about danger comes first (`danger`). Then words that ask for nothing of substance are
met in kind, in every phase: 再说一遍, 好的, 不用了, 再见. What is left is a reply to the
bot's question, or a matter.
"""

from __future__ import annotations

from dataclasses import replace

from flows import (
    answering,
    answers,
    appeal,
    courtesies,
    danger,
    denial,
    distress,
    handoff,
    judging,
    police_offer,
    progress,
    satisfaction,
    seatless,
    small_talk,
    ticket_asking,
    ticket_dialogue,
    ticket_writing,
    understanding,
)
from flows.actions import Decide
from flows.events import Ear
from flows.policy import Policy, Step
from flows.speaking import go_on, hush, say
from flows.state import CallerTurn, Phase, State, settled


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
    unheard = 0 if understanding.understood(turn) else state.unheard
    state = replace(state, unheard=unheard, nudges=0, awaiting=turn.number)
    if state.phase is Phase.CONFIRMING_DANGER:
        if turn.continues:
            return _talked_on(state, turn, policy)
        return _danger_answered(state, turn, policy)
    asked = danger.ask(state, turn, policy)
    return asked or _proceed(state, turn, policy, overdue=overdue)


def words_settled(state: State, turn: CallerTurn) -> bool:
    """The turn is as well heard as it will be."""
    return turn.transcribed or Ear.TRANSCRIBER not in state.ears


# ── the question about danger ─────────────────────────────────────────────────────


def _talked_on(state: State, turn: CallerTurn, policy: Policy) -> Step:
    if state.doubt and human_requested(state):
        return handoff.to_police(state, "danger")  # as for key 0
    state, waiting = danger.talked_on(state, turn)
    if waiting is not None:
        return waiting
    why = Decide("no_danger", "话说完以后没有危险")
    state, hushed = hush(state)
    whole = state.question()
    if whole is None:
        return state, (why, *hushed)
    state, actions = _proceed(replace(state, awaiting=whole.number), whole, policy)
    return state, (why, *hushed, *actions)


def _danger_answered(state: State, turn: CallerTurn, policy: Policy) -> Step:
    """Anything but a clear no is a yes. After a no the caller's own words get their reply."""
    repeated = danger.not_caught(state, turn)
    if repeated is not None:
        return repeated
    denied = danger.denied(state, turn, policy)
    if denied is None:
        return handoff.to_police(state, "danger")
    beside, verdict = denied
    why = Decide("no_danger", "来电人明确回答没有危险")
    doubt_turn = state.doubt_turn
    matter = denial.matter(beside)
    if state.resume in ticket_dialogue.STEPS and not answers.question(beside):
        matter = False  # the step goes on with what was said before
    state = danger.settle(state, turn, beside if matter else "")
    if verdict.request == "human":
        state, actions = seatless.to_human(
            settled(state, turn), "requested_human", "connecting_human"
        )
        return state, (why, *actions)
    if matter:
        state = replace(state, assessment=verdict)
        if answers.question(beside) and doubt_turn is not None:
            state = replace(state, handled=max(state.handled, doubt_turn))
    state, actions = _after_no(state, turn, policy)
    return state, (why, *actions)


def _after_no(state: State, reply_turn: CallerTurn, policy: Policy) -> Step:
    ticket = state.ticket
    if state.phase is Phase.TICKET_WRITING and ticket is not None and ticket.complete:
        return ticket_writing.announce(settled(state, reply_turn))
    own = state.question()
    if own is None or own.empty:
        state = settled(state, reply_turn)
        if state.phase in ticket_dialogue.STEPS:
            state, said = ticket_asking.ask(state)
        else:
            state, said = say(state, "go_on")
        return state, (said,)
    return _proceed(replace(state, awaiting=own.number), own, policy)


# ── everything else ───────────────────────────────────────────────────────────────


def _proceed(state: State, turn: CallerTurn, policy: Policy, *, overdue: bool = False) -> Step:
    """The reply to words in which there is no danger."""
    if human_requested(state):
        return seatless.to_human(settled(state, turn), "requested_human", "connecting_human")
    if state.phase is Phase.TICKET_WRITING:
        return settled(state, turn), ()
    if understanding.echoed(turn, policy.wording.get(state.prompt, "")):
        return settled(state, turn), (Decide("echo", "机器人自己的话传了回来"),)
    unclear = not understanding.understood(turn)
    if unclear and (not state.seat_failed or _in_distress(state, turn)):
        return _not_understood(state, turn, policy)
    if state.phase is Phase.CONFIRMING_POLICE and not small_talk.again(turn.transcript):
        answer = police_offer.answered(state, turn)
        if answer is not None:
            return answer
        state = police_offer.withdrawn(state)
    if appeal.wanted(state, turn):
        return appeal.made(state, turn)
    if state.phase is Phase.EVALUATING:
        given = satisfaction.answered(state, turn)
        if given is not None:
            return given
        state = replace(state, phase=Phase.LISTENING)
    if state.phase is Phase.PROGRESS_SEARCH:
        return settled(state, turn), ()  # what is on record comes at once
    if state.phase in progress.STEPS:
        state, step = progress.reply(state, turn)
        if step is not None:
            return step
    small = courtesies.reply(state, turn)
    if small is not None:
        return small
    if state.phase in ticket_dialogue.STEPS:
        return _in_ticket(state, turn, policy, overdue=overdue)
    if state.phase is Phase.CLOSING:
        state = replace(state, phase=Phase.LISTENING)
    if progress.asked(turn.transcript):
        return progress.begin(state, turn)
    if state.phase is Phase.CLARIFYING:
        chosen = answering.choose(state, turn, policy)
        if chosen is not None:
            return chosen
    if (
        judging.police_matter(state)
        and judging.probability(state, "110") >= policy.limits.police_over_answer
    ):
        return police_offer.offer(state, turn)
    if state.phase is Phase.LISTENING:
        details = answering.details(state, turn)
        if details is not None:
            return details
    result = state.result
    if result is not None and result.turn == turn.number:
        if overdue or (result.final and result.query == turn.transcript):
            return answering.conclude(state, turn, result, policy)
    elif overdue and answering.searched(state, turn):
        return answering.conclude(state, turn, None, policy)
    if not answering.searchable(turn):
        return _not_heard(state, turn, policy)
    return answering.search(state, turn, final=True)  # its result is waited for


def _in_ticket(state: State, turn: CallerTurn, policy: Policy, *, overdue: bool) -> Step:
    at_place = state.phase is Phase.TICKET_PLACE and answers.place(turn.transcript)
    least = policy.limits.police_over_answer if at_place else 0.0  # 派出所旁边 is a place
    if judging.police_matter(state) and judging.probability(state, "110") >= least:
        return police_offer.offer(state, turn)
    asked = answering.in_ticket(state, turn, policy, overdue=overdue)
    return asked or ticket_dialogue.take_down(settled(state, turn), turn)


def _not_heard(state: State, turn: CallerTurn, policy: Policy) -> Step:
    if state.phase is Phase.CONFIRMING_DANGER:
        return danger.noise(state, turn)
    state = settled(state, turn)
    if _in_distress(state, turn):
        return seatless.to_human(state, "distress", "doubt_human")
    if not state.quiet or state.phase in (
        Phase.CLOSING,
        Phase.EVALUATING,
        Phase.TICKET_WRITING,
    ):
        return state, ()
    resumed = go_on(state)
    if resumed is not None:
        return resumed
    state = replace(state, unheard=state.unheard + 1)
    if state.unheard >= policy.limits.unheard and not state.seat_failed:
        return seatless.to_human(state, "not_understood", "failure_human")
    state, said = say(state, "not_heard")
    return state, (said,)


def _in_distress(state: State, turn: CallerTurn) -> bool:
    """A scream or crying for which a human is called in, a seat refused to this number or not."""
    return distress.wordless(state, turn) and (state.limited or not state.seat_failed)


def _not_understood(state: State, turn: CallerTurn, policy: Policy) -> Step:
    """Words that nobody made out: the caller says them again once, or to a human."""
    if understanding.english(turn):
        return seatless.to_human(settled(state, turn), "foreign_language", "language_human")
    why = Decide("not_understood", f"听不清，两路识别一致度 {turn.intelligible:.2f}")
    if state.phase is Phase.CLOSING:
        state = replace(state, phase=Phase.LISTENING)
    state, actions = _not_heard(state, turn, policy)
    return state, (why, *actions)


def human_requested(state: State) -> bool:
    """The caller asks for a person now; a request that was dealt with is not made again."""
    return state.human_turn > state.handled
