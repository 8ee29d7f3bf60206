"""What the parties of a call heard, on their recordings: never by the service's own account."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from telephony.call_report import CallReport
from telephony.speech_level import window_is_loud

Int16 = NDArray[np.int16]


def channel(path: Path, number: int) -> tuple[Int16, int]:
    """One side of a two-channel recording: 0 left, 1 right."""
    pcm, rate = sf.read(path, dtype="int16", always_2d=True)
    return np.ascontiguousarray(pcm[:, number]), rate


def sound_s(pcm: Int16, rate: int, after: float = 0.0) -> float:
    """Seconds of sound from second `after` on."""
    return float(window_is_loud(pcm[round(max(0.0, after) * rate) :], rate).sum()) * 0.02


def longest_gap(report: CallReport) -> float:
    """Longest time in which the caller neither heard anything nor spoke, up to the last sound.

    More than 4 s is a dropped caller (DESIGN.md, Hand-off).
    """
    assert report.recording is not None
    said, rate = channel(report.recording, 0)
    heard, _ = channel(report.recording, 1)
    loud = np.flatnonzero(window_is_loud(said, rate) | window_is_loud(heard, rate))
    return float(np.diff(loud, prepend=0).max(initial=0)) * 0.02


def on_callers_clock(record: Mapping[str, Any], report: CallReport, moment: str) -> float:
    """`requested_at` or `connected_at` of a call's only hand-off, seconds of the caller's call."""
    (handoff,) = record["handoffs"]
    assert handoff[f"{moment}_epoch"] is not None, f"{moment}: {handoff}"
    return float(handoff[f"{moment}_epoch"]) - report.started_at


def assert_handed_over(record: Mapping[str, Any], report: CallReport) -> None:
    """A person was heard by the caller, who was never left in silence until then or after.

    Sound that is no prompt of the bot's is a person. A greeting is over by the time that it
    is known to be one.
    """
    requested = on_callers_clock(record, report, "requested_at")
    assert on_callers_clock(record, report, "connected_at") > requested
    spoken = sum(
        each.end - max(each.start, requested)
        for each in report.heard
        if each.purpose == "unmarked" and each.end > requested
    )
    assert spoken > 0.5, "the caller hears the officer"
    assert longest_gap(report) < 4.0
    assert report.closed_by != "service"
