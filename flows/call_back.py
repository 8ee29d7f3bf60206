"""A caller who is gone before 110 has the call: who is told, and if the number is called. Pure.

110's leg and the others hear it from us, and the police order (警单) is marked 中断 (`dossier`).
With danger open the number is called back, and whoever answers is put through to 110 at once:
only 110 stands down. Over an ordinary matter of 110's nobody is called.
"""

from __future__ import annotations

from dataclasses import replace

from flows import handoff as opening
from flows.actions import Action, CallBack, Tell, UpdateDossier
from flows.announcing import UNDECIDED
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

    None: it is not called any more, since it was often enough or settings are wrong.
    """
    if tries >= MOST_TRIES or ended == "no_such_trunk":
        return None
    return _AGAIN_S.get(ended, 4.0) if tries else FIRST_S


def gone(state: State, handoff: HandoffState) -> tuple[Action, ...]:
    """What is said to the legs that are off-hook, and how the caller is reached again."""
    danger = _in_danger(state, handoff)
    calling = danger and state.calls_back and state.called_back is None
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
    if not danger:
        note = "普通警情，不自动回拨"
    return (
        *told,
        UpdateDossier(handoff.id, handoff.region, handoff.lines, handoff.flags, note=note),
    )


def _in_danger(state: State, handoff: HandoffState) -> bool:
    """Who asked for the police counts: why they did is not known. Hanging up settles no doubt."""
    return handoff.reason not in ("police_matter", UNDECIDED) or state.doubt > 0


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
