"""Validity is judged by the day in Hainan, whatever the machine's clock is set to."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from voicebot import clock

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Honolulu", "Pacific/Kiritimati"])
def test_today_is_beijings(zone: str) -> None:
    code = "from voicebot.clock import today; print(today())"
    expected = {str((datetime.now(UTC) + timedelta(hours=8)).date())}
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert printed in expected | {str(clock.today())}


def test_nobody_asks_the_machine_for_the_day() -> None:
    asked = [
        str(file)
        for folder in ("voicebot", "kb", "flows", "telephony", "asr")
        for file in (ROOT / folder).rglob("*.py")
        if "date.today()" in file.read_text("utf-8")
    ]
    assert asked == []
