"""`voicebot dispatch`: what it proposes, what it measures, what it refuses."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.voicebot.conftest import Voicebot

WAGES = "老板拖欠我们三个月工资一直不给"


def test_a_proposal_is_explained(voicebot_here: Voicebot, models_dir: Path) -> None:
    done = voicebot_here(
        "dispatch", "explain", WAGES, "--region", "460200", "--json",
        VOICEBOT_PATHS__MODELS=str(models_dir),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["department"] == "三亚市人力资源和社会保障局"
    assert found["by"] == "model"
    assert "劳动报酬保障" in found["reason"]


def test_rules_that_cannot_be_read_are_a_sentence_about_the_database(
    voicebot_here: Voicebot, tmp_path: Path
) -> None:
    assert voicebot_here("db", "migrate").returncode == 0
    with sqlite3.connect(tmp_path / "state" / "voicebot.db") as database:
        database.execute("DROP TABLE dispatch_rule")
    done = voicebot_here("dispatch", "explain", WAGES)
    assert done.returncode == 1
    assert "The database cannot be read or written" in done.stderr
    assert "knowledge" not in done.stderr


def test_lines_of_ones_own_are_measured(
    voicebot_here: Voicebot, models_dir: Path, tmp_path: Path
) -> None:
    lines = tmp_path / "ours.tsv"
    lines.write_text(f"人社\t{WAGES}\n供电\t我们小区停电两个小时了\n", "utf-8")
    models = {"VOICEBOT_PATHS__MODELS": str(models_dir)}
    done = voicebot_here("dispatch", "evaluate", str(lines), "--json", **models)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lines"] == 2


def test_a_file_that_cannot_be_measured_on_says_where(
    voicebot_here: Voicebot, tmp_path: Path
) -> None:
    lines = tmp_path / "ours.tsv"
    lines.write_text("火星局\t飞船坏了\n", "utf-8")
    done = voicebot_here("dispatch", "evaluate", str(lines))
    assert done.returncode == 1
    assert "ours.tsv, line 1" in done.stderr
    lines.write_bytes("人社\t工资".encode("gbk"))
    done = voicebot_here("dispatch", "evaluate", str(lines))
    assert (done.returncode, "UTF-8" in done.stderr) == (1, True)


def test_weights_are_not_written_into_a_folder_that_is_not_there(voicebot_here: Voicebot) -> None:
    done = voicebot_here("dispatch", "train", "--output", "nowhere/dispatch.npz")
    assert done.returncode == 1
    assert "no folder" in done.stderr
