"""What each figure means: the one place where it is defined. Pure.

Sources: GB/T 33358—2016 政府热线服务规范 (受理要求: answered within 15 s, at least 95 % of calls
connected in any 24 h) and 琼政务热线办〔2022〕3号, 二(四)1 (connection below 60 %; 响应率,
问题解决率 and 满意度 published). Neither gives formulas for all of them: what is counted is said
here, and `docs/figures.md` is held equal to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

STANDARD = "GB/T 33358—2016 受理要求"
PLAN = "琼政务热线办〔2022〕3号"
ANSWER_S = 15.0
"""Within which a call is to be answered (GB/T 33358—2016)."""
HUMAN_MARK = 0.60
"""A line below it is to be merged into 12345 (the plan, 二(四)1)."""


class Unit(StrEnum):
    SHARE = "share"
    """0…1."""
    SECONDS = "seconds"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Indicator:
    """One figure: `over` divided by `under`, both sums of counts of `voicebot.figures.facts`.

    A count has no `under`; a percentile (`percent`) takes `over` as the name of a duration.
    `at_least` is the goal of a share.
    """

    name: str
    chinese: str
    definition: str
    numerator: str
    denominator: str
    unit: Unit
    source: str
    over: tuple[str, ...]
    under: tuple[str, ...] = ()
    percent: int = 0
    at_least: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as computed; `value` is None where there was nothing to divide by."""

    value: float | None
    numerator: float
    denominator: float

    def meets(self, indicator: Indicator) -> bool | None:
        """Whether the goal is reached; None without one, or without a value."""
        if indicator.at_least is None or self.value is None:
            return None
        return self.value >= indicator.at_least


def figure(
    indicator: Indicator, counts: Mapping[str, float], percentiles: Mapping[str, float]
) -> Figure:
    """`indicator` of what was counted; `percentiles` by the indicator's name."""
    over = sum(counts.get(name, 0.0) for name in indicator.over)
    under = sum(counts.get(name, 0.0) for name in indicator.under)
    if indicator.unit is Unit.COUNT:
        return Figure(over, over, 0.0)
    if indicator.percent:
        return Figure(percentiles.get(indicator.name), 0.0, under)
    return Figure(over / under if under else None, over, under)


def _share(
    name: str, chinese: str, definition: str, numerator: str, denominator: str, source: str,
    over: tuple[str, ...], under: tuple[str, ...], at_least: float | None = None,
) -> Indicator:  # fmt: skip
    return Indicator(
        name, chinese, definition, numerator, denominator, Unit.SHARE, source,
        over, under, at_least=at_least,
    )  # fmt: skip


def _count(name: str, chinese: str, definition: str, source: str, *over: str) -> Indicator:
    return Indicator(name, chinese, definition, chinese, "—", Unit.COUNT, source, over)


def _seconds(
    name: str, chinese: str, definition: str, numerator: str, denominator: str, source: str,
    over: tuple[str, ...], under: tuple[str, ...], percent: int = 0,
) -> Indicator:  # fmt: skip
    return Indicator(
        name, chinese, definition, numerator, denominator, Unit.SECONDS, source,
        over, under, percent,
    )  # fmt: skip


_OFFERED = ("answered", "refused", "people_connected", "people_lost")
_TO_PEOPLE = ("seat_ended", "people_connected", "people_lost", "people_returned")
_AT_PEOPLE = ("seat_connected", "people_connected")
_DUE = ("tickets_due",)
_MET_POLICE = ("police_connected",)

INDICATORS: tuple[Indicator, ...] = (
    _count(
        "calls", "呼入量", "打进本热线的电话，接听的和没能接听的都算。",
        STANDARD, *_OFFERED,
    ),
    _count(
        "answered_calls", "接听量", "机器人或人工接听的电话。", STANDARD,
        "answered", "people_connected",
    ),
    _share(
        "connection", "接通率", "打进来的电话有多少被接听（机器人或人工）。",
        "接听的来电", "全部来电", f"{STANDARD}：连续24小时不低于95%",
        ("answered", "people_connected"), _OFFERED, at_least=0.95,
    ),
    _share(
        "answered_15s", "15秒接通率", "打进来的电话有多少在15秒内被接听。",
        "15秒内接听的来电", "接听时刻有记录的来电和未接听的来电", f"{STANDARD}：15秒之内接听",
        ("answered_15s", "people_15s"),
        ("answer_timed", "refused", "people_connected", "people_lost"),
    ),
    _seconds(
        "answer_wait", "平均应答时长", "从振铃到接听平均多少秒。",
        "振铃时长之和", "接听时刻有记录的来电", f"{STANDARD}：15秒之内接听",
        ("answer_seconds", "people_seconds"), ("answer_timed", "people_connected"),
    ),
    _share(
        "human_connection", "人工接通率", "要转人工座席的和直接分给座席的电话有多少接通了人。",
        "接通的人工转接和座席直接接听的来电", "全部人工转接和直接分给座席的来电",
        f"{PLAN} 二(四)1：低于60%的并入12345",
        _AT_PEOPLE, _TO_PEOPLE, at_least=HUMAN_MARK,
    ),
    _seconds(
        "seat_wait", "平均等待", "转人工的和直接分给座席的来电人平均等多少秒才有人应答。",
        "等待时长之和", "接通的人工转接和座席直接接听的来电",
        f"{PLAN} 二(四)1：切实提高热线接通率",
        ("seat_seconds", "people_seconds"), _AT_PEOPLE,
    ),
    _seconds(
        "seat_wait_p95", "等待95分位", "转人工的和直接分给座席的来电人95%在这么多秒内有人应答。",
        "等待时长", "接通的人工转接和座席直接接听的来电",
        f"{PLAN} 二(四)1：切实提高热线接通率",
        ("seat_seconds",), _AT_PEOPLE, percent=95,
    ),
    _share(
        "queue_abandonment", "排队放弃率",
        "转人工的和直接分给座席的来电人有多少在有人应答以前挂断，登记了回拨的不算。",
        "等待中挂断的人工转接和来电", "全部人工转接和直接分给座席的来电",
        f"{PLAN} 二(四)1：切实提高热线接通率",
        ("seat_abandoned", "people_abandoned"), _TO_PEOPLE,
    ),
    _share(
        "abandonment", "放弃率",
        "接听的和分给座席的电话有多少没有得到任何答复就结束，登记了回拨的不算。",
        "没有答复、登记、引导或转接就结束的通话和等座席时挂断的来电",
        "机器人结束的通话、座席直接接听的来电和等座席时挂断的来电",
        f"{PLAN} 二(四)1：切实提高热线接通率",
        ("abandoned", "people_abandoned"), ("ended", "people_connected", "people_lost"),
    ),
    _share(
        "containment", "机器人独立办结率", "不经人工和110，由机器人答复、登记或引导的通话占多少。",
        "机器人独立办结的通话", "机器人结束的通话和座席直接接听的来电",
        f"{PLAN} 二(四)1：智能化客服系统自动解答",
        ("contained",), ("ended", "people_connected"),
    ),
    _share(
        "first_call", "即问即答率", "机器人的通话有多少直接得到口径答复。",
        "直接答复的通话", "机器人结束的通话", f"{PLAN} 二(四)1：即问即答",
        ("answered_at_once",), ("ended",),
    ),
    _count(
        "handoffs_110", "110转接量", "一键转接110的电话。",
        f"{PLAN} 二(二)1：一键转接", "police_handoffs",
    ),
    _share(
        "handoff_110", "110转接接通率", "一键转接110的电话有多少由110的人接起。",
        "110有人应答的转接", "全部110转接", f"{PLAN} 二(二)1：一键转接",
        ("police_connected",), ("police_handoffs",),
    ),
    _seconds(
        "handoff_p50", "110转接时长中位数", "从决定转接到110有人应答，一半的转接在这么多秒内。",
        "转接时长", "110有人应答的转接", f"{PLAN} 二(二)1：一键转接",
        ("police_seconds",), _MET_POLICE, percent=50,
    ),
    _seconds(
        "handoff_p95", "110转接时长95分位", "从决定转接到110有人应答，95%的转接在这么多秒内。",
        "转接时长", "110有人应答的转接", f"{PLAN} 二(二)1：一键转接",
        ("police_seconds",), _MET_POLICE, percent=95,
    ),
    _share(
        "false_transfer", "误转率", "110接起以后又交回12345，或者事后反馈不归110管的转接占多少。",
        "110交回或反馈不归其管的转接", "110有人应答的转接", f"{PLAN} 二(一)：厘清职责边界",
        ("police_returned",), _MET_POLICE,
    ),
    _count(
        "tickets", "工单量", "登记的工单，来电人撤回的不算。",
        f"{PLAN} 二(四)1：接诉即办", "tickets",
    ),
    _share(
        "response", "响应率", "到期的工单有多少在期限内答复了来电人。",
        "期限内答复的工单", "已答复或已到期的工单", f"{PLAN} 二(四)1：不断提高响应率",
        ("answered_in_time",), _DUE,
    ),
    _share(
        "resolution", "问题解决率", "到期的工单有多少已办结，而且来电人没有表示不满意。",
        "已办结且没有被评为不满意的工单", "已答复或已到期的工单", f"{PLAN} 二(四)1：问题解决率",
        ("tickets_solved",), _DUE,
    ),
    _share(
        "satisfaction", "满意度", "作出评价的来电人有多少满意或基本满意。",
        "满意和基本满意的评价", "全部评价", f"{PLAN} 二(四)1：满意度",
        ("content",), ("evaluated",),
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Indicator] = {each.name: each for each in INDICATORS}
PUBLISHED = (
    "calls", "connection", "answered_15s", "human_connection", "seat_wait", "first_call",
    "tickets", "response", "resolution", "satisfaction",
)  # fmt: skip
"""Those that the public is told (R17)."""
