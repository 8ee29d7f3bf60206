"""No parser fails on what it is fed: for moments here, for long by `make fuzz`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.fuzz.running import fuzz
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MOST = 60.0, 250
"""The number of cases is what counts; the time is for a machine that is busy."""


@pytest.mark.parametrize("name", TARGETS)
def test_the_parser_takes_or_refuses_whatever_comes(name: str) -> None:
    found = fuzz(TARGETS[name], seconds=SECONDS, first_seed=1, database=None, most=MOST)
    assert not found.crash, found.crash
    assert found.examples


def test_a_crash_is_found_with_its_smallest_case_and_ends_the_search(tmp_path: Path) -> None:
    tried: list[int] = []

    def run(value: int) -> None:
        tried.append(value)
        if value > 1000:
            raise RuntimeError(f"cannot take {value}")

    target = Target("numbers", st.integers(), run)
    found = fuzz(target, seconds=60, first_seed=1, database=tmp_path)
    assert "cannot take 1001" in found.crash
    assert "seed " in found.crash
    tried.clear()
    again = fuzz(target, seconds=60, first_seed=1, database=tmp_path)
    assert "cannot take 1001" in again.crash, "its seed repeats it"


def test_a_hang_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.running.CASE_S", 0.05)

    def run(_: int) -> None:
        while True:
            pass

    found = fuzz(Target("loop", st.just(1), run), seconds=60, first_seed=1, database=None)
    assert "Hang" in found.crash


def test_the_command_ends_with_one_json_line_and_says_its_seed() -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.fuzz", "--seconds", "3", "--seed", "5",
            "--only", "receipts", "--only", "signing_keys",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "seed 5" in done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["crashes"] == 0
    assert report["parsers"].keys() == {"receipts", "signing_keys"}
    for figures in report["parsers"].values():
        assert figures.keys() == {"seconds", "examples", "crashes"}
        assert figures["examples"]
