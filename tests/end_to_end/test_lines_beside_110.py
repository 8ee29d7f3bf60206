"""119 beside 110: real audio, real models, real sockets, a service in its own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .conftest import Running
from .hearing import channel, sound_s
from .parties import call, desk
from .test_calls import DANGER, OFFICER

Speak = Callable[[str], Path]

POLICE = ("110-460106", "110-460100", "110-460000")


async def test_110_never_answers_and_119_does(
    service: Running, speak: Speak, tmp_path: Path
) -> None:
    async with desk(service, tmp_path, speak(OFFICER), modes=dict.fromkeys(POLICE, "silent")):
        report, record = await call(
            service, [speak(DANGER)], quiet_s=9.0, max_s=60.0, record_dir=tmp_path
        )
    decisions = [decision["what"] for decision in record["decisions"]]
    assert "line_connected" in decisions
    assert "connected" not in decisions, "neither 110 nor a seat was there"
    assert record["outcome"] == "handed_off"
    assert report.recording is not None
    heard, rate = channel(report.recording, 1)
    assert sound_s(heard, rate) > 2.0, "the caller hears 119"
    assert report.closed_by in ("caller", "limit"), "the service never hangs up on danger"
    dossier = record["handoffs"][-1]["dossier"]
    assert "interrupted" in dossier["flags"], "110 was never reached"
    assert any("119已接通" in note for note in dossier["notes"])
