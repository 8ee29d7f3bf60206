"""A surge decision in one Chinese sentence, for supervisors and desks. Pure."""

from __future__ import annotations

import math

from flows.surge import Decision, Destination, Force, Mode, Policy, Reason

DESTINATIONS = {
    Destination.LOCAL_SEAT: "转本地人工坐席",
    Destination.REMOTE_SEAT: "转异地人工坐席",
    Destination.QUEUE: "进入人工排队",
    Destination.BOT: "由机器人接听",
    Destination.CALL_BACK: "进入人工排队，并登记回拨",
}
MODES = {Mode.NORMAL: "平时", Mode.SURGE: "高峰"}
FORCES = {Force.BOT: "机器人优先", Force.SEATS: "只走人工", Force.NORMAL: "恢复平时"}


def seconds(wait_s: float | None) -> str:
    """A wait as it is said to people: “85秒”, “12分钟”, “无人在席”, “未知”."""
    if wait_s is None:
        return "未知"
    if math.isinf(wait_s):
        return "无人在席"
    return f"{wait_s:.0f}秒" if wait_s < 120 else f"{wait_s / 60:.0f}分钟"


def explain(decision: Decision, policy: Policy) -> str:
    """Why the call went where it went: “……，由机器人接听。”"""
    return f"{_because(decision, policy)}，{DESTINATIONS[decision.destination]}。"


def _because(decision: Decision, policy: Policy) -> str:
    match decision.reason:
        case Reason.SEAT_FREE:
            return f"有空闲坐席（{decision.region}）"
        case Reason.REMOTE_SEAT_FREE:
            return f"本地坐席已满，{decision.region}有空闲坐席"
        case Reason.SHORT_WAIT:
            return (
                f"坐席已满，预计等待{seconds(decision.wait_s)}，未超过{policy.enter_wait_s:g}秒上限"
            )
        case Reason.LONG_WAIT:
            return _long(decision, policy)
        case Reason.NOBODY_ANSWERED:
            return "已转人工坐席，但无人应答"
        case Reason.BOT_FIRST:
            return "这条线路设定为机器人先接"
        case Reason.ENDPOINT:
            return "这条接入方式不能把未接听的来电转给坐席"
        case Reason.FIGURES_UNKNOWN:
            return "没有坐席的实时数据，或数据已过时"
        case Reason.URGENT:
            return "公安转来或因险情回拨的来电，不受高峰限制"
        case Reason.LIMITED:
            return "来电号码在骚扰限制名单上"
        case Reason.FORCED:
            return _forced(decision)
        case Reason.BOT_FULL:
            return f"机器人通话已满，人工预计等待{seconds(decision.wait_s)}"
        case Reason.RESERVE:
            return f"剩余外线须留给转接，人工预计等待{seconds(decision.wait_s)}"


def _long(decision: Decision, policy: Policy) -> str:
    wait, limit = seconds(decision.wait_s), f"{policy.enter_wait_s:g}秒上限"
    if decision.wait_s is not None and math.isinf(decision.wait_s):
        return "本线路没有人工在席"
    if decision.wait_s is not None and decision.wait_s > policy.enter_wait_s:
        return f"坐席已满，预计等待{wait}，超过{limit}"
    if decision.mode is Mode.NORMAL:
        return (
            f"坐席已满，照目前的来电，{policy.look_ahead_s:g}秒后预计等待"
            f"{seconds(decision.outlook_s)}，超过{limit}"
        )
    return (
        f"线路处于高峰（预计等待{wait}，前景{seconds(decision.outlook_s)}；"
        f"低于{policy.leave_wait_s:g}秒并保持{policy.hold_s:g}秒后才恢复）"
    )


def _forced(decision: Decision) -> str:
    order = decision.override
    if order is None:
        return "值班长手动设定"
    return f"{order.by}手动设定为“{FORCES[order.force]}”（{order.why}）"
