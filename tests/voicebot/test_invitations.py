"""Answers that ask the caller for details: known when the knowledge base is loaded."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import kb
from voicebot.knowledge import Knowledge

FAQ = Path(kb.__path__[0]) / "data" / "faq.csv"


def knowledge(**answers: str) -> Knowledge:
    entries = {name: SimpleNamespace(answer=answer) for name, answer in answers.items()}
    return Knowledge(cast(Any, None), cast(Any, entries), 1)


@pytest.mark.parametrize(
    "answer",
    [
        "不解决的告诉我小区名称和地址，我登记转住建部门核查。",
        "请现在说一下小区或者路名。",
        "请说出工单编号，我帮您补充内容。",
        "您也可以现在说给我，我登记后转部门核查。",
    ],
)
def test_an_answer_that_asks_for_details_invites_them(answer: str) -> None:
    assert knowledge(a=answer).inviting(["a"]) == ("a",)


@pytest.mark.parametrize(
    "answer", ["请带身份证到窗口办理。", "在海易办办参保登记，再到银行缴费。", "请打12333核对。"]
)
def test_an_answer_that_sends_the_caller_elsewhere_invites_nothing(answer: str) -> None:
    assert knowledge(a=answer).inviting(["a", "unknown"]) == ()


def test_the_demonstration_entries_that_invite_are_found() -> None:
    rows = list(csv.DictReader(FAQ.open(encoding="utf-8")))
    loaded = knowledge(**{row["id"]: row["answer"] for row in rows})
    inviting = set(loaded.inviting(row["id"] for row in rows))
    asking = {row["id"] for row in rows if "告诉我" in row["answer"]}
    assert len(asking) >= 30
    assert asking <= inviting
    assert len(inviting) < len(rows) / 2
