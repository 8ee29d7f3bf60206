"""`voicebot kb`: an entry from the author's draft to the callers and back, at the command line."""

import json
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kb.errors import Outdated
from voicebot.cli import app

NEW = (
    *("--set", "问题=社保卡丢了怎么办", "--set", "答案=先打电话挂失。"),
    *("--set", "category=社保/社保卡", "--set", "department=省人社厅"),
    *("--set", "variants=社保卡不见了|社会保障卡遗失", "--set", "valid_to=2099-12-31"),
)


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line in this process: its output, or the sentence that it fails with."""
    monkeypatch.setattr("voicebot.logs.configure", lambda *_, **__: None)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))

    def run(*arguments: str, fails: str = "", **environment: str) -> str:
        result = CliRunner().invoke(app, ["kb", *arguments], env=environment)
        refused = "" if isinstance(result.exception, SystemExit) else str(result.exception or "")
        assert fails in refused, refused
        assert result.exit_code == (1 if fails else 0), refused
        return result.stdout

    return run


@pytest.fixture
def publish(kb: Any, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("VOICEBOT_SPEECH__VOICE", "espeak")
    monkeypatch.setenv("VOICEBOT_PATHS__MODELS", str(models_dir))
    monkeypatch.setattr("flows.prompts.load_prompts", dict)  # their audio is not the matter here
    return partial(kb, "publish")


def rows(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def editor(folder: Path, script: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_entry_goes_from_its_author_by_a_second_person_to_the_callers(
    kb: Any, publish: Any
) -> None:
    (added,) = rows(kb("add", "sb-1", *NEW, "--as", "甲", "--json"))
    assert (added["version"], added["status"]) == (1, "draft")
    assert added["variants"] == ["社保卡不见了", "社会保障卡遗失"]
    kb("submit", "sb-1", "--as", "甲")
    assert "社保卡丢了怎么办" in kb("review")
    shown = kb("review", "sb-1")
    assert "先打电话挂失。" in shown
    assert "--version 1 --approve" in shown
    kb("review", "sb-1", "--version", "1", "--approve", "--as", "甲", fails="somebody else")
    publish("sb-1", fails="is in_review")
    kb("review", "sb-1", "--version", "1", "--approve", "--as", "乙", "--why", "已核对")
    assert kb("show") == ""
    assert "1 entries" in publish("sb-1", "--as", "甲")
    assert "社保卡丢了怎么办" in kb("show")

    (version,) = rows(kb("history", "sb-1", "--json"))
    assert [step["status"] for step in version["steps"]] == [
        *("draft", "in_review", "approved", "published"),
    ]
    assert (version["steps"][2]["who"], version["steps"][2]["why"]) == ("乙", "已核对")
    assert version["steps"][2]["login"] not in ("", "乙")
    assert "乙 (" in kb("history", "sb-1")
    (counted,) = rows(kb("stats", "--json"))
    assert counted["spoken now"] == 1
    assert counted["spoken by department"] == {"省人社厅": 1}

    kb("edit", "sb-1", "--set", "answer=到网点补办。", "--submit", "--as", "丙")
    (compared,) = rows(kb("diff", "sb-1", "--json"))
    assert compared["changes"] == {"answer": {"from": "先打电话挂失。", "to": "到网点补办。"}}
    assert "+ 到网点补办。" in kb("diff", "sb-1")
    kb("review", "sb-1", "--version", "2", "--reject", fails="reason")
    kb("review", "sb-1", "--version", "2", "--reject", "--why", "先说挂失")
    assert rows(kb("show", "--json"))[0]["answer"] == "先打电话挂失。"

    kb("withdraw", "sb-1", "--why", "政策变了")
    assert kb("show") == ""
    assert "published" in kb("rollback", "sb-1", "1", "--why", "撤错了")
    assert rows(kb("show", "--json"))[0]["version"] == 3


def test_the_editor_gets_a_form_and_gives_back_an_entry(kb: Any, tmp_path: Path) -> None:
    kb("add", "sb-1", *NEW)
    changing = editor(tmp_path, """sed -i 's/先打电话挂失。/先挂失。/' "$1" """)
    kb("edit", "sb-1", EDITOR=changing)
    assert rows(kb("history", "sb-1", "--json"))[1]["answer"] == "先挂失。"
    kb("edit", "sb-1", EDITOR=editor(tmp_path, "true"), fails="Nothing is changed")


def test_a_form_that_cannot_be_used_is_kept_and_can_be_mended(
    kb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spoiling = editor(
        tmp_path,
        f"""sed 's/"2099-12-31"/"gestern"/' "$1" > "$1.x"
mv "$1.x" "$1"; cp "$1" {tmp_path / "form.toml"}""",
    )
    kb("add", "sb-1", *NEW)
    kb("edit", "sb-1", EDITOR=spoiling, fails="Your form is kept")
    (kept,) = tmp_path.glob("sb-1-*.toml")
    kept.write_text(kept.read_text("utf-8").replace("gestern", "2088-12-31"), "utf-8")
    kb("edit", "sb-1", "--form", str(kept))
    assert rows(kb("history", "sb-1", "--json"))[1]["valid_to"] == "2088-12-31"


def test_what_was_written_in_the_editor_outlives_a_step_that_is_refused(
    kb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kb("add", "sb-1", *NEW, "--as", "甲")
    changing = editor(tmp_path, """sed -i 's/先打电话挂失。/先挂失。/' "$1" """)
    with monkeypatch.context() as meanwhile:

        def outdated(*_: Any, **__: Any) -> None:
            raise Outdated("sb-1 has version 2 by now.")

        meanwhile.setattr("kb.lifecycle.edit", outdated)
        kb("edit", "sb-1", EDITOR=changing, fails="by now. Your form is kept")
    (kept,) = tmp_path.glob("sb-1-*.toml")
    kb("edit", "sb-1", "--form", str(kept))
    assert rows(kb("history", "sb-1", "--json"))[1]["answer"] == "先挂失。"
    kb("edit", "sb-1", EDITOR=editor(tmp_path, """sed -i 's/先挂失/先报失/' "$1" """))
    assert list(tmp_path.glob("sb-1-*.toml")) == [kept]


def test_no_editor_opens_for_an_id_that_is_taken_or_none(kb: Any, tmp_path: Path) -> None:
    opening = editor(tmp_path, f"touch {tmp_path}/opened")
    kb("add", "sb/1", EDITOR=opening, fails="is no id")
    kb("add", "sb-1", *NEW)
    kb("add", "sb-1", EDITOR=opening, fails="There is an entry sb-1 already")
    assert not (tmp_path / "opened").exists()


def test_a_form_that_is_no_text_is_a_sentence(kb: Any, tmp_path: Path) -> None:
    (tmp_path / "form.toml").write_bytes('answer = "先挂失。"'.encode("gbk"))
    kb("add", "sb-1", "--form", str(tmp_path / "form.toml"), fails="save it as UTF-8")
    kb("add", "sb-1", "--form", str(tmp_path / "none.toml"), fails="cannot be read")


def test_a_minute_to_come_is_waited_for(kb: Any, publish: Any) -> None:
    kb("add", "sb-1", *NEW, "--as", "甲", "--submit")
    kb("review", "sb-1", "--version", "1", "--approve", "--as", "乙")
    assert "from 2098-01-01 08:00 on" in publish("sb-1", "--at", "2098-01-01 08:00")
    assert kb("show") == ""
    (counted,) = rows(kb("stats", "--json"))
    assert counted["next planned step"] == "2098-01-01 08:00"


def test_a_gap_that_was_entered_first_does_not_keep_the_demonstration_out(
    kb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for costly in ("_prepare", "_make"):
        monkeypatch.setattr(f"voicebot.commands.knowledge_publishing.{costly}", lambda *_, **__: 0)
    kb("gaps", "add", "路灯坏了谁来修")
    kb("publish", "--demo")
    spoken = rows(kb("show", "--json"))
    assert spoken
    kb("withdraw", *(row["id"] for row in spoken))
    kb("publish", "--demo")
    assert kb("show") == ""


def test_what_cannot_be_measured_is_said_before_anything_is(kb: Any, tmp_path: Path) -> None:
    without = {"VOICEBOT_PATHS__SHARED": str(tmp_path)}
    kb("evaluate", fails='"expect": "sb-101"', **without)
    kb("evaluate", "--picture", "x.png", "--heard", "noisy", fails="goes with --heard clean")


def test_mistakes_are_sentences(kb: Any) -> None:
    kb("add", "sb-1", "--set", "答案", fails="write field=value")
    kb("add", "sb-1", "--set", "价格=1", fails="no field of an entry")
    kb("add", "sb-1", *NEW, "--set", "answer=OK", fails="write 'OK' in Chinese")
    kb("add", "sb-1", *NEW, "--form", "x.toml", fails="either --set or --form")
    kb("add", "sb-1", EDITOR="", VISUAL="", fails="set $EDITOR")
    kb("add", "sb-1", *NEW, "--as", "甲")
    kb("add", "sb-1", *NEW, fails="There is an entry sb-1 already")
    kb("edit", "sb-9", "--set", "answer=好。", fails="kb add sb-9")
    kb("withdraw", "sb-1", "--at", "tomorrow", fails="write a minute such as")
    kb("withdraw", "sb-1", "--at", "0001-01-01 00:00", fails="write a minute such as")
    kb("withdraw", "sb-1", fails="only what is published")
    kb("review", "sb-1", fails="waits for review")
    kb("review", "sb-1", "--approve", fails="version you have read")
    kb("history", "sb-9", fails="no entry 'sb-9'")
    kb("publish", "sb-1", "faq.csv", fails="name it alone")
    kb("publish", "sb-1", "--demo", fails="go with a file")
    kb("publish", "--at", "2098-01-01 08:00", fails="go with the ids")
