"""What a process and those that it started use."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> Iterator[Path]:
    """The folders in /proc of the processes that a process has started itself."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in file.read_text("ascii").split():
            yield Path("/proc") / child


def descendants(pid: int) -> list[int]:
    """A process and all that came of it."""
    found = [pid]
    with contextlib.suppress(OSError):
        for child in children(pid):
            found += descendants(int(child.name))
    return found


def processor_seconds() -> float:
    """Of all threads, since each began; a child that has ended does not count."""
    return time.process_time() + sum(_seconds(child) for child in children(os.getpid()))


def seconds_of(pids: Iterable[int]) -> float:
    """Processor time of processes; of one that has ended, none."""
    seconds = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            seconds += _seconds(Path(f"/proc/{pid}"))
    return seconds


def _seconds(process: Path) -> float:
    fields = (process / "stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def megabytes(pid: int) -> float:
    """Resident memory of a process and all that came of it; 0 for one that has ended."""
    return sum(_kilobytes(each) for each in descendants(pid)) / 1024


def _kilobytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
        if "VmRSS:" in status:
            return int(status.partition("VmRSS:")[2].split()[0])
    return 0


def descriptors(pid: int) -> int:
    """Open files and sockets of a process and all that came of it; 0 for one that has ended."""
    count = 0
    for each in descendants(pid):
        with contextlib.suppress(OSError):
            count += len(os.listdir(f"/proc/{each}/fd"))
    return count
