"""Processes that were started count too."""

import os
import subprocess
import sys

from benchmarks.processes import megabytes, processor_seconds

WORKS = "x = bytearray(64 << 20); sum(range(20_000_000)); print(flush=True); input()"


def test_what_a_child_uses_is_counted_while_it_lives() -> None:
    seconds, memory = processor_seconds(), megabytes(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", WORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert processor_seconds() - seconds > 0.05
        assert megabytes(os.getpid()) - memory > 60
        child.communicate(b"\n")
