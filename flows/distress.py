"""Screams, crying and shouting that were heard in the caller's audio: marks, not verdicts. Pure.

They were measured on synthetic sounds (`asr.distress`), so that a mark alone moves nobody. It is
put on record, on the screens and in the dossier; and who screams or cries so that no words can
be made out is not asked to say it again, but gets a human at once (`flows.replying`).
"""

from __future__ import annotations

from dataclasses import replace

from flows.actions import Action, Decide, UpdateDossier
from flows.events import Distress
from flows.policy import Step
from flows.state import CallerTurn, State

_NAMES = {"scream": "尖叫", "crying": "哭泣", "loud": "比先前大声得多"}
_WORDLESS = ("scream", "crying")


def marked(state: State, event: Distress) -> Step:
    """The mark is noted, and added to an open hand-off."""
    heard = f"来电人声音像{_NAMES.get(event.kind, event.kind)}，把握 {event.confidence:.2f}"
    if event.kind in _WORDLESS:
        state = replace(state, distress_at=event.at)
    if event.kind not in state.distress:
        state = replace(state, distress=(*state.distress, event.kind))
    actions: tuple[Action, ...] = (Decide("distress", heard),)
    handoff = state.handoff
    if handoff is None or event.kind in handoff.flags:
        return state, actions
    handoff = replace(handoff, flags=(*handoff.flags, event.kind))
    noted = UpdateDossier(handoff.id, handoff.region, handoff.lines, handoff.flags, note=heard)
    return replace(state, handoff=handoff), (*actions, noted)


def wordless(state: State, turn: CallerTurn) -> bool:
    """Whether a scream or crying was heard since the turn began."""
    return state.distress_at is not None and state.distress_at >= turn.start
