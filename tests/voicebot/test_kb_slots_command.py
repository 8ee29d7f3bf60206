"""`voicebot kb slots`: values of slots from files, listed, and into files."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.voicebot.kb_commands import CorpusLetters, commands
from voicebot.commands.knowledge import app

HEAD = "名称,地区,内容,来源,生效日期,失效日期\n"
GOOD = (
    "公积金电话,,12329,官网,2026-01-01,2099-12-31\n"
    "公积金电话,460100,66666666,,2026-01-01,2099-12-31\n"
)
BAD = "电话,海口,1,,2026-01-01,2099-12-31\n"
ENTRIES = (
    "id,category,department,question,answer,valid_from,valid_to,status\n"
    "a-1,公积金,住建厅,公积金电话是多少,请打{公积金电话}。,2026-01-01,2099-12-31,approved\n"
    "b-1,公积金,住建厅,公积金窗口在哪,请到{公积金窗口}。,2026-01-01,2099-12-31,approved\n"
)


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return commands(tmp_path, monkeypatch, CorpusLetters)


def listed(kb: Any, *arguments: str) -> list[tuple[str, str]]:
    rows = kb("slots", "list", "--json", *arguments).stdout.splitlines()
    return [(row["region"], row["value"]) for row in map(json.loads, rows)]


def bring(kb: Any, text: str, *arguments: str, code: int = 0) -> Result:
    Path("slots.csv").write_text(HEAD + text, "utf-8")
    result: Result = kb(
        "slots", "import", "slots.csv", "--as", "甲", "--reviewed-by", "乙", *arguments, code=code
    )
    return result


def test_values_are_taken_listed_and_written_to_a_file_that_changes_nothing(kb: Any) -> None:
    assert "2 changed" in bring(kb, GOOD).stdout
    assert listed(kb) == [("", "12329"), ("460100", "66666666")]
    assert listed(kb, "别的") == []
    kb("slots", "export", "written.csv")
    again = kb("slots", "import", "written.csv", "--as", "甲", "--reviewed-by", "乙")
    assert "0 changed" in again.stdout


def test_a_faulty_row_is_named_and_good_ones_are_taken(kb: Any) -> None:
    told = bring(kb, GOOD + BAD, code=1)
    assert "line 4, column 地区" in told.output
    assert len(listed(kb)) == 2


def test_check_alone_changes_nothing(kb: Any) -> None:
    bring(kb, GOOD)
    before = listed(kb)
    bring(kb, GOOD.replace("12329", "12345"), "--check")
    assert listed(kb) == before


def test_nobody_reviews_his_own_values(kb: Any) -> None:
    Path("slots.csv").write_text(HEAD + GOOD, "utf-8")
    refused = CliRunner().invoke(
        app, ["slots", "import", "slots.csv", "--as", "甲", "--reviewed-by", "甲"]
    )
    assert refused.exit_code != 0
    assert "somebody else" in str(refused.exception)


def test_the_check_of_the_knowledge_base_names_slots_without_values(kb: Any) -> None:
    Path("faq.csv").write_text(ENTRIES, "utf-8")
    kb("import", "faq.csv")
    bring(kb, GOOD + "没人用的,,一,,2026-01-01,2099-12-31\n")
    only = ("--only", "unfilled_slot", "--only", "unused_value")
    found = [json.loads(row) for row in kb("check", *only, "--json", code=1).stdout.splitlines()]
    assert [(f["code"], f["entry"]) for f in found] == [
        ("unfilled_slot", "b-1"),
        ("unused_value", ""),
    ]


def test_an_answer_that_nobody_can_hear_is_not_listened_to(kb: Any) -> None:
    Path("faq.csv").write_text(ENTRIES, "utf-8")
    kb("import", "faq.csv")
    refused = kb("listen", "b-1", code=1)
    assert "b-1 v1 is read to nobody" in str(refused.exception)
