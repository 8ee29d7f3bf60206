"""`voicebot kb reindex`, as an administrator runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.voicebot.test_kb_command import GOOD, HEAD


def test_what_is_published_is_indexed_anew_and_found(
    voicebot_here: Any, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.prompts.load_prompts", dict)  # their audio is not the matter here
    (tmp_path / "faq.csv").write_text(HEAD + GOOD, "utf-8")
    environment = {
        "VOICEBOT_SPEECH__VOICE": "espeak",
        "VOICEBOT_PATHS__MODELS": str(models_dir),
    }
    voicebot_here("kb", "publish", "faq.csv", "--reviewed-by", "李主任", **environment)
    done = voicebot_here("kb", "reindex", "--json", **environment)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["entries"], figures["wordings"]) == (1, 1)
    found = voicebot_here("kb", "search", "社保卡丢了怎么办", "--json", **environment)
    assert json.loads(found.stdout)["candidates"][0]["id"] == "a-1"


def test_without_entries_it_says_what_to_do(voicebot_here: Any) -> None:
    done = voicebot_here("kb", "reindex")
    assert done.returncode != 0
    assert "voicebot kb publish --demo" in done.stderr
