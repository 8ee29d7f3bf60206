"""What a caller is told who is put through to 110: by whose matter it is, and who else comes. Pure.

Each case has its own fixed wording, so that it is rendered before any call: danger waits for no
voice. The lines named are those that are dialled or told beside 110 (R8).
"""

from __future__ import annotations

import re

from flows.pending import HandoffState
from flows.state import State, spoken

UNDECIDED = "undecided"
"""Reason of a hand-off to 110 and a seat together, over whose matter it is (`together`)."""

WORK_ORDER = "work_order"
"""Flag: a unit that is handling a work order calls 110 in, because a conflict grows (R7)."""

_PUBLIC = frozenset({"extremism", "revenge", "gathering"})
"""Flags of matters of public safety (R6): the caller may be who threatens."""

_NO_NAME = (
    "[没不想问说要被找去跟与向对给从等打]|投诉|反映|反应|举报|因为|住在|业主|居民|住户|村民|市民"
)
"""What is in no unit's name: after it 我是 goes on to something else."""

_UNIT = re.compile(
    r"(?:我们?(?:这边|这里)?|这里)是(?!和)"
    rf"(?:(?!{_NO_NAME})[^，。？！]){{0,12}}?"
    r"(?:社区|街道|居委会|村委会|镇政府|乡政府|区政府|管委会|城管|执法队|物业|承办单位|[局办所])"
    r"(?:办事处|办公室|公司|服务中心|大队|中队)?"
    r"(?=[，。！]|$|我|这|在|正|现|处理|负责"
    r"|的(?:[，。！]|$|我|这|在|正|现|人|工作人员|网格员|干部|同志|民警|队员))"
)
"""Who says who they are: 我是, 我们是 or 这里是 with the name of a unit, and no matter of it."""
_ORDER = re.compile(r"工单|派单|办件|12345(?:转|派)|一二三四五(?:转|派)")


def handling_order(state: State) -> bool:
    """The caller speaks for a unit that is handling a work order (承办单位): both in one breath."""
    return any(
        _UNIT.search(turn.transcript) and _ORDER.search(turn.transcript) for turn in spoken(state)
    )


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
