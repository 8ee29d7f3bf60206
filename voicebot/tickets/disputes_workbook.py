"""The list for 会商 as a workbook (XLSX): the matters, their tickets, who refused them, the words.

Telephone and identity numbers in what was said are masked; names and numbers of callers are
left out, and so is what was said in confidence: the meeting decides on matters, not on people
(R25).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from voicebot.clock import BEIJING
from voicebot.masking import mask_text
from voicebot.monthly_workbook import add_sheet
from voicebot.records.duty import region_names
from voicebot.tickets.disputes import Dispute, transcripts
from voicebot.tickets.states import Act, Status

_SIDES = {"caller": "来电人", "bot": "语音助手", "seat": "座席"}


def workbook(session: Session, found: Sequence[Dispute]) -> bytes:
    """An XLSX of four sheets: 争议事项, 工单, 退回经过, 通话记录."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    add_sheet(
        book,
        "争议事项",
        (
            "序号",
            "诉求",
            "分类",
            "工单数",
            "退回或争议次数",
            "110与12345难分次数",
            "退回单位",
            "地区",
            "仍待会商",
        ),
        _matters(found),
    )
    add_sheet(
        book,
        "工单",
        ("序号", "工单号", "登记时间", "地区", "地点", "诉求", "状态", "承办单位", "退回次数"),
        _tickets(found),
    )
    add_sheet(
        book,
        "退回经过",
        ("序号", "工单号", "时间", "事项", "单位", "经办人", "理由"),
        _refusals(found),
    )
    add_sheet(
        book,
        "通话记录",
        ("序号", "通话", "秒", "说话人", "内容"),
        _words(session, found),
    )
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _matters(found: Sequence[Dispute]) -> Iterator[Sequence[object]]:
    for place, each in enumerate(found, 1):
        yield (
            place,
            mask_text(each.matter),
            each.classification,
            len(each.tickets),
            each.returns,
            each.undecided,
            _counts(each.refused_by),
            _counts({region_name(code): n for code, n in each.regions.items()}),
            each.as_values()["open"],
        )


def _tickets(found: Sequence[Dispute]) -> Iterator[Sequence[object]]:
    for place, each in enumerate(found, 1):
        for row in each.tickets:
            yield (
                place,
                row.id,
                minute(row.created_at),
                region_name(row.region or ""),
                mask_text(row.place),
                mask_text(row.matter),
                Status(row.status).chinese,
                row.department or "",
                row.returns,
            )


def _refusals(found: Sequence[Dispute]) -> Iterator[Sequence[object]]:
    for place, each in enumerate(found, 1):
        for step in each.refusals:
            who = "110" if step.role == "110" else step.department
            act = Act(step.act).chinese
            yield place, step.ticket, minute(step.at), act, who, step.who, mask_text(step.why)


def _words(session: Session, found: Sequence[Dispute]) -> Iterator[Sequence[object]]:
    for place, each in enumerate(found, 1):
        for turn in transcripts(session, each):
            side = _SIDES.get(turn.side, turn.side)
            yield place, turn.call_id, round(turn.start, 1), side, mask_text(turn.text)


def minute(at: float) -> str:
    """In Beijing."""
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M")


def region_name(code: str) -> str:
    return region_names().get(code, code) or "未知"


def _counts(counts: dict[str, int]) -> str:
    return "、".join(f"{name} {count}" for name, count in counts.items())
