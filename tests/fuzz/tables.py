"""Files that people import: CSV in UTF-8, GBK and UTF-16, workbooks, JSON Lines."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from kb.csv_file import decode
from kb.importer import read_entries, read_phrasings
from kb.slot_file import read_slots, write_slots
from kb.workbook import write_sheet
from tests.fuzz.mutation import edited, mutated
from tests.fuzz.target import Target
from voicebot.duty.number_file import read_numbers
from voicebot.duty.shift_file import read_shifts

Table = Sequence[Sequence[str]]

ENTRIES: Table = (
    ("编号", "分类", "部门", "问题", "答案", "生效日期", "失效日期", "状态", "地区"),
    ("e1", "社保", "人社局", "社保卡怎么补办？", "请带身份证到经办机构补办。", "2026-01-01",
     "2027-12-31", "已发布", "460100"),
    ("e2", "水务", "水务局", "停水了找谁？", "请拨打{供水电话}。", "2026/1/1", "20271231",
     "draft", ""),
)  # fmt: skip
PHRASINGS: Table = (("id", "phrasing"), ("e1", "社保卡丢了"), ("e1", "补社保卡"))
SLOTS: Table = (
    ("name", "region", "value", "source", "valid_from", "valid_to"),
    ("供水电话", "460100", "0898-66269120", "市政府", "2026-01-01", "2027-01-01"),
)
NUMBERS: Table = (
    ("号码", "名称", "线路", "地区", "值班日", "开始", "结束", "话务地址", "通知地址"),
    ("110-460100", "海口110", "110", "海口市", "每天", "00:00", "24:00", "trunk:police/110", ""),
)
SHIFTS: Table = (
    ("线路", "地区", "值班人", "顺序", "手机", "邮箱", "值班日", "开始", "结束"),
    ("119", "海口市龙华区", "张三", "1", "13800000000", "a@b.cn", "工作日", "08:00", "18:00"),
    ("119", "全省", "李四", "带班领导", "", "c@d.cn", "2026-10-01", "", ""),
)
_CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "", "'=1+1", "=cmd|' /C calc'!A0", '"', '"""', "a\nb", "a\r\nb", "\x00", "\ud7ff",
            "9999-12-31", "0001-01-01", "99999-1-1", "2026-02-30", "２０２６年１月１日", "24:00",
            "25:61", "a" * 40_000, "{", "{}", "{a}{b}", "|", "全省", "海口", "周八", "-1", "1e9",
            "²", "٣", "sip:x", "trunk:", "https://[", "wss://x:99999/", "删除", "已发布",
        ]
    ),
)  # fmt: skip


def _spoilt(table: Table) -> SearchStrategy[Table]:
    """The table with cells put into the place of others."""

    def put(changes: Sequence[tuple[int, int, str]]) -> Table:
        rows = [list(row) for row in table]
        for row, column, cell in changes:
            at = rows[row % len(rows)]
            at[column % len(at)] = cell
        return rows

    changes = st.tuples(st.integers(0, 9), st.integers(0, 20), _CELLS)
    return st.builds(put, st.lists(changes, max_size=6))


def as_csv(table: Table, delimiter: str = ",") -> str:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if set(cell) & set('",\r\n\t;') else cell

    return "\r\n".join(delimiter.join(map(quoted, row)) for row in table)


def _csv(table: Table, how: tuple[str, str]) -> bytes:
    encoding, delimiter = how
    return as_csv(table, delimiter).encode(encoding, "replace")


def _workbook(table: Table) -> bytes:
    clean = [["".join(c for c in cell if c >= " ")[:30_000] for cell in row] for row in table]
    return write_sheet("表", clean[0], clean[1:])


def _json_lines(table: Table) -> bytes:
    head, *rows = table
    objects: list[dict[str, Any]] = [dict(zip(head, row, strict=True)) for row in rows]
    return "\n".join(map(json.dumps, objects)).encode()


def _damaged(data: bytes, name: int, edits: Any) -> bytes:
    """The workbook with one of its parts edited, and packed again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as parts, zipfile.ZipFile(out, "w") as packed:
        names = parts.namelist()
        for each in names:
            content = parts.read(each)
            if each == names[name % len(names)]:
                content = edited(content, content, edits)
            packed.writestr(each, content)
    return out.getvalue()


_XML = (
    b"<c r=\"A1\" t=\"s\"><v>999999999</v></c>", b"<row r=\"1048577\">", b"<!DOCTYPE x [",
    b"<c r=\"ZZZZ1\"/>", b"&#0;", b"<v>1e999</v>", b"t=\"d\"", b"t=\"e\"",
    b"<dimension ref=\"A1:\"/>",
)  # fmt: skip
_EDITS = st.lists(
    st.tuples(
        st.integers(0, 6), st.integers(0, 65535), st.integers(0, 65535),
        st.binary(max_size=8) | st.sampled_from(_XML),
    ),
    max_size=6,
)  # fmt: skip
_HOW = st.tuples(
    st.sampled_from(("utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "big5")),
    st.sampled_from((",", "\t", ";")),
)


def _files(table: Table) -> SearchStrategy[bytes]:
    spoilt = _spoilt(table)
    book = _workbook(table)
    samples = [_csv(table, (encoding, ",")) for encoding in ("utf-8-sig", "gbk", "utf-16")]
    return st.one_of(
        st.builds(_csv, spoilt, _HOW),
        mutated([*samples, _json_lines(table), book]),
        spoilt.map(_workbook),
        st.builds(_damaged, st.just(book), st.integers(0, 20), _EDITS),
        spoilt.map(_json_lines),
    )


def _reads(read: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        found = read(data)
        for fault in (*found.errors, *found.warnings):
            assert str(fault)
            assert fault.line >= 1

    return run


def _slots(data: bytes) -> None:
    found = read_slots(data)
    assert read_slots(write_slots(found.slots)).slots == found.slots


def _decoded(data: bytes) -> None:
    text = decode(data)
    assert text is None or isinstance(text, str)


TARGETS = (
    Target("import_entries", _files(ENTRIES), _reads(read_entries)),
    Target("import_phrasings", _files(PHRASINGS), _reads(read_phrasings)),
    Target("import_slots", _files(SLOTS), _slots),
    Target("import_duty_numbers", _files(NUMBERS), _reads(read_numbers)),
    Target("import_duty_shifts", _files(SHIFTS), _reads(read_shifts)),
    Target("import_encodings", mutated([as_csv(ENTRIES).encode("gbk")]), _decoded),
)
