"""`voicebot tickets export`: tickets as a table, for other systems (可批量应用, R14)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.commands.knowledge_common import progress_bar, write_whole
from voicebot.commands.session import InputError
from voicebot.commands.tickets_records import DAYS, minute, period, read_tickets

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer()

_BATCH = 2_000
_MOMENTS = ("created_at", "due_at", "dispatched_at", "accepted_at", "answered_at", "closed_at")
COLUMNS = {
    "id": "工单号",
    "status": "状态",
    "kind": "诉求类型",
    "channel": "来源",
    "classification": "分类",
    "region": "行政区划",
    "matter": "诉求",
    "place": "地点",
    "name": "姓名",
    "number": "电话",
    "department": "承办单位",
    "returns": "退回次数",
    "police_order": "警单",
    "main": "主工单",
    "answer": "答复",
    "created_at": "登记时间",
    "due_at": "办理时限",
    "dispatched_at": "派单时间",
    "accepted_at": "签收时间",
    "answered_at": "答复时间",
    "closed_at": "办结时间",
}


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new .csv or .xlsx.")],
    since: Annotated[str, typer.Option(help=f"First day; {DAYS} days ago.")] = "",
    until: Annotated[str, typer.Option(help="Last day, included; today.")] = "",
) -> None:
    """Write the tickets of some days to a table (CSV or XLSX).

    Name and number of a caller who wants confidence are left out.

    \b
    Examples:
      voicebot tickets export tickets.xlsx
      voicebot tickets export 11月.csv --since 2026-11-01 --until 2026-11-30
    """
    if file.suffix.lower() not in (".csv", ".xlsx"):
        raise InputError(f"{file}: give a name that ends in .csv or .xlsx.")
    first, end = period(since, until)

    def work(session: Session) -> list[list[object]]:
        with progress_bar("reading the tickets") as progress:
            rows: list[list[object]] = []
            for row in _rows(session, first, end):
                rows.append(row)
                progress(len(rows), 0)
            return rows

    rows = read_tickets(work, "tickets.export", f"{minute(first)} – {minute(end)}")
    write_whole(file, _csv(rows) if file.suffix.lower() == ".csv" else _xlsx(rows))
    typer.echo(f"{len(rows)} tickets written to {file}.")


def _rows(session: Session, first: float, end: float) -> Iterator[list[object]]:
    from sqlalchemy import select

    from voicebot.records.tables import TicketRow

    query = (
        select(TicketRow)
        .where(TicketRow.created_at >= first, TicketRow.created_at < end)
        .order_by(TicketRow.created_at, TicketRow.id)
        .execution_options(yield_per=_BATCH)
    )
    for row in session.scalars(query):
        yield [_cell(row, name) for name in COLUMNS]


def _cell(row: Any, name: str) -> object:
    from kb.spreadsheet import guarded
    from voicebot.tickets.deadlines import Kind
    from voicebot.tickets.states import Status

    value = getattr(row, name)
    if row.confidential and name in ("name", "number"):
        return "保密"
    if name in _MOMENTS:
        # A deadline is the 24:00 of a day.
        return minute(value - 1 if value and name == "due_at" else value)
    if name == "status":
        return Status(value).chinese
    if name == "kind":
        return Kind(value).chinese
    return guarded(value) if isinstance(value, str) else "" if value is None else value


def _csv(rows: list[list[object]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS.values())
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def _xlsx(rows: list[list[object]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("工单")
    sheet.append(list(COLUMNS.values()))
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
