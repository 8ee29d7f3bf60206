"""The trial of the exchange, in short: nothing is lost or done twice, whatever is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(600)
def test_a_short_trial_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.exchange_trial", "--orders", "8", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=540,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout.splitlines()[-1])
    keys = ["orders", "lost", "duplicated", "unreconciled", "faults", "seconds", "store", "seed"]
    assert list(verdict) == keys
    assert (verdict["lost"], verdict["duplicated"], verdict["unreconciled"]) == (0, 0, 0)
    assert any(name.startswith("killed_") for name in verdict["faults"])
    assert " 0 overlooked" in done.stdout
    assert min(verdict["faults"]["lie"], verdict["faults"]["lost_here"]) >= 2
