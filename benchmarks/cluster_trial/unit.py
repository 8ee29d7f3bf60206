"""One process of the installation, which is started again when it ends, as systemd does it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.processes import descendants
from benchmarks.trial_service import ROOT

RESTART_S = 1.0
"""Of deploy/systemd."""
MARK = "CLUSTER_TRIAL"
"""In the environment of every process, so that those that outlive their parent are found."""


class Unit:
    """Parameters:
    folder: for its log and the file `pid`, which always names the running process.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name, self.folder = name, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._command, self._environment = command, {**environment, MARK: str(folder)}
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self.restart_s = RESTART_S
        self.starts = 0
        self._watching = threading.Thread(target=self._watch, daemon=True)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        self._start()
        self._watching.start()

    def kill(self, *, whole: bool) -> None:
        """SIGKILL; `whole`: also to all that it started."""
        kill_all(self._all() if whole else [self.pid])

    def end(self) -> None:
        """For good, with all that it has left."""
        self._ended = True
        kill_all(self._all())
        if self._process is not None:
            self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _all(self) -> list[int]:
        return [*descendants(self.pid), *marked(str(self.folder))]

    def _start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=self._environment,
            )
        self.starts += 1
        (self.folder / "pid").write_text(str(self._process.pid))

    def _watch(self) -> None:
        while not self._ended:
            assert self._process is not None
            self._process.wait()
            ends = time.monotonic() + self.restart_s
            while not self._ended and time.monotonic() < ends:
                time.sleep(0.05)
            if not self._ended:
                self._start()


def kill_all(pids: Sequence[int]) -> None:
    """SIGKILL to processes that this trial started."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def marked(mark: str) -> Iterator[int]:
    """Processes that were started with this mark, also those without a parent."""
    wanted = f"{MARK}={mark}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (process / "environ").read_bytes() + b"\0":
                yield int(process.name)
