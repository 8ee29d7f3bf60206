"""What became of a ticket (工单进度), asked by telephone. Pure.

Read out to whoever calls from its number; else to whoever tells the ticket's last four digits
and the last four of its number. State and deadline alone are told, in approved words, never the
matter. Digits are said or keyed, and stay digits until there are four.
"""

from __future__ import annotations

import re
from dataclasses import replace

from flows import answers, handoff, numbers, seatless, small_talk
from flows.actions import Action, Decide, FindTickets
from flows.events import TicketProgress, TicketsFound
from flows.pending import Progress
from flows.policy import Step
from flows.speaking import hush, say
from flows.state import CallerTurn, Phase, State, settled
from flows.ticket_number import EMERGENCY, MENU_PAUSE_S
from flows.wording import bare

STEPS = frozenset({Phase.PROGRESS_TICKET, Phase.PROGRESS_PHONE})
DIGITS = 4
TRIES = 2
"""Pairs of digits that may be wrong before a person takes over."""
MOST_TOLD = 2
"""Tickets that are told of, the newest first."""

_MINE = (
    r"(?:我|我们)?(?:家)?(?:上次|上回|之前|以前|前几天|前天|昨天|上周|上个?星期|上个?月|早上|刚才"
    r"|那天|已经|早就)?(?:打(?:过)?(?:电话|12345)?)?(?:来|给你们)?"
    r"(?:反映|投诉|登记|举报|报修|报|提|说|留言|打)(?:过|了|给你们|到你们|你们)?的?"
    r"(?:那个|那件|那|这个|这件)?(?:路灯|垃圾|噪音|[^吗怎什哪多如]{0,10})?"
)
_BECAME = (
    r"(?:怎么样了?|什么(?:情况|结果|进展|时候(?:能|可以)?(?:处理|解决|办|有结果|答复|回复)\w{0,2})了?"
    r"|到哪(?:一步|里)?了?|办到哪|处理(?:得|的)?(?:怎么样|怎样|如何|好了吗|了没有?|了吗|完了吗)"
    r"|(?:有没有|有)(?:人)?(?:处理|结果|进展|回复|答复|在办|办)(?:了|过|完)?(?:吗|没有|呢)?"
    r"|处理到|解决了?(?:没有?|吗)|办(?:好|完|结)了?(?:没有?|吗)|进度|进展)"
)
_TICKET = r"(?:工单|投诉单|诉求单|单子|案件编号|受理单|办件)"
_ASKED = re.compile(
    rf"(?:{_MINE}{_BECAME}"
    rf"|(?:查|看|问|催|了解|打听)(?:一下|下|个|询)?(?:我|我们)?的?(?:上次|之前|那个|那张)?的?"
    rf"(?:{_TICKET}|(?:投诉|反映|诉求|举报|处理|办理|登记)的?(?:处理|办理)?(?:进度|进展|结果))"
    rf"|{_TICKET}[^，]{{0,8}}{_BECAME})"
)
_ANOTHER_MATTER = re.compile(
    r"(?:怎么|如何|在哪里?|哪里|哪儿|去哪)(?:可以|能|才能)?(?:自己)?查|(?:怎么|如何)投诉"
    r"|报警|报案|派出所|立案|法院|仲裁"
)
_FORGOTTEN = re.compile(
    r"不记得|忘|记不|没记|不知道|不清楚|不晓得|找不到|没有(?:尾号|编号|号码|单号)"
)


def asked(text: str) -> bool:
    """我上次反映的事怎么样了, 查一下工单: not how such a thing is done, which is a question."""
    said = bare(text)
    return bool(_ASKED.search(said)) and not _ANOTHER_MATTER.search(said)


def begin(state: State, turn: CallerTurn) -> Step:
    """Look by the calling number, or ask for the ticket's where it is withheld."""
    state, hushed = hush(settled(state, turn))
    decided = Decide("progress", "来电人问工单进度")
    caller = numbers.dialable(state.caller)
    if not caller:
        state, question = _ask(state, Progress(), Phase.PROGRESS_TICKET)
        return state, (*hushed, decided, *question)
    state, search = _search(state, Progress(), caller=caller)
    return state, (*hushed, decided, *search)


def found(state: State, event: TicketsFound) -> Step:
    """What is on record: told, or the next way to find it."""
    progress = state.progress
    if progress is None or event.query != progress.query:
        return state, ()
    if state.phase is not Phase.PROGRESS_SEARCH:
        if state.resume is Phase.PROGRESS_SEARCH:  # danger came between, and goes first
            state = replace(state, resume=Phase.LISTENING, progress=None)
        return state, ()
    if event.failed:
        return _to_human(state, "工单库读不出来")
    if event.tickets:
        return _tell(state, event.tickets)
    if not progress.phone:
        return _ask_after_none(state, progress)
    if progress.tries + 1 >= TRIES:
        return _to_human(state, "尾号和电话对不上")
    again = Progress(tries=progress.tries + 1)
    state = replace(state, phase=Phase.PROGRESS_TICKET, progress=again)
    state, question = say(state, "progress_again")
    return state, (question,)


def reply(state: State, turn: CallerTurn) -> tuple[State, Step | None]:
    """The reply to one of the questions; None as step: it is none, and gets a reply of its own."""
    progress = state.progress
    assert progress is not None
    text = turn.transcript
    if small_talk.again(text):
        return state, None
    said = numbers.number(turn.words)
    if len(said) >= DIGITS or 2 * len(said) >= len(bare(turn.words)) > 0:
        return state, _collect(settled(state, turn), (progress.digits + said)[-24:])
    if _FORGOTTEN.search(bare(text)):
        return state, _to_human(settled(state, turn), "来电人不记得工单号")
    if small_talk.contentless(text) or small_talk.agreed(text) or answers.yes(text):
        state, question = ask(settled(state, turn))
        return state, (state, question)
    return replace(state, phase=Phase.LISTENING, progress=None), None


def ask(state: State) -> Step:
    """The present question."""
    prompt = "progress_ticket" if state.phase is Phase.PROGRESS_TICKET else "progress_phone"
    state, question = say(state, prompt)
    return state, (question,)


def keyed(state: State, key: str) -> Step:
    """A key of the digits asked for: ``*`` begins again, ``#`` changes nothing."""
    progress = state.progress
    assert progress is not None
    if key == "*":
        return ask(replace(state, progress=replace(progress, digits="")))
    if key not in tuple("0123456789"):
        return state, ()
    state, hushed = hush(state)
    state = replace(state, progress=replace(progress, keyed_at=state.at))
    state, actions = _collect(state, progress.digits + key)
    return state, (*hushed, *actions)


def paused(state: State) -> Step | None:
    """A pause after 110 or a lone key of the menu: these were no digits of a ticket."""
    progress = state.progress
    if state.phase not in STEPS or progress is None or not progress.digits:
        return None
    waited = state.at - progress.keyed_at
    menu = waited >= MENU_PAUSE_S
    if progress.digits in EMERGENCY or (menu and progress.digits == "1"):
        return handoff.to_police(state, "requested_police")
    if menu and progress.digits == "0":
        return seatless.to_human(state, "requested_human", "connecting_human")
    return None


def lost(state: State) -> Step:
    """No word came of the search."""
    return _to_human(state, "工单库没有回音")


def _collect(state: State, digits: str) -> Step:
    progress = state.progress
    assert progress is not None
    if len(digits) < DIGITS:
        return replace(state, progress=replace(progress, digits=digits)), ()
    last = digits[-DIGITS:]
    if state.phase is Phase.PROGRESS_TICKET:
        return _ask(state, replace(progress, ticket=last, digits=""), Phase.PROGRESS_PHONE)
    return _search(state, replace(progress, phone=last, digits=""))


def _ask(state: State, progress: Progress, phase: Phase) -> Step:
    return ask(replace(state, progress=progress, phase=phase, awaiting=None))


def _ask_after_none(state: State, progress: Progress) -> Step:
    state = replace(state, phase=Phase.PROGRESS_TICKET, progress=progress)
    state, question = say(state, "progress_none")
    return state, (question,)


def _search(state: State, progress: Progress, *, caller: str = "") -> Step:
    query = f"{state.call_id}-q{state.queries + 1}"
    state = replace(
        state,
        queries=state.queries + 1,
        progress=replace(progress, query=query),
        phase=Phase.PROGRESS_SEARCH,
        awaiting=None,
    )
    return state, (FindTickets(query, caller, progress.ticket, progress.phone),)


def _tell(state: State, tickets: tuple[TicketProgress, ...]) -> Step:
    state = replace(state, phase=Phase.LISTENING, progress=None, answered=state.answered + 1)
    told: tuple[Action, ...] = ()
    for ticket in tickets[:MOST_TOLD]:
        state, said = say(
            state,
            progress_prompt(ticket),
            ticket=numbers.spoken(ticket.tail),
            department=ticket.department or "承办部门",
            due=ticket.due,
        )
        told = (*told, said)
    return state, (*told, Decide("progress_told", f"告知{len(told)}张工单的进度"))


def progress_prompt(ticket: TicketProgress) -> str:
    """The prompt of `flows/prompts.toml` for how far a ticket is."""
    if ticket.status == "escalated":
        return "progress_police"
    if ticket.status == "withdrawn":
        return "progress_withdrawn"
    if ticket.status == "merged":
        return "progress_merged"
    if ticket.status in ("answered", "closed"):
        return "progress_closed"
    if ticket.status == "suspended":
        return "progress_suspended"
    if ticket.status not in ("dispatched", "accepted", "working"):
        return "progress_waiting"
    if ticket.overdue:
        return "progress_overdue"
    return "progress_working" if ticket.due else "progress_dispatched"


def _to_human(state: State, why: str) -> Step:
    state = replace(state, phase=Phase.LISTENING, progress=None)
    state, actions = seatless.to_human(state, "requested_human", "progress_human")
    return state, (Decide("progress_unknown", why), *actions)
