import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

import kb
from kb.entry import Status
from kb.errors import FileNotReadable
from kb.importer import read_entries, read_phrasings

HEAD = [
    "id", "category", "department", "region", "question", "variants", "answer", "keywords",
    "source", "channel", "valid_from", "valid_to", "status",
]  # fmt: skip
GOOD = dict(
    zip(
        HEAD,
        [
            "x-1", "甲/乙", "某局", "460100", "怎么办证", "办证流程|去哪办证",
            "请带身份证到窗口办理。", "办证", "口径", "窗口",
            "2026-01-01", "2027-12-31", "approved",
        ],
        strict=True,
    )
)  # fmt: skip


def table(*rows: dict[str, str], head: list[str] = HEAD) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        writer.writerow([row.get(name, "") for name in HEAD])
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_every_encoding_a_spreadsheet_writes_is_read(encoding: str) -> None:
    imported = read_entries(table(GOOD).encode(encoding))
    assert not imported.errors
    entry = imported.entries[0]
    assert (entry.id, entry.question, entry.region) == ("x-1", "怎么办证", "460100")
    assert entry.variants == ("办证流程", "去哪办证")
    assert entry.valid_to == date(2027, 12, 31)
    assert entry.status is Status.APPROVED


def test_an_entry_for_the_whole_province_has_no_region() -> None:
    imported = read_entries(table(GOOD | {"region": "460000"}).encode())
    assert imported.entries[0].region == ""


def test_columns_are_found_by_chinese_headings_in_any_order() -> None:
    text = (
        "状态,编号,问题,答案,分类,部门,有效期起,有效期止,备注\n"
        "已发布,x-1,怎么办证,带身份证办理。,甲,某局,2026/1/5,2026年12月31日,无\n"
    )
    imported = read_entries(text.encode())
    assert not imported.errors
    assert imported.entries[0].valid_from == date(2026, 1, 5)
    assert imported.entries[0].variants == ()
    assert [w.column for w in imported.warnings] == ["备注"]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "", "empty"),
        ("id", "有空 格", "no id"),
        ("question", "", "empty"),
        ("question", "？？", "no words"),
        ("question", "问" * 101, "101 characters"),
        ("answer", "", "empty"),
        ("answer", "答" * 201, "201 characters"),
        ("answer", "请登录website办理。", "website"),
        ("answer", "好的👍", "👍"),
        ("answer", "。。。", "holds no words"),
        ("region", "4601", "six digits"),
        ("region", "海口", "six digits"),
        ("valid_from", "明天", "no date"),
        ("valid_from", "2026-02-30", "no date"),
        ("valid_from", "0001-01-01", "before 1900"),
        ("valid_to", "2025-01-01", "before valid_from"),
        ("status", "published?", "none of"),
        ("status", "", "none of"),
        ("department", "", "empty"),
    ],
)
def test_a_bad_cell_is_named_and_good_rows_go_through(column: str, value: str, reason: str) -> None:
    bad = GOOD | {"id": "x-2"} | {column: value}
    after = GOOD | {"id": "x-3", "question": "另一个问题"}
    imported = read_entries(table(GOOD, bad, after).encode())
    assert [e.id for e in imported.entries] == ["x-1", "x-3"]
    (error,) = imported.errors
    assert (error.line, error.column) == (3, column)
    assert reason in error.reason


def test_the_line_of_a_row_is_right_after_a_cell_with_line_breaks() -> None:
    broken = GOOD | {"id": "x-2", "source": "第一行\n第二行"}
    bad = GOOD | {"id": "x-3", "region": "1"}
    imported = read_entries(table(broken, bad).encode())
    assert [e.line for e in imported.errors] == [4]


@pytest.mark.parametrize("later", ["", '"引号，里"'])
def test_an_open_quotation_mark_costs_its_row_and_no_other(later: str) -> None:
    rows = table(*(GOOD | {"id": f"x-{n}", "question": f"问题{n}"} for n in range(1, 6)))
    lines = rows.splitlines(keepends=True)
    lines[2] = lines[2].replace("口径", '"口径')
    if later:
        lines[4] = lines[4].replace("口径", later)
    imported = read_entries("".join(lines).encode())
    assert [e.id for e in imported.entries] == ["x-1", "x-3", "x-4", "x-5"]
    (error,) = imported.errors
    assert error.line == 3
    assert "lines 3 to" in error.reason


def test_a_quotation_mark_within_a_cell_does_no_harm() -> None:
    imported = read_entries((table(GOOD).replace("口径", '口"径"')).encode())
    assert imported.entries[0].source == '口"径"'


def test_a_second_row_of_one_id_is_refused_and_says_where_the_first_is() -> None:
    imported = read_entries(table(GOOD, GOOD | {"question": "别的"}).encode())
    assert len(imported.entries) == 1
    assert "already on line 2" in imported.errors[0].reason


def test_the_same_question_for_the_same_region_is_a_warning() -> None:
    imported = read_entries(table(GOOD, GOOD | {"id": "x-2"}).encode())
    assert len(imported.entries) == 2
    assert "x-1" in imported.warnings[0].reason


def test_app_is_tolerated_with_a_warning() -> None:
    imported = read_entries(table(GOOD | {"answer": "请打开海易办APP办理。"}).encode())
    assert len(imported.entries) == 1
    assert "APP" in imported.warnings[0].reason


def test_a_row_with_missing_cells_is_refused_alone() -> None:
    imported = read_entries((table(GOOD) + "x-2,甲\n").encode())
    assert len(imported.entries) == 1
    assert "2 cells" in imported.errors[0].reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x81", "encoding"),
        (b"a,b\n1,2\n", "lacks the column"),
        (("id,编号" + ",x" * 3 + "\n").encode(), "means the same"),
    ],
)
def test_a_file_that_is_no_table_of_entries_is_explained(data: bytes, reason: str) -> None:
    imported = read_entries(data)
    assert imported.entries == ()
    assert reason in imported.errors[0].reason


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_importer(data: bytes) -> None:
    read_entries(data)
    read_phrasings(data)
    read_entries(table(GOOD).encode() + data)


@given(
    st.lists(
        st.fixed_dictionaries({name: st.text(max_size=30) for name in HEAD}), min_size=1, max_size=4
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)
@settings(deadline=None)
def test_no_cells_crash_it_and_the_good_row_survives(
    rows: list[dict[str, str]], encoding: str
) -> None:
    rows = [{k: v.replace("\r", "").replace("\n", "") for k, v in row.items()} for row in rows]
    data = table(GOOD, *rows).encode(encoding, "ignore")
    imported = read_entries(data)
    assert imported.entries[0].id == "x-1"
    assert len(imported.entries) + len(imported.errors) <= 1 + len(rows)


def test_phrasings_are_grouped_by_entry_without_repeats() -> None:
    found = read_phrasings("id,phrasing\nx-1,问法一\nx-1,问法二\nx-1,问法一\nx-2,\n".encode())
    assert found.phrasings == {"x-1": ("问法一", "问法二")}
    assert [e.line for e in found.errors] == [5]
    assert [w.line for w in found.warnings] == [4]


def test_the_files_in_the_repository_are_free_of_errors() -> None:
    data = Path(kb.__file__).parent / "data"
    imported = read_entries((data / "faq.csv").read_bytes())
    assert len(imported.entries) == 220
    assert not imported.errors
    phrasings = read_phrasings((data / "phrasings.csv").read_bytes())
    assert not phrasings.errors
    assert set(phrasings.phrasings) == {e.id for e in imported.entries}


def workbook(*rows: Sequence[object]) -> bytes:
    book = Workbook()
    sheet = book.create_sheet("知识")  # after an empty one
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_read_from_its_first_sheet_that_holds_anything() -> None:
    cells: list[object] = [GOOD[name] for name in HEAD]
    cells[HEAD.index("valid_from")] = date(2026, 1, 1)
    cells[HEAD.index("region")] = 460100
    imported = read_entries(workbook(HEAD, cells, [], ["x-2", *cells[1:]]))
    assert not imported.errors
    assert [e.id for e in imported.entries] == ["x-1", "x-2"]
    assert imported.entries[0].valid_from == date(2026, 1, 1)
    assert imported.entries[0].region == "460100"


def test_a_fault_in_a_workbook_is_named_by_its_row() -> None:
    cells = [GOOD[name] for name in HEAD]
    imported = read_entries(workbook(HEAD, cells, [], ["", *cells[1:]], [*cells, "更多"]))
    assert [e.id for e in imported.entries] == ["x-1"]
    assert [(e.line, e.column) for e in imported.errors] == [(4, "id"), (5, "")]


def test_a_damaged_workbook_is_explained() -> None:
    whole = workbook(HEAD)
    for data in (whole[: len(whole) // 2], b"PK\x03\x04"):
        imported = read_entries(data)
        assert imported.entries == ()
        assert imported.errors


def test_json_lines_are_read_with_texts_and_lists() -> None:
    lines = [
        json.dumps(GOOD | {"variants": ["办证流程", "去哪办证"], "备注": "无"}, ensure_ascii=False),
        "{",
        "[1]",
        "",
        json.dumps(GOOD | {"id": "x-2", "answer": {"text": "好"}}, ensure_ascii=False),
        json.dumps({key: GOOD[key] for key in HEAD if key != "answer"} | {"id": "x-3"}),
    ]
    imported = read_entries("\n".join(lines).encode())
    assert [e.variants for e in imported.entries] == [("办证流程", "去哪办证")]
    assert [(e.line, e.column) for e in imported.errors] == [
        (2, ""),
        (3, ""),
        (5, "answer"),
        (6, "answer"),
    ]
    assert [w.column for w in imported.warnings] == ["备注"]


def test_the_users_own_headings_are_mapped_and_win_over_others() -> None:
    text = table(GOOD).replace("question", "我们的问法").replace("answer", "答案")
    text = text.replace("channel", "问题")  # would be the question, were it not mapped
    imported = read_entries(text.encode(), {"我们的问法": "question"})
    assert [e.question for e in imported.entries] == ["怎么办证"]
    with pytest.raises(FileNotReadable, match="no field nonsense"):
        read_entries(b"", {"x": "nonsense"})


def test_lines_audience_and_safety_are_read_and_checked() -> None:
    head = [*HEAD, "专线号码", "面向对象", "涉险处理"]
    cells = [GOOD[name] for name in HEAD]
    imported = read_entries(
        workbook(
            head, [*cells, "12345|12333", "企业", "转110"], ["x-2", *cells[1:], "热线", "", ""]
        )
    )
    (entry,) = imported.entries
    assert (entry.lines, entry.audience, entry.safety.value) == (
        ("12345", "12333"),
        "企业",
        "handoff",
    )
    assert [(e.line, e.column) for e in imported.errors] == [(3, "专线号码")]


@given(st.binary(max_size=300), st.integers(0, 300))
@settings(deadline=None, max_examples=40)
def test_no_damage_to_a_workbook_or_to_json_crashes_the_importer(noise: bytes, at: int) -> None:
    for whole in (workbook(HEAD, [GOOD[name] for name in HEAD]), json.dumps(GOOD).encode()):
        read_entries(whole[:at] + noise + whole[at + len(noise) :])
