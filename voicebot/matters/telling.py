"""What whoever sent a matter is told: plain Chinese, danger first, no dead end (R5). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from flows.triage import Assessment
from voicebot.matters.deciding import Decision, Outcome
from voicebot.records.duty import region_names

CALL_110 = "请立即拨打110。"
TURNED_AWAY = f"这次没有提交成功。如果现在有人有危险，{CALL_110}其他的事请稍后再试，或者拨打12345。"
"""Of a matter that was not taken, whatever it says."""
_LINES = {
    "119": "有火情或者有人被困，同时拨打119。",
    "120": "有人受伤或者发病，同时拨打120。",
    "122": "有交通事故，同时拨打122。",
    "12395": "海上遇险，同时拨打12395。",
}
_SAFE = "先到安全的地方，再等人来。"
PROVINCE = "460000"


def danger(assessment: Assessment, region: str | None, *, passed_on: bool) -> str:
    """Of a matter in which there is, or may be, danger."""
    parts = ["如果现在有人有危险，", CALL_110, *_beside(assessment.lines), _SAFE]
    if passed_on:
        parts.append(f"您写的情况已经转给{desk(region)}。")
    return "".join(parts)


def told(decision: Decision, region: str | None, number: str) -> str:
    """Of any matter; `number` is that of its ticket or police order."""
    match decision.outcome:
        case Outcome.DANGER:
            return danger(decision.assessment, region, passed_on=True)
        case Outcome.POLICE:
            return (
                f"这件事归公安管，已经转给{desk(region)}，编号{number}。"
                "正在发生的事，请直接拨打110。"
            )
        case Outcome.ANSWER:
            assert decision.entry is not None
            return decision.entry.answer
        case Outcome.GUIDE:
            return "这件事不在12345的受理范围。政府服务方面的问题，可以再写给我们，或者拨打12345。"
        case Outcome.TICKET:
            return f"已经登记，工单编号{number}，会有人联系您。可以凭编号查进度。"


def desk(region: str | None) -> str:
    """The 110 of a place, by its name."""
    return f"{region_names().get(region or PROVINCE, region_names()[PROVINCE])}110"


def _beside(lines: Sequence[str]) -> list[str]:
    return [_LINES[line] for line in lines if line in _LINES]
