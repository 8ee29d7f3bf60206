"""The screen of `voicebot top`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from flows.pending import Phase

PHASES = {
    Phase.LISTENING: "听",
    Phase.CONFIRMING_DANGER: "问有无危险",
    Phase.CONFIRMING_POLICE: "问是否转110",
    Phase.CLARIFYING: "反问",
    Phase.TICKET_MATTER: "工单：事由",
    Phase.TICKET_PLACE: "工单：地点",
    Phase.TICKET_NAME: "工单：姓名",
    Phase.TICKET_NUMBER: "工单：电话",
    Phase.TICKET_WRITING: "工单：登记中",
    Phase.PROGRESS_SEARCH: "查进度",
    Phase.PROGRESS_TICKET: "查进度：工单号",
    Phase.PROGRESS_PHONE: "查进度：电话",
    Phase.HANDING_OFF: "转接中",
    Phase.CONNECTED: "人工通话",
    Phase.EVALUATING: "评价",
    Phase.CLOSING: "结束语",
    Phase.ENDED: "收尾",
}
STAGES = {
    "triage": ("判断警情", None),
    "search": ("检索", None),
    "final": ("最终识别", None),
    "reply": ("说完到出声", None),
    "answer": ("说完到答案", 0.75),
    "handoff": ("听到险情到呼叫110", 0.5),
}
"""Name, and the goal of its 95th percentile in seconds."""
QUEUES = {
    "dossiers": ("转接资料", 60.0),
    "police_orders": ("警单", 60.0),
    "exchange": ("其他发往110", 600.0),
    "inbox": ("110来件", 600.0),
    "webhooks": ("事件通知", 600.0),
}
"""Name, and the age in seconds that is too much."""
URGENCIES = {"final": "最终", "sentinel": "险情", "partial": "中间"}
LATE_MS = 60.0


def screen(found: Mapping[str, Any]) -> RenderableType:
    """`found`: of `voicebot.metrics.reading.summary`."""
    return Group(
        _head(found),
        Columns(
            [
                _panel("通话", _phases(found["calls"])),
                _panel("等待", _stages(found["stages"])),
                _panel("转接", _handoffs(found["handoffs"])),
                _panel("待发、待办", _backlog(found["backlog"])),
                _panel("识别", _recognition(found["recognition"])),
                _panel("启动以来", _totals(found)),
            ]
        ),
    )


def _head(found: Mapping[str, Any]) -> Text:
    calls, handoffs, lag = found["calls"], found["handoffs"], found["loop_lag_ms"]
    head = Text("12345 语音机器人  ", style="bold")
    parts = [
        (f"通话 {calls['running']}/{calls['room']}", calls["running"] > 0.9 * calls["room"]),
        (f"外线 {handoffs['lines']}/{handoffs['lines_room']}", False),
        (f"滞后 {lag['p50']:g}/{lag['p99']:g}/{lag['max']:g} 毫秒", lag["p99"] > LATE_MS),
        (f"事件 {int(found['incidents'])}" if found["incidents"] is not None else "", False),
        (f"高峰 {' '.join(found['surge'])}" if found["surge"] else "", True),
        ("不再接听" if calls["stopping"] else "", True),
        ("" if found["records_available"] else "数据库不可用", True),
    ]
    for text, alarming in parts:
        if text:
            head.append(text + "  ", style="red" if alarming else "")
    return head


def _panel(title: str, table: Table) -> Panel:
    return Panel(table, title=title, expand=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="left" if column is columns[0] else "right")
    return table


def _phases(calls: Mapping[str, Any]) -> Table:
    table = _table("阶段", "通话")
    for phase, count in calls["by_phase"].items():
        table.add_row(PHASES[Phase(phase)], str(count))
    return table


def _stages(stages: Mapping[str, Any]) -> Table:
    table = _table("阶段", "次数", "50%", "95%")
    for stage, (name, goal) in STAGES.items():
        of = stages[stage]
        late = goal is not None and of["p95_s"] is not None and of["p95_s"] > goal
        table.add_row(
            name,
            str(of["count"]),
            _seconds(of["p50_s"]),
            Text(_seconds(of["p95_s"]), style="red" if late else ""),
        )
    return table


def _handoffs(handoffs: Mapping[str, Any]) -> Table:
    table = _table("去向", "状态", "数")
    if handoffs["waiting_for_line"]:
        table.add_row("110", Text("等线路", style="red"), str(handoffs["waiting_for_line"]))
    for each in handoffs["open"]:
        table.add_row(each["to"], each["state"], str(each["count"]))
    return table


def _backlog(backlog: Mapping[str, Any]) -> Table:
    table = _table("", "条", "最久")
    for queue, (name, most_s) in QUEUES.items():
        waiting = backlog.get(queue)
        if waiting is None:
            table.add_row(name, Text("读不出", style="red"), "")
            continue
        style = "red" if waiting["oldest_s"] > most_s else ""
        table.add_row(name, str(waiting["count"]), Text(_seconds(waiting["oldest_s"]), style=style))
    return table


def _recognition(recognition: Mapping[str, Any]) -> Table:
    table = _table("", "排队", "实时率")
    for urgency, name in URGENCIES.items():
        factor = recognition["real_time_factor"].get(urgency, 0.0)
        table.add_row(name, str(recognition["waiting"].get(urgency, 0)), f"{factor:.2f}")
    table.add_row("占用", f"{recognition['utilisation'] or 0.0:.0%}", "")
    return table


def _totals(found: Mapping[str, Any]) -> Table:
    table = _table("", "")
    calls = found["calls"]
    for name, counts in (
        ("接听", calls["answered"]),
        ("拒绝", calls["refused"]),
        ("结果", calls["ended"]),
        ("路由", found["triage"]),
        ("检索", found["searches"]),
    ):
        table.add_row(name, "  ".join(f"{each} {count}" for each, count in counts.items()) or "—")
    return table


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "—"
    return f"{seconds * 1000:.0f} 毫秒" if seconds < 1 else f"{seconds:.1f} 秒"
