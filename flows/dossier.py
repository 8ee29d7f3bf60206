"""What is known about an open hand-off, growing while the caller goes on talking. Pure.

Nothing that is said after it began takes anything away: a retraction is noted, and only
110 stands down. While nobody is there yet the bot asks only where the caller is.
"""

from __future__ import annotations

from dataclasses import replace

from flows import answers, bridge_wording, call_back, jurisdiction, sides, small_talk, waiting
from flows import handoff as opening
from flows.actions import Action, Decide, DialRoute, Route, UpdateDossier
from flows.announcing import UNDECIDED
from flows.events import Ear, Heard, LegState
from flows.policy import Step
from flows.routes import lies_in, same_city
from flows.speaking import say
from flows.state import CallerTurn, HandoffState, Phase, State
from flows.triage import Assessment


def locate(state: State, turn: CallerTurn, event: Heard, before: Assessment | None) -> Step:
    """Take up a place the caller named; it outranks every other hint (R1)."""
    handoff = state.handoff
    guess = event.ear is Ear.LISTENER and not event.final and Ear.TRANSCRIBER in state.ears
    if turn.number < state.region_turn or (guess and handoff is not None):
        return state, ()
    place = jurisdiction.resolve(turn.transcript, turn.syllables)
    code = place.code if place is not None else _newly_named(state.assessment, before)
    if code is None or (state.region_said and lies_in(state.region, code)):
        return state, ()
    moved = not same_city(state.region, code)
    if moved and state.region_said and handoff is not None and not event.final:
        return state, ()  # recognisers waver in mid-sentence; a ringing 110 must not
    state = replace(state, region=code, region_said=True, region_turn=turn.number)
    name = place.name if place is not None else code
    decided = Decide("place", f"来电人所在地：{name}（{code}）")
    if handoff is None:
        return state, (decided,)
    handoff = replace(handoff, region=code, to_note=True)
    updated = UpdateDossier(handoff.id, code, handoff.lines, handoff.flags, note=f"地点：{name}")
    dialled: tuple[Action, ...] = ()
    if handoff.to_police and not (handoff.connected or handoff.released):
        seat = sides.chain_has_seat(handoff)
        handoff, dialled = _reroute(handoff, opening.routes_to_police(code, seat=seat), moved=moved)
        handoff, beside = sides.rerouted(handoff, state.duty_lines)
        dialled += beside
    return replace(state, handoff=handoff), (decided, updated, *dialled)


def _newly_named(assessment: Assessment | None, before: Assessment | None) -> str | None:
    region = assessment.region if assessment else None
    return region if before is None or region != before.region else None


def _reroute(
    handoff: HandoffState, routes: tuple[Route, ...], *, moved: bool
) -> tuple[HandoffState, tuple[Action, ...]]:
    """Another city or county: another 110. A desk of the same city goes on ringing, and one that
    is off-hook is not given up."""
    resting = handoff.redial_at is not None and routes[0] != handoff.route
    if handoff.off_hook or not (moved or resting):
        rest = tuple(route for route in routes if route != handoff.route)
        return replace(handoff, routes=(handoff.route, *rest), index=0), ()
    if routes[0] == handoff.route:
        return replace(handoff, routes=routes, index=0), ()
    handoff = replace(handoff, routes=routes, index=0, leg=LegState.REQUESTED, redial_at=None)
    return handoff, (DialRoute(handoff.id, routes[0]),)


def update(state: State, assessment: Assessment, *, certain: bool) -> Step:
    """What is heard after the hand-off began adds to it; nothing takes any away."""
    handoff = state.handoff
    assert handoff is not None
    if not handoff.to_police:
        if not certain and assessment.request != "police":
            return state, ()
        if not handoff.connected:
            return opening.to_police(state, "danger" if certain else "requested_police")
        # A human has the call and decides; the dossier raises the one-key alarm (一键转110).
        return _amend(state, handoff, assessment, alarmed=True)
    return _amend(state, handoff, assessment, danger=certain)


def _amend(
    state: State,
    handoff: HandoffState,
    assessment: Assessment,
    *,
    danger: bool = False,
    alarmed: bool = False,
) -> Step:
    lines = tuple(line for line in assessment.lines if line not in handoff.lines)
    flags = tuple(flag for flag in assessment.flags if flag not in handoff.flags)
    notes, turn = [], state.turn
    if alarmed and not handoff.alarmed:
        flags = (*flags, "danger")
        notes.append("通话中出现危险，请一键转110")
    worse = danger and handoff.reason in ("police_matter", UNDECIDED)
    if worse:
        handoff = replace(handoff, reason="danger")
        notes.append("来电人讲述中出现危险")
    if (
        assessment.category not in (None, handoff.category)
        and (worse or handoff.category is None)
        and handoff.to_police
    ):
        handoff = replace(handoff, category=assessment.category)
        notes.append(f"警情类别：{assessment.category}")
    taken_back = next(
        (found.detail for found in assessment.evidence if found.kind == "retraction"), None
    )
    if taken_back is None and turn is not None and small_talk.mistaken(turn.transcript):
        taken_back = turn.transcript
    if taken_back is not None and not handoff.retracted:
        # Only 110 stands down.
        handoff = replace(handoff, retracted=True, to_note=True)
        notes.append(f"来电人改口：{taken_back}")
    if not (lines or flags or notes):
        return state, ()
    handoff = replace(
        handoff,
        lines=(*handoff.lines, *lines),
        flags=(*handoff.flags, *flags),
        alarmed=handoff.alarmed or alarmed,
    )
    updated = UpdateDossier(
        handoff.id, handoff.region, handoff.lines, handoff.flags, note="；".join(notes)
    )
    handoff, called = sides.brought_in(handoff, lines, state.duty_lines)
    return replace(state, handoff=handoff), (updated, *called)


def keep_company(state: State) -> Step:
    """While 110 rings: note what was said, ask only where the caller is, say safety wording."""
    handoff = state.handoff
    if (
        state.phase is not Phase.HANDING_OFF
        or handoff is None
        or not handoff.to_police
        or not (handoff.announced and handoff.waiting and state.quiet)
        or state.caller_speaking
    ):
        return state, ()
    told = waiting.told(state)
    if told is not None:
        return told
    if handoff.to_note:
        state = replace(state, handoff=replace(handoff, to_note=False))
        state, said = say(state, "noted")
        return state, (said,)
    turn = state.caller_turn(handoff.turn)
    if handoff.asked_place or (turn is not None and answers.precise_place(turn.transcript)):
        return bridge_wording.speak(state) or (state, ())
    state = replace(state, handoff=replace(handoff, asked_place=True))
    state, asked = say(state, "where_are_you")
    return state, (asked,)


def interrupted(state: State) -> Step:
    """The caller is gone before 110 was reached: the police order (警单) is marked 中断."""
    actions: tuple[Action, ...] = ()
    if opening.unsettled(state):
        # Hanging up is not a clear no.
        state, actions = opening.to_police(state, "danger")
    handoff = state.handoff
    if handoff is None or not handoff.to_police or handoff.connected or handoff.released:
        return state, actions
    if handoff.reason == UNDECIDED and handoff.talking:
        return state, actions  # the seat has the matter
    handoff = replace(handoff, flags=(*handoff.flags, call_back.INTERRUPTED))
    return replace(state, handoff=handoff), (
        *actions,
        *call_back.gone(state, handoff),
        UpdateDossier(handoff.id, handoff.region, handoff.lines, handoff.flags, note="中断"),
        Decide("police_order_interrupted", "来电人在110接通前挂断，警单标记为中断"),
    )
