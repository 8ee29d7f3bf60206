"""A caller who is gone while danger is open: who is told, and that the number is called back. Pure.

110's leg and the others hear it from us, the police order (警单) is marked 中断 (`dossier`), and
whoever answers the call back is put through to 110 at once: only 110 stands down.
"""

from __future__ import annotations

from dataclasses import replace

from flows import handoff as opening
from flows.actions import Action, CallBack, Tell, UpdateDossier
from flows.events import Interrupted
from flows.pending import HandoffState
from flows.policy import Step
from flows.state import State
from flows.triage import Assessment, Evidence

INTERRUPTED = "interrupted"
"""Flag of a police order whose caller was gone before 110 had the call."""

FIRST_S = 2.0
"""Until the number is called: its line must be free again. Within 30 s it has rung (DESIGN.md)."""

MOST_TRIES = 3

_AGAIN_S = {"busy": 6.0, "no_answer": 2.0}
"""Pause after a try, by how it ended: who is busy may be calling 110 or us."""


def next_try(tries: int, ended: str = "") -> float | None:
    """Seconds until the number is called, after `tries` tries of which the last ended so.

    None: it is not called any more.
    """
    if tries >= MOST_TRIES:
        return None
    return _AGAIN_S.get(ended, 4.0) if tries else FIRST_S


def gone(state: State, handoff: HandoffState) -> tuple[Action, ...]:
    """What is said to the legs that are off-hook, and how the caller is reached again."""
    calling = state.calls_back and state.called_back is None
    prompt = "caller_gone_calling_back" if calling else "caller_gone"
    lines = (*(("",) if handoff.off_hook else ()), *_off_hook(handoff))
    told = tuple(Tell(handoff.id, line, prompt) for line in lines)
    if calling:
        flags = tuple(flag for flag in handoff.flags if flag != INTERRUPTED)
        open_matter = Interrupted(
            handoff.id, handoff.region, handoff.category, handoff.lines, flags
        )
        return (*told, CallBack(state.caller, open_matter))
    why = "已回拨过一次" if state.called_back else "这条线路不能自动回拨"
    note = f"{why}，请110回拨" if state.caller else "没有来电号码，不能回拨"
    return (
        *told,
        UpdateDossier(handoff.id, handoff.region, handoff.lines, handoff.flags, note=note),
    )


def _off_hook(handoff: HandoffState) -> tuple[str, ...]:
    return tuple(side.line for side in handoff.sides if side.off_hook)


def begin(state: State, before: Interrupted) -> Step:
    """The number has been called back and was answered: 110, with what was known before."""
    known = Assessment(
        "110_now",
        {"110_now": 1.0},
        "handoff",
        category=before.category,
        lines=before.lines,
        flags=before.flags,
        evidence=(Evidence("call_back", before.handoff, 1.0, -1),),
    )
    state = replace(state, assessment=known, region=before.region or state.region)
    return opening.to_police(state, "danger")
