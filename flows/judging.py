"""What triage is asked to judge, and what its verdict means for the call. Pure.

The conversation as a whole decides what is certain. Doubt counts only in what was said since
the last clear no; and while the question about danger is open its reply is judged by itself,
so that 没有 added to an old doubt does not make a certainty of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flows import denial
from flows.events import Embedding, Heard
from flows.policy import Policy
from flows.state import Phase, State, conversation, spoken
from flows.triage import Assessment, Turn

Words = tuple[Turn, ...]


def texts(state: State, policy: Policy) -> tuple[str, ...]:
    """The texts whose embeddings the verdict depends on."""
    views = _views(state)
    return tuple(dict.fromkeys(text for view in views for text in policy.triage.texts(view)))


def judged(state: State, event: Heard, policy: Policy) -> tuple[State, bool]:
    """The state with its new assessment, and whether danger is certain."""
    known: Mapping[str, Embedding] = {**state.embeddings, **event.embeddings}
    needed = texts(state, policy)
    whole, *parts = _views(state)
    assessment = policy.triage.assess(whole, known)
    if replying(state):
        before, reply, _ = parts
        certain = any(is_danger(policy.triage.assess(view, known)) for view in (before, reply))
        doubt = state.doubt
    else:
        (recent,) = parts
        fresh = assessment if recent == whole else policy.triage.assess(recent, known)
        certain = is_danger(fresh)
        doubt = fresh.probabilities.get("110_now", 0.0) if fresh.action == "ask" else 0.0
        if is_danger(fresh) and not is_danger(assessment):
            assessment = fresh
    if event.turn <= state.cleared:  # other words now than those that the no settled
        own = conversation(state, after=event.turn - 1, upto=event.turn)
        certain = certain or is_danger(policy.triage.assess(own, known))
    state = replace(
        state,
        assessment=assessment,
        doubt=doubt,
        embeddings={text: known[text] for text in needed if text in known},
        human_turn=_human_turn(state, assessment),
    )
    return state, certain


def is_danger(assessment: Assessment) -> bool:
    """Certain enough to hand over without a question."""
    return assessment.action == "handoff" and assessment.route == "110_now"


def probability(state: State, route: str) -> float:
    """What triage gives a route at present."""
    return state.assessment.probabilities.get(route, 0.0) if state.assessment else 0.0


def police_matter(state: State) -> bool:
    """An ordinary matter of 110's, without present danger, that the caller did not decline."""
    assessment = state.assessment
    return (
        assessment is not None
        and assessment.route == "110"
        and assessment.action == "handoff"
        and not state.police_declined
    )


def between(state: State, policy: Policy) -> bool:
    """No danger, and hard to say whether 110's or 12345's: for both of them together.

    Where 12345 is the likelier, it is the first receiver and keeps the matter (R3): a seat and a
    police officer are not called for what one work order can settle.
    """
    police, ours = probability(state, "110"), probability(state, "12345")
    return (
        not (state.undecided or state.police_declined or state.doubt)
        and not (state.limited or state.closed)
        and police >= ours >= policy.limits.undecided
    )


def replying(state: State) -> bool:
    """The newest turn replies to the question about danger."""
    turn = state.turn
    return (
        state.phase is Phase.CONFIRMING_DANGER
        and state.doubt_turn is not None
        and turn is not None
        and turn.number > state.doubt_turn
        and not turn.continues
    )


def _views(state: State) -> tuple[Words, ...]:
    whole = conversation(state)
    if not replying(state):
        return whole, conversation(state, after=state.cleared)
    doubt_turn = state.doubt_turn
    assert doubt_turn is not None
    turn = state.question()
    beside = denial.beside(turn.transcript, turn.syllables) if turn is not None else None
    return (
        whole,
        conversation(state, after=state.cleared, upto=doubt_turn),
        conversation(state, after=doubt_turn),
        besides(beside),
    )


def besides(words: str | None) -> Words:
    """What a clear no was followed by, as a turn of its own."""
    return (Turn("caller", words),) if words else ()


def _human_turn(state: State, assessment: Assessment) -> int:
    """The last turn in which a person was asked for; the newest words may take that back."""
    numbers = [turn.number for turn in spoken(state)]
    if not numbers or assessment.request != "human":
        return -1 if numbers and state.human_turn == numbers[-1] else state.human_turn
    named = [
        numbers[found.turn]
        for found in assessment.evidence
        if found.kind == "human_request" and 0 <= found.turn < len(numbers)
    ]
    return max(named, default=numbers[-1])
