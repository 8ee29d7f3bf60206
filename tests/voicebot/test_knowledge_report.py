"""`voicebot kb report`: two files or one JSON object from the call records."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.voicebot.call_logs import answered, record_in, unanswered
from tests.voicebot.test_knowledge_gaps import kb as kb
from voicebot.clock import BEIJING

NOVEMBER = datetime(2026, 11, 30, 23, 59, tzinfo=BEIJING).timestamp()


def test_a_month_becomes_a_page_and_a_workbook(kb: Any, tmp_path: Path) -> None:
    record_in(
        tmp_path / "state",
        ("c-1", NOVEMBER, answered(1, "社保卡丢了", "a-1"), "460100"),
        ("c-2", NOVEMBER, unanswered(1, "我是13876543210，路灯坏了", "a-1"), None),
        ("c-3", NOVEMBER + 120, answered(1, "十二月的问题", "a-1"), None),
    )
    kb("report", "--month", "2026-11")
    text = (tmp_path / "kb-report-2026-11.html").read_text("utf-8")
    assert "省人社厅" in text
    assert "13876543210" not in text
    book = load_workbook(tmp_path / "kb-report-2026-11.xlsx")
    assert book["高频问题"]["B2"].value == 1
    told = json.loads(kb("report", "--month", "2026-11", "--json").stdout)
    assert (told["questions"], told["calls"]) == (2, 2)
    assert told["gaps"][0]["department"] == "省人社厅"
    assert told["by_day"]["2026-11-30"] == {"answered": 1, "abstained": 1}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--month", "11月"], "give a month such as"),
        (["--month", "2026-11", "--output", "nowhere"], "is no folder"),
    ],
)
def test_mistakes_are_sentences(kb: Any, arguments: list[str], sentence: str) -> None:
    assert sentence in str(kb("report", *arguments, code=1).exception)
