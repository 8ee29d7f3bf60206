"""What a caller is told who is put through to 110: by whose matter it is, and who else comes. Pure.

Each case has its own fixed wording, so that it is rendered before any call: danger waits for no
voice. The lines named are those that are dialled or told beside 110 (R8).
"""

from __future__ import annotations

import re

from flows.pending import HandoffState
from flows.state import State

UNDECIDED = "undecided"
"""Reason of a hand-off to 110 and a seat together, over whose matter it is (`together`)."""

WORK_ORDER = "work_order"
"""Flag: a unit that is handling a work order calls 110 in, because a conflict grows (R7)."""

_PUBLIC = frozenset({"extremism", "revenge", "gathering"})
"""Flags of matters of public safety (R6): the caller may be who threatens."""

_UNIT = re.compile(
    r"我们?(?:是|这边是|这里是|这边|这里|在)?[^，。？]{0,10}"
    r"(?:社区|街道|居委会|村委会|镇政府|乡政府|区政府|管委会|城管|执法队|物业|承办单位|[局办所])"
)
_ORDER = re.compile(r"工单|派单|办件|12345(?:转|派)|一二三四五(?:转|派)")


def handling_order(state: State) -> bool:
    """The caller speaks for a unit that is handling a work order (承办单位)."""
    said = "，".join(turn.transcript for turn in state.turns)
    return bool(_UNIT.search(said) and _ORDER.search(said))


def police_prompt(state: State, handoff: HandoffState) -> str:
    """The prompt of `flows/prompts.toml` for a hand-off to 110, said once it is written."""
    reason, flags, beside = handoff.reason, handoff.flags, frozenset(handoff.lines)
    return (
        "call_back_110"
        if state.called_back is not None and state.handoffs <= 1
        else "transferring_110"
        if reason == "police_matter"
        else "joining_110"
        if reason == UNDECIDED
        else "connecting_unit"
        if WORK_ORDER in flags
        else "connecting_public"
        if _PUBLIC.intersection(flags)
        else "connecting_110_119_120"
        if beside >= {"119", "120"}
        else "connecting_110_119"
        if "119" in beside
        else "connecting_110_120"
        if "120" in beside
        else "connecting_110_122"
        if "122" in beside
        else "connecting_110_12395"
        if "12395" in beside
        else "connecting_110_repair"
        if beside & {"power", "water", "gas"}
        else "connecting_110_railway"
        if "railway" in beside
        else "connecting_110"
    )
