"""What this process and those it started use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def _children() -> Iterator[Path]:
    for file in Path("/proc/self/task").glob("*/children"):
        for pid in file.read_text("ascii").split():
            yield Path("/proc") / pid


def processor_seconds() -> float:
    """Of all threads, since each began; a child that has ended does not count."""
    seconds = time.process_time()
    for child in _children():
        fields = (child / "stat").read_text("utf-8").rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / _TICKS
    return seconds


def megabytes() -> float:
    """Resident memory."""
    status = [(each / "status").read_text("utf-8") for each in (Path("/proc/self"), *_children())]
    return sum(int(text.split("VmRSS:")[1].split()[0]) for text in status) / 1024
