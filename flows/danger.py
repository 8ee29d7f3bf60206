"""The question about danger: when it is put, and what its reply means. Pure.

One short closed question (您那边现在有人有危险吗？), to which anything but a clear no is a yes.
A no settles what was said before it; words of a later turn can raise the doubt again. Who has
been asked often enough is not asked once more and not left alone with it: a human decides.
"""

from __future__ import annotations

from dataclasses import replace

from flows import denial, handoff, judging, small_talk, understanding
from flows.actions import Decide
from flows.policy import Policy, Step
from flows.speaking import DANGER, hush, say, say_again
from flows.state import CallerTurn, Phase, State, settled
from flows.triage import Assessment

HEARD_S = 1.0
"""How much of the question must have been heard before words are a reply to it."""


def asked(state: State, at: float) -> str:
    """What the bot had asked when a turn begins now, as `flows.triage.Turn` has it."""
    match state.phase:
        case Phase.CONFIRMING_DANGER:
            heard = state.question_at is not None and at >= state.question_at + HEARD_S
            return "danger" if heard else ""
        case Phase.TICKET_PLACE:
            return "place"
        case Phase.TICKET_NAME:
            return "name"
        case Phase.TICKET_NUMBER | Phase.PROGRESS_TICKET | Phase.PROGRESS_PHONE:
            return "number"
        case Phase.HANDING_OFF:
            return "place" if state.prompt == "where_are_you" else ""
        case Phase.LISTENING if state.invited:
            return "place"
        case Phase.LISTENING if state.prompt in ("anything_else", "ticket_withdrawn"):
            return "more"
        case _:
            return ""


def begun(state: State, number: int, at: float) -> State:
    """A turn of the caller has begun; it replies to the question, or talks on over it."""
    question = asked(state, at)
    confirming = state.phase is Phase.CONFIRMING_DANGER
    before = state.turn
    if confirming and question == "danger" and before is not None and before.continues:
        # What was said over the question belongs to what it is about.
        state = replace(state, doubt_turn=max(before.number, state.doubt_turn or 0))
    talks_on = confirming and question != "danger"
    return state.with_turn(CallerTurn(number, start=at, asked=question, continues=talks_on))


def ask(state: State, turn: CallerTurn, policy: Policy) -> Step | None:
    """The question, where there is doubt that no clear no has settled."""
    if not state.doubt:
        return None
    return put(state, turn, policy, f"可能有危险，概率 {state.doubt:.2f}")


def put(state: State, turn: CallerTurn, policy: Policy, reason: str) -> Step:
    """Put the question, or call in a human where it was put often enough."""
    if state.asked_danger >= policy.limits.danger_questions:
        return left_to_a_human(state, turn, f"多次询问后仍{reason}")
    resume = state.phase
    if resume in (Phase.CLOSING, Phase.EVALUATING, Phase.CONFIRMING_DANGER):
        resume = Phase.LISTENING
    state = replace(
        state,
        phase=Phase.CONFIRMING_DANGER,
        resume=resume,
        awaiting=None,
        asked_danger=state.asked_danger + 1,
        doubt_turn=turn.number,
    )
    why = Decide("ask_danger", reason)
    state, question = say(state, DANGER)
    return state, (why, question)


def left_to_a_human(state: State, turn: CallerTurn, reason: str) -> Step:
    """Doubt that no further question settles: a human decides, and 110 where none is free.

    A limited caller may have been refused a seat before; for this there is one.
    """
    why = Decide("danger_doubt", reason)
    if state.seat_failed and not state.limited:
        state, actions = handoff.to_police(state, "danger")
    else:
        state, actions = handoff.to_human(settled(state, turn), "danger_doubt", "doubt_human")
    return state, (why, *actions)


def talked_on(state: State, turn: CallerTurn) -> tuple[State, Step | None]:
    """The sentence went on over the question: it is judged whole, and is no reply.

    The step is what to do while doubt remains; None when the whole sentence has dispelled it,
    and the state is then that in which the sentence gets its reply.
    """
    if state.doubt:
        state = replace(state, doubt_turn=turn.number, awaiting=None)
        if not state.quiet:
            return state, (state, ())
        state, question = say(state, DANGER)  # it was talked over
        return state, (state, (question,))
    state = replace(
        state,
        phase=state.resume,
        resume=Phase.LISTENING,
        doubt_turn=None,
        asked_danger=state.asked_danger - 1,
        awaiting=turn.number,
    )
    return state, None


def noise(state: State, turn: CallerTurn) -> Step:
    """Nothing was understood. As a reply that is no clear no; over the question it is nothing."""
    if turn.asked == "danger" and state.quiet:
        return handoff.to_police(state, "danger")
    return replace(state.with_turn(replace(turn, aside=True)), awaiting=None), ()


def not_caught(state: State, turn: CallerTurn) -> Step | None:
    """什么？ to the question: it is put once more, and once only."""
    if not small_talk.again(turn.transcript) or state.repeats or state.prompt != DANGER:
        return None
    state = replace(state.with_turn(replace(turn, aside=True)), awaiting=None)
    state, hushed = hush(state)
    state, question = say_again(state)
    return state, (*hushed, question)


def denied(state: State, turn: CallerTurn, policy: Policy) -> tuple[str, Assessment] | None:
    """What else was said with a clear no, and what triage makes of it; None if it is none."""
    beside = denial.beside(turn.transcript, turn.syllables)
    unclear = denial.doubtful(turn.alternatives) or not understanding.understood(turn)
    if beside is None or unclear:
        return None
    verdict = policy.triage.assess(judging.besides(beside), state.embeddings)
    doubt = verdict.probabilities.get("110_now", 0.0)
    small = small_talk.contentless(beside)
    if not small and (doubt >= policy.limits.suspicion or verdict.request == "police"):
        return None
    return beside, verdict


def settle(state: State, reply: CallerTurn, beside: str) -> State:
    """After a clear no: all before it is settled, and what came with it is the caller's own."""
    doubt_turn = state.doubt_turn if state.doubt_turn is not None else state.handled
    turns = tuple(
        replace(turn, aside=True) if doubt_turn < turn.number <= reply.number else turn
        for turn in state.turns
    )
    state = replace(
        state,
        turns=turns,
        phase=state.resume,
        resume=Phase.LISTENING,
        doubt=0.0,
        doubt_turn=None,
        cleared=reply.number,
        awaiting=None,
    )
    if not beside:
        return state
    own = CallerTurn(
        reply.number,
        beside,
        start=reply.start,
        end=reply.end,
        transcribed=True,
        listened=True,
        ended=True,
    )
    return state.with_turn(own)


def revoked(state: State, number: int, text: str) -> State:
    """Late words of a reply that was taken for a no, and is none."""
    if number != state.cleared or denial.beside(text) is not None:
        return state
    if number <= state.stood_down:
        return state  # it was 110 that settled it
    turn = state.caller_turn(number)
    if turn is not None:
        state = state.with_turn(replace(turn, aside=False))
    return replace(state, cleared=number - 1)
