"""How a running call stands, as an agent's desk shows it: plain JSON values out of the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flows import judging
from flows.agent import refusal, seat_of
from flows.events import AgentAct
from flows.pending import Phase
from telephony.call_control import Capability
from telephony.masking import mask_number
from voicebot.call.agent_desks import AgentDesks
from voicebot.caller_privacy import HIDDEN, KNOW_ALL
from voicebot.records.duty import region_names
from voicebot.security import Principal

if TYPE_CHECKING:
    from flows.state import State
    from voicebot.call.session import CallSession
    from voicebot.config import Settings

OWN = frozenset({AgentAct.LEAVE, AgentAct.HOLD, AgentAct.RESUME, AgentAct.TRANSFER})
"""What only who has the call may ask for, or a supervisor."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a list of running calls may show of one, with the caller's number; for `row`."""

    call_id: str
    caller: str
    confidential: bool
    line: str
    did: str
    began: float
    place: str
    who: str
    agent: str
    holder: str
    danger: str


def confidential(session: CallSession) -> bool:
    """The caller has asked in this call that nobody learn who he is, for whichever matter."""
    ticket = session.state.ticket
    return session.confidential or (ticket is not None and ticket.confidential)


def may_follow(session: CallSession, call_id: str, who: Principal, desks: AgentDesks) -> bool:
    """An agent follows a confidential call only while he has it himself."""
    known = who.role in KNOW_ALL or desks.holder(call_id) == who.token_id
    return known or not confidential(session)


def refused(
    session: CallSession, call_id: str, act: AgentAct, who: Principal, desks: AgentDesks
) -> str:
    """Why this person cannot have it now, as a code; "" if he can (`flows.agent.refusal`)."""
    reason = refusal(session.state, act)
    if reason:
        return reason
    if act in OWN and who.role not in KNOW_ALL and desks.holder(call_id) != who.token_id:
        return "not_yours"
    if act is AgentAct.TAKE and desks.talks(who.token_id):
        return "you_talk"
    if act in (AgentAct.HOLD, AgentAct.RESUME) and Capability.HOLD not in session.capabilities:
        return "line_cannot_hold"
    return ""


def facts(
    call_id: str, session: CallSession, settings: Settings, desks: AgentDesks
) -> dict[str, Any]:
    """`Facts` of a call of this node, as JSON."""
    state, holder = session.state, desks.holder(call_id)
    line = settings.line(state.did)
    found = Facts(
        call_id=call_id,
        caller=state.caller,
        confidential=confidential(session),
        line=line.name if line is not None else state.did,
        did=state.did,
        began=session.answered_at,
        place=region_names().get(state.region or "", ""),
        who=_with_whom(state),
        agent=desks.name_of(holder),
        holder=holder,
        danger=_level(state),
    )
    return asdict(found)


def running(
    sessions: Mapping[str, CallSession], settings: Settings, desks: AgentDesks
) -> dict[str, dict[str, Any]]:
    """`facts` of all the calls of this node, by id."""
    return {
        call_id: facts(call_id, session, settings, desks)
        for call_id, session in sessions.items()
        if session.state.started
    }


def row(known: Mapping[str, Any], who: Principal) -> dict[str, Any]:
    """A line of the list of running calls, as this person may see it."""
    shown = dict(known)
    caller, kept = shown.pop("caller"), shown.pop("confidential")
    knows = who.role in KNOW_ALL
    number = HIDDEN if kept else mask_number(caller)
    shown["number"] = caller if knows else number
    shown["may_follow"] = knows or not kept or shown["holder"] == who.token_id
    return shown


def standing(
    call_id: str, session: CallSession, settings: Settings, desks: AgentDesks, who: Principal
) -> dict[str, Any]:
    """All that the desk shows of a call of this node but what was said."""
    state = session.state
    acts = {act.value: refused(session, call_id, act, who, desks) for act in AgentAct}
    return {
        **row(facts(call_id, session, settings, desks), who),
        "mine": desks.holder(call_id) == who.token_id,
        "held": state.held,
        "region": state.region or "",
        "phase": state.phase.value,
        "evidence": _evidence(state),
        "handoff": _handoff(state),
        "ticket": _ticket(state),
        "speaking": not state.quiet,
        "acts": acts,
    }


def _with_whom(state: State) -> str:
    """Who has the caller, or is being called: ``bot`` | ``seat`` | ``110`` | another line …"""
    handoff = state.handoff
    if handoff is None:
        return "bot"
    if handoff.connected:
        both = seat_of(state) is not None and handoff.to_police and handoff.route.kind != "seat"
        return "together" if both else handoff.route.kind
    talking = next((side.line for side in handoff.sides if side.connected), "")
    return talking or ("calling_110" if handoff.to_police else "calling_seat")


def _level(state: State) -> str:
    """``certain`` | ``possible`` | "" """
    handoff, verdict = state.handoff, state.assessment
    if (handoff is not None and (handoff.alarmed or handoff.reason == "danger")) or (
        verdict is not None and judging.is_danger(verdict)
    ):
        return "certain"
    doubted = state.doubt > 0 or state.phase is Phase.CONFIRMING_DANGER
    return "possible" if doubted or (handoff is not None and handoff.doubtful) else ""


def _evidence(state: State) -> list[dict[str, Any]]:
    found = state.assessment.evidence if state.assessment is not None else ()
    return [
        {"kind": each.kind, "detail": each.detail, "weight": round(each.weight, 3)}
        for each in found
        if each.kind != "classifier"
    ]


def _handoff(state: State) -> dict[str, Any] | None:
    handoff = state.handoff
    if handoff is None:
        return None
    legs: list[Mapping[str, Any]] = [
        {"line": handoff.route.kind, "to": handoff.route.destination, "leg": handoff.leg.value},
        *(
            {"line": side.line, "to": side.route.destination, "leg": side.leg.value}
            for side in handoff.sides
        ),
    ]
    return {
        "id": handoff.id,
        "reason": handoff.reason,
        "to_police": handoff.to_police,
        "category": handoff.category,
        "legs": legs,
        "waits": handoff.redial_at is not None,
        "written": handoff.written,
    }


def _ticket(state: State) -> dict[str, Any] | None:
    ticket = state.ticket
    return None if ticket is None else {"id": ticket.id, "complete": ticket.complete}
