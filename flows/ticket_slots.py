"""What a caller says of a matter besides what, where and who: when it was, and 替我保密. Pure.

Nobody is asked for either: what is said is taken, wherever it is said, and said anew it is
put right. A wish for confidentiality (不要透露我的姓名) is answered at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flows.matter_time import Happened, happened
from flows.policy import Step
from flows.speaking import say
from flows.state import CallerTurn, Phase, State, Ticket
from flows.wording import marked

_NOT = (
    r"我?(?:请|麻烦|千万|希望|能不能|可不可以|你们?|您)*"
    r"(?:不要|别(?!人|的|家)|不能|不许|不可以|不想|不愿意?)"
)
_ME = r"(?:我|名字?|姓名|电话|号码|手机|身份|信息|住址)"
_TELL = re.compile(
    rf"{_NOT}(?:把|将|让|被|对外)?(?:我们?的?|这个|个人)*{_ME}*(?:给|随便|对外)*"
    rf"(?:透露|泄露|泄漏|公开|暴露|说出去|外传)(?:出去)?(?:我们?的?|个人)*"
    rf"(?:{_ME}|和|跟|还有)*(?:给(?:他们?|别人|对方|物业|老板|单位|任何人))?"
)
_OTHERS = r"(?:他们?|她们?|别人|对方|物业|老板|单位|村里?|邻居|任何人|人家)"
_HAND_OVER = re.compile(
    rf"{_NOT}(?:把|将)(?:我们?的?|个人)*(?:{_ME}|和|跟|还有)+(?:告诉|给|说给){_OTHERS}+"
)
_KNOW = re.compile(
    rf"{_NOT}(?:让|叫|被)?(?:告诉|给)?{_OTHERS}*"
    rf"(?:告诉(?!我)|知道|晓得){_OTHERS}*"
    r"(?:是我(?:举报|投诉|反映|打电话|说)?的?|我的(?:姓名|名字|电话|号码|身份|信息)|我是谁|谁(?:举报|投诉|反映)的?)"
)
_SECRET = re.compile(
    r"(?:(?:请|麻烦|希望|能不能|可以|要|需要|要求|一定要|想|能|给|替|帮|为|你们?|您|我|的|这个|信息"
    r"|姓名|电话|身份|对)*)(?:保密|匿名)(?!协议|条款|费|信|柜|工作|局|单位|措施|电话)"
    r"(?:举报|反映|投诉|处理)?(?:一下|吧|吗|啊)?"
)
_NOT_KEPT = re.compile(
    r"(?:不肯?|没有?|未|不予)(?:给|替|帮|为|对|我|的|信息|姓名|电话|身份)*(?:保密|匿名)"
)
"""他们没有给我保密: a complaint, and no wish."""
_OPEN = re.compile(
    r"(?:不用|不需要|不必|没必要|无需|不要)(?:再|给我|替我)?(?:保密|匿名)了?"
    r"|我?(?:可以|愿意)?实名(?:举报|反映|投诉)|(?:可以)?公开(?:也)?(?:没关系|没事|没问题|无所谓)"
)
_WISHES = (_TELL, _KNOW, _HAND_OVER, _SECRET)
_NOTHING = re.compile(r"(?:我|的|是|就|那个|这个|你们?|您|，)*")
_SHORT = 6
"""Characters: 匿名, 请保密, 要匿名的."""
_TIME_TAIL = r"(?:的?(?:时候|事情?|那天)|开始的?|发生的?|以来|左右|起)*"


def confidential(text: str) -> bool | None:
    """Whether the words ask that nobody be told who the caller is; None: they say nothing of it."""
    said = _NOT_KEPT.sub("，", marked(text))
    if _OPEN.search(said):
        return False
    return True if any(wish.search(said) for wish in _WISHES) else None


def time_of(state: State, text: str) -> str:
    """When it was, as understood and as said; empty where that is not told."""
    when = happened(text, state.today)
    return str(when) if when is not None else ""


def spoken(stated: str) -> str:
    """What is read back of `Ticket.happened`: the date as understood."""
    return stated.partition("（")[0]


def taken(state: State, ticket: Ticket, text: str) -> Ticket:
    """The ticket with what the matter says of when, and of confidentiality."""
    secret = confidential(text)
    return replace(
        ticket,
        happened=time_of(state, text) or ticket.happened,
        confidential=ticket.confidential if secret is None else secret,
    )


def wished(state: State, turn: CallerTurn) -> State:
    """The same with what the turn says of confidentiality in its ticket, if it says any."""
    ticket, secret = state.ticket, confidential(turn.transcript)
    if ticket is None or secret is None:
        return state
    return replace(state, ticket=replace(ticket, confidential=secret))


@dataclass(frozen=True, slots=True)
class Heard:
    """A turn that says when it was, or who may know of it."""

    state: State
    """With a ticket that holds it."""
    rest: str
    """What the turn says besides."""
    changed: bool
    """Whether the caller's wish for confidentiality is another than before."""


def heard(state: State, turn: CallerTurn) -> Heard | None:
    """What a reply in a ticket says of either; None: nothing.

    匿名 as a reply to the question for the name is a reply to it as well.
    """
    ticket = state.ticket
    assert ticket is not None
    words = turn.transcript
    when = happened(words, state.today) if state.phase is not Phase.TICKET_NUMBER else None
    secret = confidential(words)
    if when is None and secret is None:
        return None
    after = ticket if secret is None else replace(ticket, confidential=secret)
    if when is not None:
        after = replace(after, happened=str(when))
    nameless = state.phase is Phase.TICKET_NAME and secret is True and len(words) <= _SHORT
    rest = words if nameless else without(words, when)
    changed = after.confidential != ticket.confidential
    return Heard(replace(state, ticket=after), rest, changed)


def without(text: str, when: Happened | None) -> str:
    """What the words say besides; empty where that is no more than 我 or 的."""
    rest = marked(text)
    for pattern in (_OPEN, *_WISHES):
        rest = pattern.sub("，", rest)
    if when is not None:
        rest = re.sub(f"(?:是|从|在|就是)?{re.escape(when.words)}{_TIME_TAIL}", "，", rest)
    rest = re.sub("，+", "，", rest).strip("，")
    return "" if _NOTHING.fullmatch(rest) else rest


def acknowledged(state: State, heard: Heard | None = None) -> Step:
    """A wish that came with the matter, or that is new in this turn, is answered."""
    ticket = state.ticket
    assert ticket is not None
    if not (ticket.confidential if heard is None else heard.changed):
        return state, ()
    state, said = say(state, "ticket_confidential" if ticket.confidential else "ticket_open")
    return state, (said,)
