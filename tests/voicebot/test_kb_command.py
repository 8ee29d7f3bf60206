"""`voicebot kb`: what a keeper of the answers meets before any model is loaded."""

import json
from pathlib import Path
from typing import Any

HEAD = "id,category,department,question,answer,valid_from,valid_to,status\n"
GOOD = "a-1,社保/社保卡,省人社厅,社保卡丢了怎么办,先打电话挂失。,2026-01-01,2099-12-31,approved\n"
BAD = "a-2,社保/社保卡,省人社厅,怎么领卡,去网点领。,昨天,2099-12-31,approved\n"


def test_good_rows_are_kept_and_faulty_ones_named(voicebot_here: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + GOOD + BAD, "utf-8")
    result = voicebot_here("kb", "import", "faq.csv")
    assert result.returncode == 1
    assert "line 3" in result.stderr
    assert "1 entries added" in result.stdout
    assert voicebot_here("kb", "show", "--json").stdout == ""
    history = voicebot_here("kb", "show", "a-1")
    assert "import faq.csv" in history.stdout


def test_checking_changes_nothing(voicebot_here: Any, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + GOOD, "utf-8")
    assert voicebot_here("kb", "import", "faq.csv", "--check").returncode == 0
    result = voicebot_here("kb", "show")
    assert result.returncode == 1
    assert "voicebot kb publish --demo" in result.stderr


def test_the_demonstration_entries_never_replace_an_administrators(
    voicebot_here: Any, tmp_path: Path, models_dir: Path
) -> None:
    (tmp_path / "faq.csv").write_text(HEAD + GOOD, "utf-8")
    environment = {
        "VOICEBOT_SPEECH__VOICE": "espeak",
        "VOICEBOT_PATHS__MODELS": str(models_dir),
    }
    for arguments in (["faq.csv", "--reviewed-by", "李主任"], ["--demo"]):
        published = voicebot_here("kb", "publish", *arguments, **environment)
        assert "1 entries" in published.stdout.splitlines()[-1], published.stderr
    shown = voicebot_here("kb", "show", "--json")
    assert [json.loads(line)["id"] for line in shown.stdout.splitlines()] == ["a-1"]


def test_mistakes_are_sentences(voicebot_here: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"\x00\x01")
    for arguments, sentence in (
        (["kb", "import", "none.csv"], "none.csv cannot be read"),
        (["kb", "import", "empty.csv"], "holds no usable entry"),
        (["kb", "search"], "Give either a question"),
        (["kb", "search", "x", "--output", "y"], "Give either a question"),
        (["kb", "evaluate", "--heard", "x"], "use clean, noisy or sound"),
        (["kb", "publish", "--phrasings", "x.csv"], "go with a file of entries"),
    ):
        result = voicebot_here(*arguments)
        assert result.returncode == 1, result.stderr
        assert sentence in result.stderr
        assert "Traceback" not in result.stderr
