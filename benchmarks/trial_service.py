"""The service and its watchdog as processes that a trial may kill, and what they tell live."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from telephony.loopback_server import free_port
from voicebot.config import load_settings
from voicebot.demo_state import fill
from voicebot.security import local_token

ROOT = Path(__file__).resolve().parents[1]
READY_S = 120.0


class TrialError(AssertionError):
    """The trial cannot be run; the message says what to do."""


class TrialService:
    """`voicebot serve` behind an Asterisk, in a state folder of its own.

    Parameters:
        folder: for its state and its logs.
        variables: settings as environment variables.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder, self.port = folder, free_port()
        self.log = folder / "service.log"
        settings = load_settings()
        if not (settings.paths.state / "voicebot.db").exists():
            raise TrialError("The knowledge base is not published; run `make setup`.")
        self.settings = fill(settings, folder / "state")
        self._environment = {
            **os.environ,
            "OMP_WAIT_POLICY": "PASSIVE",
            "VOICEBOT_PATHS__STATE": str(folder / "state"),
            "VOICEBOT_SERVER__PORT": str(self.port),
            "VOICEBOT_SIP__ENABLED": "false",
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []
        self.told: list[tuple[float, dict[str, Any]]] = []
        """Live messages with the monotonic time of their coming."""
        self._stopped = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def _token(self) -> str:
        """A service with a database of its own makes its tokens when it starts."""
        return local_token(self.settings, "admin") or ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it, if it is not running, and waits until it answers."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._spawn("serve", self.log)
        deadline = time.monotonic() + READY_S
        while not self.health():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TrialError(f"The service did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def beside(self, command: str, *arguments: str) -> None:
        """Another command of ours that runs until the end, such as the watchdog."""
        self._others.append(self._spawn(command, self.folder / f"{command}.log", *arguments))

    def kill(self) -> None:
        """SIGKILL, at any moment."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self, on: bool) -> None:
        """SIGSTOP, or SIGCONT; of a process that is dead nothing comes."""
        if self._process is None or self._process.poll() is not None:
            return
        os.kill(self.pid, signal.SIGSTOP if on else signal.SIGCONT)

    def first(self, after: float, **wanted: str) -> float | None:
        """When the first live message with these values came, after a monotonic time."""
        return next(
            (
                at
                for at, message in self.told
                if at >= after and all(message.get(key) == value for key, value in wanted.items())
            ),
            None,
        )

    def close(self, *, keep: bool = False) -> None:
        """`keep`: its state folder stays."""
        self._stopped = True
        for process in (self._process, *self._others):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if not keep:
            shutil.rmtree(self.folder / "state", ignore_errors=True)

    def _spawn(self, command: str, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "voicebot.cli", command, *arguments],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )

    def health(self) -> dict[str, Any]:
        """What /health says; empty when it says nothing."""
        try:
            answer = httpx.get(
                f"http://127.0.0.1:{self.port}/health",
                headers={"Authorization": f"Bearer {self._token}"},
                trust_env=False,
                timeout=2,
            )
        except httpx.HTTPError:
            return {}
        return dict(answer.json()) if answer.status_code == 200 else {}

    def _listen(self) -> None:
        while not self._stopped:
            try:
                with connect(
                    f"ws://127.0.0.1:{self.port}/api/live",
                    additional_headers={"Authorization": f"Bearer {self._token}"},
                    proxy=None,
                ) as socket_:
                    for text in socket_:
                        self.told.append((time.monotonic(), json.loads(text)))
            except (OSError, WebSocketException):
                time.sleep(0.1)
