"""`make cluster-trial` in small: two SIP calls through Kamailio, and a media node is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.cluster_trial.drawing import MEDIA_PROCESS, Plan
from benchmarks.cluster_trial.run import run
from tests.end_to_end.conftest import ROOT
from tests.voicebot.postgres import programs
from tests.voicebot.tools import FETCHED, needs

pytestmark = pytest.mark.timeout(600)


async def test_the_callers_of_a_media_node_that_is_killed_reach_a_person(tmp_path: Path) -> None:
    needs("nats-server", FETCHED / "nats", "`scripts/setup.sh --all`")
    needs("kamailio", FETCHED / "kamailio" / "usr" / "sbin", "`scripts/setup.sh --all`")
    if programs() is None or not (ROOT / "var" / "voicebot.db").exists():
        assert not os.environ.get("CI"), "run `scripts/setup.sh --all` and `make setup`"
        pytest.skip("PostgreSQL is not here, or the knowledge base is not published")
    plan = Plan(
        MEDIA_PROCESS,
        number=1,
        seed=7,
        calls=2,
        transcribed=0,
        at_s=4.0,
        away_s=1.0,
        node=0,
        danger=0,
        again=False,
    )
    sentences, seen = await run(plan, tmp_path / "run")
    # How long the silences are is the machine's load, which tests share.
    assert [each for each in sentences if not each.startswith("silent:")] == [], seen
    assert "in danger reached" in seen
