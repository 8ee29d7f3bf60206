"""`voicebot kb gaps`: what callers asked in vain, by meaning, and the list of known gaps."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from flows.actions import Decide
from tests.voicebot.call_logs import answered, heard, record_in, searched, unanswered
from tests.voicebot.kb_commands import CorpusLetters, commands
from voicebot.clock import BEIJING

NOVEMBER = datetime(2026, 11, 20, 9, tzinfo=BEIJING).timestamp()
HEAD = "id,category,department,question,answer,valid_from,valid_to,status\n"
ENTRY = "a-1,社保,省人社厅,社保卡丢了怎么办,先打电话挂失。,2026-01-01,2099-12-31,approved\n"


class DiscreetLetters(CorpusLetters):
    """Never asked to keep on disk what callers said."""

    def embed_corpus(self, texts: Any, **_: Any) -> Any:
        assert "路灯坏了谁来修" not in texts
        return super().embed_corpus(texts)


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    run = commands(tmp_path, monkeypatch, DiscreetLetters)
    (tmp_path / "faq.csv").write_text(HEAD + ENTRY, "utf-8")
    run("import", "faq.csv")
    return run


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_questions_in_vain_are_counted_by_meaning_with_regions_and_examples(
    kb: Any, tmp_path: Path
) -> None:
    record_in(
        tmp_path / "state",
        ("c-1", NOVEMBER, unanswered(1, "路灯坏了谁来修", "a-1"), "460106"),
        ("c-2", NOVEMBER + 90_000, unanswered(1, "路灯坏了找谁修"), None),
        ("c-3", NOVEMBER, [*answered(1, "公积金余额", "a-1"), heard(2, "不是这个")], "460200"),
        ("c-4", NOVEMBER, answered(1, "社保卡丢了怎么办", "a-1"), None),
        ("c-5", NOVEMBER - 90 * 86_400, unanswered(1, "三个月前的问题"), None),
    )
    first, second = lines(kb("gaps", "--since", "2026-11-01", "--json"))
    assert first == {
        "question": "路灯坏了找谁修",
        "count": 2,
        "outcomes": {"abstained": 2},
        "regions": {"未说明": 1, "海口": 1},
        "entries": {"a-1": 1},
        "first": "2026-11-20",
        "last": "2026-11-21",
        "examples": ["路灯坏了找谁修", "路灯坏了谁来修"],
    }
    assert (second["question"], second["outcomes"]) == ("公积金余额", {"rejected": 1})
    shown = kb("gaps", "--since", "2026-11-01").stdout
    assert "未答 2" in shown
    assert "答错 1；三亚 1" in shown


def test_personal_numbers_are_masked(kb: Any, tmp_path: Path) -> None:
    said = "我的电话13876543210怎么查积分"
    record_in(tmp_path / "state", ("c-1", NOVEMBER, unanswered(1, said), None))
    told = kb("gaps", "--since", "2026-11-01", "--json").stdout
    assert "13876543210" not in told
    assert "3210" in told


def test_a_clarifying_question_that_was_needed_is_a_gap_too(kb: Any, tmp_path: Path) -> None:
    log = [searched(1, "车管所", "clarify", "a-1", "a-2"), Decide("clarify", "分不清")]
    record_in(tmp_path / "state", ("c-1", NOVEMBER, log, None))
    (line,) = lines(kb("gaps", "--since", "2026-11-01", "--json"))
    assert line["outcomes"] == {"clarified": 1}


def test_without_calls_there_is_nothing_to_tell(kb: Any) -> None:
    assert kb("gaps", "--json").stdout == ""


def test_the_list_of_known_gaps_is_added_to_and_closed(kb: Any) -> None:
    assert "2 questions added" in kb("gaps", "add", "路灯坏了谁来修", "井盖丢了找谁").stdout
    assert "0 questions added, 1 were there" in kb("gaps", "add", "井盖丢了找谁").stdout
    assert json.loads(kb("gaps", "list", "--json").stdout) == ["井盖丢了找谁", "路灯坏了谁来修"]
    kb("gaps", "close", "井盖丢了找谁")
    assert kb("gaps", "list").stdout == "路灯坏了谁来修\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gaps", "--since", "昨天"], "give a day such as"),
        (["gaps", "close", "没有的"], "not on the list"),
        (["gaps", "add", "？？"], "is no question"),
    ],
)
def test_mistakes_are_sentences(kb: Any, arguments: list[str], sentence: str) -> None:
    assert sentence in str(kb(*arguments, code=1).exception)
