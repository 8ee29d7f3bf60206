"""Which calls count as nuisance (骚扰), and when they suffice to propose a limit. Pure.

Plan, 二(一)5 (健全滋扰治理机制): 恶意骚扰、扬言恐吓、疑似醉酒人员或精神病人反复滋扰, where they
disturb the work. A call in which danger came up never counts, whatever became of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.pending import Phase
from flows.state import State, spoken
from voicebot.callers.days import days_before

REASONS: Mapping[str, str] = {
    "harassment": "恶意骚扰",
    "threat": "扬言恐吓",
    "abuse": "辱骂",
    "drunk": "疑似醉酒反复滋扰",
    "disturbed": "疑似精神异常反复滋扰",
    "silent": "无声电话",
}

RULES: Mapping[str, tuple[int, int]] = {
    "harassment": (3, 7),
    "threat": (2, 7),
    "abuse": (3, 7),
    "drunk": (3, 7),
    "disturbed": (5, 7),
    "silent": (10, 1),
}
"""So many calls within so many calendar days are enough for a proposal; a person decides."""

LONGEST_DAYS = max(days for _, days in RULES.values())


@dataclass(frozen=True, slots=True)
class Counted:
    """A call that counts as nuisance."""

    call_id: str
    reason: str
    at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Why a number should be limited, and the calls that show it."""

    reason: str
    evidence: tuple[str, ...]


def of_call(state: State) -> str | None:
    """What an ended call counts as; None for none of it.

    What a machine can tell is little: the rest is marked by those who talked with the caller.
    """
    if not state.caller or state.trunk != "public" or state.calling:
        return None
    if _in_danger(state) or state.served:
        return None
    flags = state.assessment.flags if state.assessment is not None else ()
    if "nuisance" in flags:
        return "harassment"
    if state.reached is not None or state.ticket_written:
        return None
    if not spoken(state) and not state.turns and state.seat_failed:
        return "silent"
    return "drunk" if "drunk" in flags else None


def _in_danger(state: State) -> bool:
    """Danger was recognised, possible or audible at any moment, or the police was asked for."""
    return bool(
        state.called_back is not None
        or state.doubt > 0
        or state.asked_danger
        or state.distress
        or state.phase is Phase.CONFIRMING_DANGER
        or (state.handoff is not None and state.handoff.to_police)
        or (state.assessment is not None and state.assessment.route in ("110_now", "110"))
    )


def proposal(calls: Sequence[Counted], at: float) -> Proposal | None:
    """The limit to propose for a number with these calls, those of one reason being enough."""
    recent = {
        reason: [c for c in calls if c.reason == reason and c.at >= days_before(at, days)]
        for reason, (_, days) in RULES.items()
    }
    counts = Counter(
        {reason: len(found) for reason, found in recent.items() if len(found) >= RULES[reason][0]}
    )
    if not counts:
        return None
    ((reason, _),) = counts.most_common(1)
    return Proposal(reason, tuple(c.call_id for c in sorted(recent[reason], key=lambda c: c.at)))
