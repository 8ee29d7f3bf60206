"""How content a caller is (满意度评价): one question at the end, answered by voice or key. Pure.

Never after danger, never to who is in distress or whose number is limited, and once in a call.
What is no reply to it is a matter like any other; danger goes before it as it does everywhere.
The key 1 means 满意 here, and 110 again as soon as it has been pressed once.
"""

from __future__ import annotations

import re
from dataclasses import replace

from flows import small_talk
from flows.actions import Evaluate
from flows.policy import Step
from flows.speaking import hush, say, say_again
from flows.state import CallerTurn, Phase, State, settled
from flows.wording import plain

_LONGEST = 14
"""Characters of a reply; more tells something else."""
_TWICE_NO = re.compile(r"不是不|没有?不|不会不")
_POOR = re.compile(
    r"不(?:是)?(?:很|太|怎么|够|大|那么)?(?:满意|好|行)|差|没用|糟|^(?:三|第三个?|按?三|3)$"
)
_FAIR = re.compile(
    r"(?:基本|比较|大致|还算|勉强)(?:上)?满意|还可以|还行|还好|一般|凑合|过得去|^(?:二|第二个?|2)$"
)
_GOOD = re.compile(r"满意|很好|挺好|蛮好|非常好|不错|好评|^(?:一|第一个?|1)$")


def due(state: State) -> bool:
    """The caller has had an answer or a ticket, and may be asked."""
    ticket = state.ticket is not None and state.ticket.complete
    return bool(
        state.evaluates
        and not state.evaluated
        and (state.answered or ticket)
        and state.trunk == "public"
        and not (state.limited or state.handoffs or state.asked_danger or state.distress)
        and not state.doubt
    )


def ask(state: State) -> Step:
    """The question; that it was asked is put on record at once, so that nobody is asked often."""
    return put(state, "evaluate")


def put(state: State, prompt: str) -> Step:
    """The question in these words."""
    state = replace(state, phase=Phase.EVALUATING, evaluated=True, awaiting=None)
    state, question = say(state, prompt)
    return state, (Evaluate(_about(state)), question)


def score(text: str) -> int | None:
    """1 满意, 2 基本满意, 3 不满意; None for what is none of it or not clear."""
    said = plain(text)
    if not 0 < len(said) <= _LONGEST or _TWICE_NO.search(said):
        return None
    without = said.replace("不错", "很好")
    for value, pattern in ((3, _POOR), (2, _FAIR), (1, _GOOD)):
        if pattern.search(without):
            return value
    return None


def answered(state: State, turn: CallerTurn) -> Step | None:
    """The reply to the question; None where the caller says something of substance."""
    text = turn.transcript
    found = score(text)
    if found is not None:
        return _given(settled(state, turn), found, "voice")
    if small_talk.again(text):
        state, hushed = hush(settled(state, turn))
        state, said = say_again(state)
        return state, (*hushed, said)
    nothing = (small_talk.finished, small_talk.refused, small_talk.agreed, small_talk.backchannel)
    if any(judge(text) for judge in nothing):
        return over(settled(state, turn))
    return None


def keyed(state: State, key: str) -> Step | None:
    """A key in reply to the question; None for one that means what it always does."""
    if state.phase is not Phase.EVALUATING or key not in ("1", "2", "3"):
        return None
    return _given(state, int(key), "key")


def over(state: State) -> Step:
    """No reply, and none is waited for."""
    state, hushed = hush(replace(state, phase=Phase.CLOSING, awaiting=None))
    state, goodbye = say(state, "goodbye")
    return state, (*hushed, goodbye)


def _given(state: State, value: int, via: str) -> Step:
    state, hushed = hush(replace(state, phase=Phase.CLOSING, awaiting=None))
    state, thanks = say(state, "evaluation_sorry" if value == 3 else "evaluation_thanks")
    return state, (*hushed, Evaluate(_about(state), value, via), thanks)


def _about(state: State) -> str:
    """The ticket that the caller judges, "" for the call alone."""
    if state.about:
        return state.about
    return state.ticket.id if state.ticket is not None and state.ticket.complete else ""
