"""A reconciliation as one HTML page for anyone: nothing in it is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.exchange.reconciliation.comparing import FINDING_NAMES, Finding
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.queue import search
from voicebot.exchange.reconciliation.rules import REPAIR_NAMES, Repair
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow
from voicebot.monthly_page import STYLE, table

MOST = 1000
"""Differences on a page; the list has all (`voicebot exchange differences`)."""
STATE_NAMES = {
    "open": "待处理",
    "mending": "已补救，待下次对账确认",
    "settled": "已一致",
    "closed": "人工了结",
}
EXPLAINED = {
    Finding.MISSING_HERE: "110有记录，12345没有收到。",
    Finding.MISSING_THERE: "12345已发出，110没有记录。",
    Finding.CONTENT: "双方编号相同，内容不同。",
    Finding.STATE: "一方已办，另一方未办，或接收方拒收。",
    Finding.DUPLICATED: "同一消息登记了两次，或一个序号有两条消息。",
    Finding.LATE: "已收到，但晚于一分钟。",
}
_HEAD = ("日期", "差异", "编号", "消息", "发送方", "处理方式", "状态", "处理人", "说明")


def report(session: Session, number: int) -> str | None:
    """The page of a reconciliation, with what has become of its days' differences since.

    None: there is none of this number.
    """
    row = session.get(ReconciliationRow, number)
    if row is None:
        return None
    days = Days.of(row.first_day, row.last_day)
    found = search(session, states=(), days=days, limit=MOST)
    between = DifferenceRow.day.between(row.first_day, row.last_day)
    count = session.scalars(select(func.count()).select_from(DifferenceRow).where(between)).one()
    return page(row, found, count)


def page(row: ReconciliationRow, differences: Sequence[DifferenceRow], count: int) -> str:
    """The whole page, UTF-8.

    Parameters:
        differences: of the days that were compared.
        count: how many there are in all.
    """
    title = f"12345与110对账报告 第{row.number}号"
    return "".join(
        (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>",
            f"<p class=note>{_days(row)}发出的消息（北京时间）；"
            f"{_moment(row.began_at)}开始，{_end(row)}；发起：{escape(row.principal)}</p>",
            *_sums(row),
            *_listed(differences, count),
            "<h2>各种差异的含义</h2>",
            table(("差异", "含义"), [(FINDING_NAMES[each], EXPLAINED[each]) for each in Finding]),
            "</html>\n",
        )
    )


def _sums(row: ReconciliationRow) -> Iterable[str]:
    needs_hands = sum(count for name, count in row.found.items() if name != Finding.LATE)
    if row.ended_at is None:
        verdict = "对账没有完成。"
    elif row.unsettled:
        verdict = f"还有{row.unsettled}处差异没有了结。"
    elif needs_hands:
        verdict = "差异已全部了结。"
    else:
        verdict = "双方账目一致。"
    yield f"<p><b>{verdict}</b></p><ul class=figures>"
    yield f"<li>12345消息数<b>{row.ours}</b></li><li>110消息数<b>{row.theirs}</b></li>"
    for name, count in row.found.items():
        yield f"<li>{FINDING_NAMES[Finding(name)]}<b>{count}</b></li>"
    yield "</ul>"


def _listed(differences: Sequence[DifferenceRow], count: int) -> Iterable[str]:
    if not differences:
        return
    yield "<h2>这几天的差异</h2><p class=note>状态为打开本页时的状态。"
    yield f"共{count}处，列出{len(differences)}处。</p>"
    yield table(_HEAD, [_cells(each) for each in differences])


def _cells(row: DifferenceRow) -> tuple[str, ...]:
    return (
        row.day,
        FINDING_NAMES[Finding(row.finding)],
        row.subject,
        row.id,
        row.sender,
        REPAIR_NAMES[Repair(row.repair)],
        STATE_NAMES[row.state],
        row.decided_by,
        row.note,
    )


def _days(row: ReconciliationRow) -> str:
    return row.first_day if row.first_day == row.last_day else f"{row.first_day} 至 {row.last_day}"


def _end(row: ReconciliationRow) -> str:
    return "未完成" if row.ended_at is None else f"{_moment(row.ended_at)}结束"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, BEIJING):%Y-%m-%d %H:%M}"
