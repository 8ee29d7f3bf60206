"""`voicebot kb train` writes maps and both sets of weights, with phrasings and without."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kb import adapter
from kb.adapter import Adapter
from kb.adapter_training import read_groups, train_adapters
from kb.entry import Entry
from kb.ranker import Ranker
from voicebot.commands.knowledge import app


def test_maps_and_both_sets_of_weights_are_written(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on: list[int] = []
    fitted_with: list[list[str]] = []

    def fit(entries: Sequence[Entry], *_: object, adapters: Sequence[Adapter], **__: Any) -> Ranker:
        trained_on.append(sum(len(entry.phrasings) for entry in entries))
        fitted_with.append([each.name for each in adapters])
        return Ranker.load()

    few = read_groups()[:12]  # all 1,453 take minutes
    monkeypatch.setattr("kb.adapter_training.read_groups", lambda: few)
    monkeypatch.setattr("kb.adapter_training.train_adapters", partial(train_adapters, steps=10))
    monkeypatch.setattr("kb.training.train", fit)
    monkeypatch.setenv("VOICEBOT_PATHS__MODELS", str(models_dir))
    done = CliRunner().invoke(
        app, ["train", "--output", str(tmp_path), "--on", "2026-11-26", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert trained_on[0] > 3000
    assert trained_on[1] == 0
    _, adapters = adapter.load(tmp_path / "adapters.npz")
    names = [each.name for each in adapters]
    assert adapter.ADAPTED in names
    assert fitted_with == [names, names]
    for name in ("ranker.json", "ranker_plain.json"):
        assert Ranker.load(tmp_path / name).dump() == Ranker.load().dump()
    assert set(json.loads(done.stdout.splitlines()[-1])) == {"ranker", "ranker_plain"}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--output", str(tmp_path / "none")])
    assert done.exit_code != 0
    assert "no folder" in done.output + str(done.exception)
