"""The monthly report as a workbook (XLSX): the figures to go on counting with, and charts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from kb.spreadsheet import guarded
from voicebot.asked import Outcome
from voicebot.monthly import OUTCOME_NAMES, Monthly

_WIDEST = 60
_SHARE = "0.0%"


def workbook(report: Monthly) -> bytes:
    """An XLSX of five sheets: 概况, 每日, 高频问题, 部门, 未答好的问题."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    _overview(add_sheet(book, "概况", ("项目", "本月", "占比", "上月"), _totals(report)))
    outcomes = list(OUTCOME_NAMES)
    days = add_sheet(
        book,
        "每日",
        ("日期", *OUTCOME_NAMES.values()),
        ((day, *(counts.get(o, 0) for o in outcomes)) for day, counts in report.by_day),
    )
    add_chart(days, "每日问题数", stacked=True, columns=len(outcomes))
    frequent = add_sheet(
        book,
        "高频问题",
        ("问题", "次数", "上月", "来电人不满意", "部门", "条目"),
        (
            (f.question, f.count, f.before, f.objected, f.department, f.entry)
            for f in report.frequent
        ),
    )
    add_chart(frequent, "高频问题", stacked=False, columns=1, bars=True)
    departments = add_sheet(
        book,
        "部门",
        ("部门", *OUTCOME_NAMES.values(), "问题数", "已发布条目"),
        (
            (d.name, *(d.outcomes.get(o, 0) for o in outcomes), d.asked, d.published)
            for d in report.departments
        ),
    )
    add_chart(departments, "各部门问题数", stacked=True, columns=len(outcomes), bars=True)
    add_sheet(
        book,
        "未答好的问题",
        ("问题", "次数", "情况", "地区", "建议部门", "首次", "末次", "其他问法"),
        (
            (
                line.question,
                line.count,
                _counts({OUTCOME_NAMES[Outcome(k)]: n for k, n in line.outcomes.items()}),
                _counts(line.regions),
                department,
                line.first,
                line.last,
                "；".join(line.examples[1:]),
            )
            for line, department in report.gaps
        ),
    )
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _totals(report: Monthly) -> Iterable[Sequence[object]]:
    yield "月份", str(report.month), "", str(report.month.previous)
    yield "有提问的通话", report.calls, "", ""
    yield "问题", report.total, "", sum(report.before.values())
    for outcome, name in OUTCOME_NAMES.items():
        count = report.outcomes.get(outcome, 0)
        yield name, count, report.share(outcome), report.before.get(outcome, 0)


def _overview(sheet: Any) -> None:
    for row in sheet.iter_rows(min_row=2, min_col=3, max_col=3):
        row[0].number_format = _SHARE


def add_sheet(book: Any, title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Any:
    """A sheet of that head and those rows; what a spreadsheet would run is made text."""
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.append(list(head))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    widths = [_width(heading) for heading in head]
    for row in rows:
        cells = [guarded(value) if isinstance(value, str) else value for value in row]
        sheet.append(cells)
        widths = [max(w, _width(value)) for w, value in zip(widths, cells, strict=True)]
    for place, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(place)].width = min(_WIDEST, width + 2)
    return sheet


def add_chart(sheet: Any, title: str, *, stacked: bool, columns: int, bars: bool = False) -> None:
    """A chart of the first columns after the names, beside the table."""
    from openpyxl.chart import BarChart, Reference
    from openpyxl.utils import get_column_letter

    if sheet.max_row < 2:
        return
    chart = BarChart()
    chart.title, chart.type = title, "bar" if bars else "col"
    chart.grouping, chart.overlap = ("stacked", 100) if stacked else ("clustered", 0)
    chart.x_axis.delete = chart.y_axis.delete = False
    if bars:
        chart.x_axis.scaling.orientation = "maxMin"
    last = min(sheet.max_row, 32)
    chart.add_data(
        Reference(sheet, min_col=2, max_col=1 + columns, min_row=1, max_row=last),
        titles_from_data=True,
    )
    chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=last))
    chart.width, chart.height = 24, max(9, 0.6 * last) if bars else 11
    sheet.add_chart(chart, f"{get_column_letter(sheet.max_column + 2)}2")


def _width(value: object) -> int:
    """Columns of a spreadsheet; hanzi take two."""
    return sum(1 if character.isascii() else 2 for character in str(value))


def _counts(counts: dict[str, int]) -> str:
    return "、".join(f"{name} {count}" for name, count in counts.items())
