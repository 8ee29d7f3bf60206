"""110's desk and the human seats, each `voicebot desk` in a process that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.trial_service import ROOT, TrialError
from telephony.loopback_server import free_port

START_S = 120.0


class DeskProcess:
    """Parameters:
    folder: for all that it gets; a process that follows another goes on in it.
    greeting: what whoever answers says, a WAV file.
    mode: of `voicebot desk`.
    """

    def __init__(self, folder: Path, greeting: Path, mode: str = "answer") -> None:
        self.folder, self._greeting, self._mode = folder, greeting, mode
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.killed_at = float("-inf")
        """By time.time()."""

    @property
    def variables(self) -> tuple[str, str]:
        """Where its line and its dossiers are."""
        return f"ws://127.0.0.1:{self.port}/line", f"http://127.0.0.1:{self.port}"

    def start(self, token: str) -> None:
        """Until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "desk.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "voicebot.cli", "desk", "--json"),
                    *("--port", str(self.port), "--answer-after", "1", "--mode", self._mode),
                    *("--greeting", str(self._greeting), "--record", str(self.folder)),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "VOICEBOT_PATHS__STATE": str(self.folder / "state"),
                    "VOICEBOT_DESK_TOKEN": token,
                },
            )
        deadline = time.monotonic() + START_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TrialError(f"The desk did not start; see {self.folder / 'desk.log'}.")
            time.sleep(0.1)

    def kill(self) -> None:
        self.killed_at = time.time()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def rung(self) -> bool:
        """Somebody has been put through to it."""
        return any(event.get("event") == "ringing" for event in self._events())

    def handoffs(self) -> frozenset[str]:
        """Of all that it ever got, also for a line beside 110 (``H1/119``)."""
        names = (str(each.get("handoff", "")).partition("/")[0] for each in self._events())
        return frozenset(filter(None, names))

    def dossiers(self) -> frozenset[str]:
        """Of which hand-offs it has one."""
        return frozenset(
            str(json.loads(path.read_text("utf-8"))["handoff"])
            for path in (self.folder / "dossiers").glob("*.json")
        )

    def _events(self) -> Iterator[dict[str, Any]]:
        path = self.folder / "events.jsonl"
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                yield json.loads(line)
            except ValueError:  # cut off when it was killed
                continue

    def _listens(self) -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/", trust_env=False, timeout=2)
        except httpx.HTTPError:
            return False
        return True
