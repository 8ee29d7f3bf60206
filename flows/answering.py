"""From a question to its answer: search, answer, ask back, guide, or a ticket. Pure."""

from __future__ import annotations

from dataclasses import replace

from flows import (
    answers,
    guarded,
    police_offer,
    small_talk,
    ticket_asking,
    ticket_dialogue,
    together,
)
from flows.actions import Action, Decide, Search
from flows.events import SearchResult
from flows.judging import between, police_matter, probability
from flows.policy import Policy, Step
from flows.speaking import hush, say, say_entry
from flows.state import CallerTurn, EarlyAnswer, Phase, State, settled

NO_ANSWER = "知识库没有已批准的答复，登记工单"
INVITED = "答复请来电人补充详情，登记工单"


def searchable(turn: CallerTurn) -> bool:
    return len(turn.transcript) >= 2 or (not turn.transcript and len(turn.syllables) >= 3)


def search(state: State, turn: CallerTurn, *, final: bool) -> tuple[State, tuple[Action, ...]]:
    """Look for an answer: while the caller still speaks, and once more on the final words.

    Nothing is searched twice, and no partial by its sounds alone: it is not answered early.
    """
    if not _may_search(state, turn, final=final) or not searchable(turn):
        return state, ()
    if not final and len(turn.transcript) < 3:
        return state, ()
    known = state.searched
    if known is not None and known[:2] == (turn.number, turn.words) and known[2] >= final:
        return state, ()
    state = replace(state, searched=(turn.number, turn.words, final))
    previous = _previous(state, turn)
    return state, (Search.of(turn, state.region, final=final, previous=previous),)


def _previous(state: State, turn: CallerTurn) -> str | None:
    """The entry said before the turn, which an early answer to it is not."""
    if state.early is not None and state.early.turn == turn.number:
        return state.early.previous
    return state.said.entry if state.said is not None else None


def _may_search(state: State, turn: CallerTurn, *, final: bool) -> bool:
    """In a ticket only what is plainly a question; and no noise or greeting anywhere."""
    if state.phase in (Phase.LISTENING, Phase.CLARIFYING, Phase.TICKET_MATTER):
        invited = state.invited and not answers.question(turn.transcript)
        return final or not (invited or small_talk.courtesy(turn.transcript))
    steps = (Phase.TICKET_PLACE, Phase.TICKET_NAME)
    return final and state.phase in steps and answers.question(turn.transcript)


def searched(state: State, turn: CallerTurn) -> bool:
    """The final words of the turn have been searched for."""
    known = state.searched
    return known is not None and known[0] == turn.number and known[2]


def keep(state: State, event: SearchResult) -> State:
    """Remember the newest result; a partial never replaces a final of the same turn."""
    known = state.result
    if event.turn <= state.handled or (
        known is not None
        and (known.turn > event.turn or (known.turn == event.turn and known.final > event.final))
    ):
        return state
    return replace(state, result=event)


def found(event: SearchResult) -> tuple[str, float] | None:
    """The entry to answer with, if the search is sure enough of one."""
    return event.candidates[0] if event.decision == "answer" and event.candidates else None


def early_result(state: State, turn: CallerTurn, policy: Policy) -> SearchResult | None:
    """A result on a partial hypothesis that holds nearly all that was said, and is sure.

    What bears on danger is not decided on half the words.
    """
    result = state.result
    if result is None or result.turn != turn.number or state.phase is not Phase.LISTENING:
        return None
    best = found(result)
    if best is None or best[1] < policy.limits.early_answer or best[0] in result.safety:
        return None
    if answers.where_only(turn.transcript) or answers.only_begun(turn.transcript):
        return None
    characters = sum(1 for character in result.query if "一" <= character <= "鿿")
    # Without the listener nothing tells how much the partial text lacks.
    covered = bool(turn.syllables) and characters >= 0.85 * len(turn.syllables)
    return result if characters >= 4 and covered else None


def answer_early(state: State, turn: CallerTurn, result: SearchResult) -> Step:
    """Answer before the final hypothesis is in; it keeps a veto."""
    early = EarlyAnswer(turn.number, result.candidates[0][0], state.handled, _previous(state, turn))
    state, actions = _answer(state, turn, result, "听到一半就已确定")
    return replace(state, early=early), actions


def veto(state: State, event: SearchResult, policy: Policy) -> Step:
    """The final words mean another entry than the one that is being spoken."""
    early = state.early
    assert early is not None
    best = found(event)
    state = replace(state, early=None)
    newest = state.turn is None or state.turn.number == early.turn
    speakable = state.phase is Phase.LISTENING and newest and not state.caller_speaking
    if (
        best is None
        or best[0] == early.entry
        or best[1] < policy.limits.early_answer
        or not speakable
    ):
        return state, ()
    state, hushed = hush(state)
    turn = state.turn
    if turn is not None:
        reopened = replace(state, handled=early.handled_before, answered=max(0, state.answered - 1))
        barred = guarded.barrier(reopened, turn, best[0], event.safety, policy)
        if barred is not None:
            return keep(barred[0], event), (*hushed, *barred[1])
        state = replace(state, invited=turn.words if best[0] in event.inviting else "")
    state, said = say_entry(state, best[0])
    decided = Decide("correct", f"最终识别改为 {best[0]}，把握 {best[1]:.2f}")
    return state, (*hushed, decided, said)


def conclude(state: State, turn: CallerTurn, result: SearchResult | None, policy: Policy) -> Step:
    """Answer, hand to 110 as an ordinary matter, guide, ask back, or write a ticket."""
    best = found(result) if result is not None else None
    if result is not None and best is not None:
        barred = guarded.barrier(state, turn, best[0], result.safety, policy)
        if barred is not None:
            return barred
    if best is None and between(state, policy):
        return together.bring(state)
    if police_matter(state) and (
        best is None or probability(state, "110") >= policy.limits.police_over_answer
    ):
        return police_offer.offer(state, turn)
    may_ask = not state.asked_matter and state.phase is Phase.LISTENING
    if may_ask and answers.where_only(turn.transcript):
        state = replace(settled(state, turn), asked_matter=True)
        state, question = say(state, "ticket_matter")
        return state, (Decide("guide", "只说了地点"), question)
    if result is not None and best is not None:
        return _answer(state, turn, result, "找到已批准的答复")
    assessment = state.assessment
    outside = assessment is not None and assessment.route == "neither"
    asked = state.phase is Phase.CLARIFYING
    state = replace(settled(state, turn), phase=Phase.LISTENING)
    decision = result.decision if result is not None else "none"
    if decision == "clarify" and result is not None and len(result.candidates) >= 2 and not asked:
        (first, _), (second, _) = result.candidates[:2]
        state = replace(
            state,
            phase=Phase.CLARIFYING,
            offered=(first, second),
            offered_safety=guarded.open_marks(state, turn, result.safety),
            inviting=result.inviting,
            matter=turn.words,
        )
        state, question = say(state, "clarify", a=f"entry:{first}", b=f"entry:{second}")
        return state, (Decide("clarify", f"{first} 与 {second} 分不清"), question)
    if outside and probability(state, "neither") >= policy.limits.neither:
        state = replace(state, guided=state.guided + 1)
        state, guide = say(state, "out_of_scope")
        return state, (Decide("guide", "不属于12345和110的范围"), guide)
    return no_answer(state, turn.words)


def no_answer(state: State, matter: str) -> Step:
    """There is no approved answer: say so, and take the matter down for a person."""
    return ticket_dialogue.open_dialogue(
        state, matter, NO_ANSWER, question=ticket_dialogue.ANSWERLESS
    )


def details(state: State, turn: CallerTurn) -> Step | None:
    """The details that the last answer invited: a ticket of that matter, and no new search."""
    if not state.invited or answers.question(turn.transcript) or not turn.transcript:
        return None
    state = settled(state, turn)
    if answers.place(turn.transcript):
        return ticket_dialogue.open_dialogue(state, state.invited, INVITED, place=turn.transcript)
    return ticket_dialogue.open_dialogue(state, f"{state.invited}；{turn.transcript}", INVITED)


def in_ticket(state: State, turn: CallerTurn, policy: Policy, *, overdue: bool) -> Step | None:
    """A question in the middle of a ticket: answered if the knowledge base is sure of it."""
    at_number = state.phase is Phase.TICKET_NUMBER
    words = turn.transcript
    if at_number or not answers.question(words) or answers.place_unknown(words):
        return None
    result = state.result
    if result is None or result.turn != turn.number or not result.final:
        if overdue or searched(state, turn):
            return None if overdue else (state, ())
        return search(state, turn, final=True)
    best = found(result)
    if best is None or best[1] < policy.limits.early_answer:
        return None
    barred = guarded.barrier(state, turn, best[0], result.safety, policy)
    if barred is not None:
        return barred
    phase = state.phase
    state, actions = _answer(state, turn, result, "登记途中问到已批准的答复")
    state, question = ticket_asking.ask(replace(state, phase=phase, invited=""))
    return state, (*actions, question)


def choose(state: State, turn: CallerTurn, policy: Policy) -> Step | None:
    """The reply to the clarifying question; None if it is a new attempt at the question."""
    chosen = answers.choice(turn.transcript)
    if chosen is None:
        return None
    entry = state.offered[chosen] if chosen >= 0 else ""
    barred = guarded.barrier(state, turn, entry, state.offered_safety, policy)
    if barred is not None:
        return barred
    state = replace(settled(state, turn), phase=Phase.LISTENING)
    if not entry:
        return no_answer(state, state.matter or turn.words)
    invited = state.matter if entry in state.inviting else ""
    state = guarded.answered(state, entry, state.offered_safety)
    state, said = say_entry(state, entry)
    state = replace(state, answered=state.answered + 1, invited=invited)
    return state, (Decide("answer", f"来电人选了第{chosen + 1}个问题"), said)


def _answer(state: State, turn: CallerTurn, result: SearchResult, why: str) -> Step:
    entry, sure = result.candidates[0]
    state = guarded.answered(state, entry, result.safety)
    state = replace(
        settled(state, turn),
        phase=Phase.LISTENING,
        answered=state.answered + 1,
        result=None,
        searched=None,
        invited=turn.words if entry in result.inviting else "",
    )
    state, said = say_entry(state, entry)
    return state, (Decide("answer", f"{why}：{entry}，把握 {sure:.2f}"), said)
