"""What is exported is imported again without a difference, and no spreadsheet runs it."""

import csv
import io
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from kb.entry import Entry, Safety, Status
from kb.exporter import MISSING, Encoding, Format, write_entries
from kb.importer import read_entries
from kb.spreadsheet import guarded, unguarded
from tests.kb.conftest import make_entry

SHOWN = st.characters(codec="gbk", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"))
WORDS = st.text(SHOWN, min_size=1, max_size=12).map(str.strip).filter(bool)
IN_A_LIST = WORDS.filter(lambda text: "|" not in text and "｜" not in text)
QUESTIONS = WORDS.filter(lambda text: any(c.isalnum() for c in text))
LISTS = st.lists(IN_A_LIST, max_size=3, unique=True).map(tuple)


@st.composite
def stored_entries(draw: st.DrawFn) -> list[Entry]:
    names = draw(st.lists(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,8}", fullmatch=True), unique=True))
    first, last = sorted(draw(st.tuples(st.dates(date(2000, 1, 1)), st.dates(date(2000, 1, 1)))))
    return [
        make_entry(
            name,
            draw(QUESTIONS),
            category=draw(WORDS),
            department=draw(WORDS),
            region=draw(st.sampled_from(["", "460100"])),
            variants=draw(LISTS),
            answer=draw(st.sampled_from(["请带身份证办理。", "-先挂失，再补办。", "=一加一"])),
            keywords=draw(LISTS),
            source=draw(st.one_of(st.just(""), WORDS, st.just("第一行\n第二行"))),
            channel=draw(st.sampled_from(["", "+窗口", "@网上", "'=已加撇号", '"引号",逗号'])),
            valid_from=first,
            valid_to=last,
            status=draw(st.sampled_from(Status)),
            lines=draw(st.sampled_from([(), ("12345",), ("12345", "+8689812345")])),
            audience=draw(st.sampled_from(["", "企业"])),
            safety=draw(st.sampled_from(Safety)),
        )
        for name in names
    ]


@given(
    stored_entries(),
    st.sampled_from(
        [
            ("csv", "utf-8"),
            ("csv", "gbk"),
            ("csv", "gb18030"),
            ("xlsx", "utf-8"),
            ("jsonl", "utf-8"),
        ]
    ),
)
@settings(deadline=None, max_examples=60)
def test_an_export_is_read_back_without_a_difference(
    entries: list[Entry], how: tuple[Format, Encoding]
) -> None:
    data, replaced = write_entries(entries, *how)
    imported = read_entries(data)
    assert not replaced
    assert not [error for error in imported.errors if "empty" not in error.reason]
    assert list(imported.entries) == entries


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_no_cell_begins_as_a_formula_does(start: str, form: Format) -> None:
    entry = make_entry("a-1", f"{start}cmd|' /C calc'!A0", source=f"{start}1")
    data, _ = write_entries([entry], form)
    if form == "csv":
        cells = [c for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) for c in row]
    else:
        sheet = load_workbook(io.BytesIO(data)).worksheets[0]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {
            "s",
            "inlineStr",
            "n",
        }
        cells = [str(cell.value or "") for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.startswith(start)]


@given(st.text(max_size=8))
def test_the_guard_takes_off_what_it_put_on(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell


def test_what_gbk_lacks_is_named_and_the_rest_is_written() -> None:
    entry = make_entry("a-1", "去哪里办𠮷祥卡", answer="请到窗口办理。")
    data, replaced = write_entries([entry], "csv", "gbk")
    assert [str(each) for each in replaced] == ["a-1, 问题: '𠮷' (U+20BB7)"]
    (read,) = read_entries(data).entries
    assert read == replace(entry, question=f"去哪里办{MISSING}祥卡")


def test_a_separator_within_a_list_is_told() -> None:
    entry = make_entry("a-1", "怎么办证", variants=("甲|乙", "丙"))
    for form in ("csv", "xlsx", "jsonl"):
        data, replaced = write_entries([entry], form)
        assert [(each.entry, each.column) for each in replaced] == [("a-1", "variants")]
        assert read_entries(data).entries[0].variants == ("甲／乙", "丙")


def test_an_empty_knowledge_base_is_a_file_with_a_head() -> None:
    data, _ = write_entries([], "csv")
    assert data.decode("utf-8-sig").startswith("编号,分类,部门")
