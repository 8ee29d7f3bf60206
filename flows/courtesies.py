"""Words that ask for nothing of substance are met in kind, in every phase of a call. Pure.

再说一遍, 好的, 不用了, 再见: what they are is told by `small_talk`.
"""

from __future__ import annotations

from dataclasses import replace

from flows import answers, satisfaction, seatless, small_talk, ticket_dialogue, ticket_writing
from flows.actions import HangUp
from flows.policy import Step
from flows.speaking import go_on, hush, say, say_again
from flows.state import CallerTurn, Phase, State, settled

MOST_REPEATS = 2
"""How often the same thing is said again before a human is called in."""


def reply(state: State, turn: CallerTurn) -> Step | None:
    """Words that ask for nothing of substance, each met in kind."""
    text = turn.transcript
    if not text:
        return None
    if small_talk.again(text) and state.phase is not Phase.CLOSING:
        return _again(settled(state, turn))
    if state.phase in ticket_dialogue.STEPS:
        return ticket_dialogue.courtesy(settled(state, turn), turn)
    if state.phase is Phase.CLARIFYING and answers.choice(text) is not None:
        return None
    noise = small_talk.backchannel(text)
    done = small_talk.finished(text) or small_talk.refused(text)
    if state.phase is Phase.CLOSING and (noise or done or small_talk.agreed(text)):
        return goodbye_said(settled(state, turn))
    if small_talk.refused(text) and state.ticket is not None and state.phase is Phase.LISTENING:
        return ticket_writing.withdraw(settled(state, turn))
    if small_talk.bare_no(text) and not (state.served or turn.asked == "more"):
        done, noise = False, True  # a no to nothing that was asked
    if done and satisfaction.due(state):
        state, hushed = hush(settled(state, turn))
        state, actions = satisfaction.ask(state)
        return state, (*hushed, *actions)
    if done:
        state, hushed = hush(settled(state, turn))
        state, goodbye = say(replace(state, phase=Phase.CLOSING), "goodbye")
        return state, (*hushed, goodbye)
    yes = noise or small_talk.agreed(text)
    if not (yes or small_talk.more(text) or answers.only_begun(text)):
        return None
    state = settled(state, turn)
    if not state.quiet:
        return state, ()  # said along with the bot
    resumed = go_on(state) if noise else None
    if resumed is not None:
        return resumed
    more = yes and state.served and turn.asked != "more"
    state, said = say(state, "anything_else" if more else "go_on")
    return state, (said,)


def _again(state: State) -> Step:
    state, hushed = hush(state)
    if state.repeats >= MOST_REPEATS and not state.seat_failed:
        state, actions = seatless.to_human(state, "not_understood", "repeat_human")
        return state, (*hushed, *actions)
    state, said = say_again(state)
    return state, (*hushed, said)


def goodbye_said(state: State) -> Step:
    """Hang up, unless the goodbye is still being said or the caller speaks."""
    if not state.quiet or state.caller_speaking:
        return state, ()
    return replace(state, phase=Phase.ENDED), (HangUp(state.outcome),)
