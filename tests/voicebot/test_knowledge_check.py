"""`voicebot kb check`: findings as a table or JSON, and an exit status that a script can use."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.voicebot.kb_commands import CorpusLetters, commands

HEAD = "id,category,department,question,variants,answer,source,valid_from,valid_to,status\n"
GOOD = (
    "a-1,社保,省人社厅,社保卡丢了怎么办,社保卡丢了怎么补|社保卡丢了,收二十元。,社会保险法,"
    "2026-01-01,2099-12-31,approved\n"
)
TWIN = GOOD.replace("a-1", "a-2").replace("怎么办", "怎么办呢").replace("二十", "三十")
BARE = "a-3,市政,住建厅,公交几点收班,公交车几点收班,晚上十点。,,2026-01-01,2099-12-31,draft\n"


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return commands(tmp_path, monkeypatch, CorpusLetters)


def stored(kb: Any, folder: Path, *rows: str) -> None:
    (folder / "faq.csv").write_text(HEAD + "".join(rows), "utf-8")
    kb("import", "faq.csv", "--reviewed-by", "李主任")


def codes(result: Result) -> list[tuple[str, str]]:
    return [(f["code"], f["entry"]) for f in map(json.loads, result.stdout.splitlines())]


def test_findings_are_told_the_worst_first_and_fail_the_command(kb: Any, tmp_path: Path) -> None:
    stored(kb, tmp_path, GOOD, TWIN, BARE)
    found = codes(kb("check", "--skip", "retrieves_another", "--json", code=1))
    assert found == [("contradiction", "a-1"), ("missing_source", "a-3"), ("near_duplicate", "a-1")]
    shown = kb("check", "--skip", "retrieves_another", code=1).stdout
    assert "金额不一致：三十 / 二十" in shown or "金额不一致：二十 / 三十" in shown
    assert "检查了 3 条：错误 1，警告 2，提示 0" in shown


def test_entries_that_callers_are_served_well_by_pass(kb: Any, tmp_path: Path) -> None:
    stored(kb, tmp_path, GOOD)
    assert "错误 0，警告 0" in kb("check").stdout


def test_how_bad_is_too_bad_is_the_callers_choice(kb: Any, tmp_path: Path) -> None:
    stored(kb, tmp_path, BARE)
    kb("check", "--only", "missing_source")
    kb("check", "--only", "missing_source", "--fail-on", "warning", code=1)
    kb("check", "--only", "too_long", "--fail-on", "note")


def test_what_waits_for_review_is_checked_beside_what_is_spoken(kb: Any, tmp_path: Path) -> None:
    stored(kb, tmp_path, GOOD)
    stored(kb, tmp_path, TWIN.replace("approved", "draft"))
    found = codes(kb("check", "--only", "contradiction", "--json", code=1))
    assert found == [("contradiction", "a-1")]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "--only", "spelling"], "There is no check spelling"),
        (["check", "--fail-on", "all"], "use error, warning or note"),
        (["check"], "no entry to check"),
    ],
)
def test_mistakes_are_sentences(kb: Any, arguments: list[str], sentence: str) -> None:
    assert sentence in str(kb(*arguments, code=1).exception)
