"""`voicebot kb train` writes both sets of weights, from entries with and without phrasings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kb.entry import Entry
from kb.ranker import Ranker
from voicebot.commands.knowledge import app


def test_both_sets_of_weights_are_written(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on: list[int] = []

    def fit(entries: Sequence[Entry], *_: object, **__: Any) -> Ranker:
        trained_on.append(sum(len(entry.phrasings) for entry in entries))
        return Ranker.load()

    monkeypatch.setattr("kb.training.train", fit)
    monkeypatch.setenv("VOICEBOT_PATHS__MODELS", str(models_dir))
    done = CliRunner().invoke(
        app, ["train", "--output", str(tmp_path), "--on", "2026-11-26", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert trained_on[0] > 3000
    assert trained_on[1] == 0
    for name in ("ranker.json", "ranker_plain.json"):
        assert Ranker.load(tmp_path / name).dump() == Ranker.load().dump()
    assert set(json.loads(done.stdout.splitlines()[-1])) == {"ranker", "ranker_plain"}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--output", str(tmp_path / "none")])
    assert done.exit_code != 0
    assert "no folder" in done.output + str(done.exception)
