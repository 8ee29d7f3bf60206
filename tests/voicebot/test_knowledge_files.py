"""`voicebot kb import` and `export`, in this process; and a kill in the middle of an import."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from kb import ledger, store
from tests.voicebot.kb_commands import commands
from tests.voicebot.test_entry_migration import first_release
from voicebot.errors import VoicebotError

HEAD = "编号,分类,部门,问题,答案,生效日期,失效日期,状态\n"
ROW = "{id},社保/社保卡,省人社厅,{question},{answer},2026-01-01,2099-12-31,已审\n"
ROOT = Path(__file__).resolve().parents[2]


def row(name: str, question: str = "社保卡丢了怎么办", answer: str = "先打电话挂失。") -> str:
    return ROW.format(id=name, question=question, answer=answer)


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return commands(tmp_path, monkeypatch)


def test_a_dry_run_shows_the_changes_and_makes_none(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1"), "gbk")
    kb("import", "faq.csv", "--dry-run")
    assert not (tmp_path / "state").exists()
    kb("import", "faq.csv", "--who", "王编写", "--reviewed-by", "李主任")
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1", answer="请先挂失。") + row("a-2"), "utf-8")
    shown = kb("import", "faq.csv", "--dry-run").stdout
    assert "~ a-1" in shown
    assert "- 先打电话挂失。" in shown
    assert "+ 请先挂失。" in shown
    assert "1 entries added, 1 changed, 0 as before" in shown
    told = json.loads(kb("import", "faq.csv", "--dry-run", "--json").stdout)
    assert [d["change"] for d in told["differences"]] == ["changed", "added"]
    assert json.loads(kb("import", "faq.csv", "--json").stdout)["changed"] == ["a-1"]


def test_a_dry_run_counts_further_ways_to_ask_and_gaps_too(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1"), "utf-8")
    (tmp_path / "more.csv").write_text("编号,问法\na-1,卡没了\na-1,卡丢啦\n,空的\n", "utf-8")
    (tmp_path / "gaps.csv").write_text("路灯坏了谁来修\n井盖丢了找谁\n", "utf-8")
    files = ("import", "faq.csv", "--phrasings", "more.csv", "--gaps", "gaps.csv")
    shown = kb(*files, "--dry-run", code=1)
    assert "2 phrasings added, 2 gaps added, 1 rows left out" in shown.stdout
    assert "left out: more.csv, line 4" in shown.stderr
    assert not (tmp_path / "state").exists()
    told = json.loads(kb(*files, "--json", code=1).stdout)
    assert (told["phrasings_added"], told["gaps_added"]) == (2, 2)
    (tmp_path / "gaps.csv").write_text("路灯坏了谁来修\n公厕在哪\n", "utf-8")
    told = json.loads(kb(*files, "--dry-run", "--json", code=1).stdout)
    assert (told["phrasings_added"], told["gaps_added"]) == (0, 1)


def test_nothing_is_called_done_that_the_database_has_not_kept(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1"), "utf-8")

    def full(session: Session) -> None:
        if not session.in_nested_transaction():
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(Session, "before_commit", full)
    try:
        result = kb("import", "faq.csv", code=1)
    finally:
        event.remove(Session, "before_commit", full)
    assert "disk is full" in str(result.exception)
    assert result.stdout == ""


def test_who_wrote_the_entries_is_named_as_everywhere(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1"), "utf-8")
    kb("import", "faq.csv", "--as", "王编写")
    (version,) = map(json.loads, kb("history", "a-1", "--json").stdout.splitlines())
    assert version["who"] == "王编写"


def test_a_heading_of_ones_own_is_mapped(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD.replace("问题", "我们的问法") + row("a-1"), "utf-8")
    result = kb("import", "faq.csv", "--check", code=1)
    assert "holds no usable entry" in str(result.exception)
    assert "the head lacks the column(s) question" in str(result.exception)
    told = kb("import", "faq.csv", "--map", "我们的问法=question", "--json").stdout
    assert json.loads(told)["added"] == ["a-1"]


def test_nobody_reviews_what_he_brought(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1"), "utf-8")
    result = kb("import", "faq.csv", "--who", "李主任", "--reviewed-by", "李主任", code=1)
    assert "somebody else has to review it" in str(result.exception)


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx", "out.jsonl"])
def test_what_is_exported_is_imported_without_a_difference(
    kb: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1") + row("a-2", "怎么领卡"), "utf-8")
    (tmp_path / "more.csv").write_text("编号,问法\na-1,卡没了\n", "utf-8")
    kb("import", "faq.csv", "--phrasings", "more.csv", "--reviewed-by", "李主任")
    kb("export", name, "--all", "--phrasings", "ways.csv")
    assert (tmp_path / "ways.csv").read_text("utf-8-sig").splitlines()[1:] == ["a-1,卡没了"]
    told = json.loads(kb("import", name, "--dry-run", "--json").stdout)
    assert [d["change"] for d in told["differences"]] == ["unchanged", "unchanged"]
    assert not told["errors"]
    again = json.loads(kb("import", name, "--phrasings", "ways.csv", "--json").stdout)
    assert (again["unchanged"], again["phrasings_added"]) == (["a-1", "a-2"], 0)
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_a_database_of_an_older_release_is_brought_up_to_date(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    first_release(tmp_path / "state" / "voicebot.db")
    kb("export", "out.csv")
    assert "答1" in (tmp_path / "out.csv").read_text("utf-8-sig")


@pytest.mark.parametrize("command", [["gaps"], ["gaps", "list"]])
def test_so_it_is_before_calls_and_gaps_are_read(
    kb: Any, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "state").mkdir()
    first_release(tmp_path / "state" / "voicebot.db")
    kb(*command)
    kb("export", "out.csv")


def test_gbk_is_refused_where_it_would_lose_characters(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1", "去哪办𠮷祥卡"), "utf-8")
    kb("import", "faq.csv")
    result = kb("export", "out.csv", "--all", "--encoding", "gbk", code=1)
    assert "nothing was written" in str(result.exception)
    assert "a-1, 问题" in result.stderr
    assert not (tmp_path / "out.csv").exists()
    kb("export", "out.csv", "--all", "--encoding", "gbk", "--replace")
    assert "去哪办〓祥卡" in (tmp_path / "out.csv").read_text("gbk")
    kb("export", "out.csv", "--all", "--encoding", "gb18030")
    assert "𠮷" in (tmp_path / "out.csv").read_text("gb18030")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["export", "out.txt"], "which format"),
        (["export", "out.csv", "--encoding", "latin1"], "use utf-8, gbk or gb18030"),
        (["export", "out.csv"], "no such entry to write"),
        (["import", "faq.csv", "--map", "问题"], "no mapping such as"),
        (["import", "none.xlsx"], "cannot be read"),
    ],
)
def test_mistakes_are_sentences(
    kb: Any, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + row("a-1"), "utf-8")
    result = kb(*arguments, code=1)
    assert isinstance(result.exception, VoicebotError) or hasattr(result.exception, "code")
    assert sentence in str(result.exception)


KILLED = """
import sys, time
from sqlalchemy import Engine, event

@event.listens_for(Engine, "after_cursor_execute")
def stop(connection, cursor, statement, *_):
    if statement.startswith("INSERT INTO kb_"):
        print("writing", flush=True)
        time.sleep(600)

from voicebot.commands.knowledge import app
app(["import", "new.csv"])
"""


def test_a_kill_in_the_middle_of_an_import_loses_nothing(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text(HEAD + row("a-1"), "utf-8")
    kb("import", "old.csv", "--reviewed-by", "李主任")
    new = [row("a-1", answer="请先挂失。"), *(row(f"b-{n}", f"问题{n}") for n in range(300))]
    (tmp_path / "new.csv").write_text(HEAD + "".join(new), "utf-8")
    before = state(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert state(tmp_path) == before
    assert json.loads(kb("import", "new.csv", "--json").stdout)["changed"] == ["a-1"]
    assert len(state(tmp_path)[1]) == 301


def state(folder: Path) -> tuple[int, dict[str, Any]]:
    engine = create_engine(f"sqlite:///{next((folder / 'state').glob('*.db'))}")
    try:
        with Session(engine) as session:
            return store.revision(session), ledger.newest(session)
    finally:
        engine.dispose()
