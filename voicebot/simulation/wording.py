"""The figures of a simulated day as people read them: names, units, tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from voicebot.simulation.result import Result, Totals
from voicebot.simulation.staffing import Need

_Value = float | int | None


def _share(value: _Value) -> str:
    return f"{value:.1%}" if value is not None else "–"


def _count(value: _Value) -> str:
    return f"{value:,.0f}" if value is not None else "–"


def _seconds(value: _Value) -> str:
    return f"{value:,.1f} 秒" if value is not None else "–"


def _times(value: _Value) -> str:
    return f"{value:g}" if value is not None else "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of `Totals`, said."""

    name: str
    chinese: str
    shown: Callable[[_Value], str]

    def cells(self, result: Result) -> tuple[str, str, str]:
        """Its name, without the bot, with it."""
        without, with_bot = (
            self.shown(getattr(side.totals, self.name))
            for side in (result.without_bot, result.with_bot)
        )
        return self.chinese, without, with_bot


ROWS = (
    Row("calls", "来电（含重拨）/日", _count),
    Row("callers", "来电人/日", _count),
    Row("connected", "接通率", _share),
    Row("answered_15_s", "15秒内接通", _share),
    Row("answered_20_s", "20秒内接通", _share),
    Row("abandoned", "放弃", _share),
    Row("busy", "占线", _share),
    Row("unreached", "始终未接通的来电人", _share),
    Row("wait_s", "平均等待", _seconds),
    Row("wait_p95_s", "等待（接通者的95百分位）", _seconds),
    Row("by_seats", "本地坐席接听", _share),
    Row("by_remote_seats", "异地坐席接听", _share),
    Row("by_bot", "机器人接听", _share),
    Row("contained", "机器人办结（占来电）", _share),
    Row("containment", "机器人办结（占其接听）", _share),
    Row("tickets", "坐席不足时由机器人登记工单", _share),
    Row("call_backs", "登记回拨", _share),
    Row("call_backs_made", "其中已回拨", _share),
    Row("call_back_delay_s", "回拨前的等待", _seconds),
    Row("humans_asked", "需要人工的来电/日", _count),
    Row("human_15_s", "其中15秒内有人工", _share),
    Row("human_wait_s", "其等待", _seconds),
    Row("in_danger", "有危险的来电人/日", _count),
    Row("in_danger_unreached", "其中始终未接通/日", _times),
    Row("in_danger_wait_s", "其余从首次来电到有人处理", _seconds),
    Row("handoffs", "机器人转110/日", _count),
    Row("handoffs_at_once", "其中1秒内有110坐席", _share),
    Row("handoff_wait_most_s", "其最长等待", _seconds),
    Row("queue_most", "排队最多时", _count),
    Row("bot_calls_most", "机器人同时通话最多时", _count),
    Row("lines_most", "外呼线路最多时", _count),
    Row("trunks_most", "来电线路最多时", _count),
    Row("surges", "进入高峰/日", _times),
)
assert {row.name for row in ROWS} == {each.name for each in fields(Totals)} - {"connected_95"}

HEAD = ("", "没有机器人", "有机器人")
STAFFING_HEAD = (
    "时段", "预计来电", "95%在15秒内", "80%在20秒内",
    "有机器人：95%在15秒内", "有机器人：80%在20秒内",
)  # fmt: skip


def staffing_row(need: Need) -> Sequence[str | int | float]:
    return need.at, need.calls, need.strict, need.usual, need.strict_bot, need.usual_bot


def staffing_csv(result: Result) -> str:
    """The table of seats, for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(STAFFING_HEAD)
    writer.writerows(map(staffing_row, result.staffing.needs))
    return out.getvalue()


def staffing_said(result: Result) -> str:
    """What the table costs, and what it reaches when it is simulated."""
    staffing = result.staffing
    return (
        f"按“95%在15秒内”排班：没有机器人 {staffing.seat_hours:g} 坐席小时/日，"
        f"有机器人 {staffing.seat_hours_bot:g}。按此排班模拟（含突发、重拨和日间波动）："
        f"没有机器人时15秒内接通 {staffing.reached:.1%}；"
        f"有机器人时15秒内接通 {staffing.answered_bot:.1%}，"
        f"需要人工的来电15秒内有人工 {staffing.reached_bot:.1%}。"
    )
