"""A real NATS server for tests: `nats_server` is its address, on a free port of this machine.

Without the program (Debian: nats-server; `scripts/setup.sh --all`) the test is skipped; under CI
that is a failure.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.voicebot.tools import FETCHED, needs


class NatsServer:
    """One server, on the port that it found free the first time, also after a restart."""

    def __init__(self, program: str, *options: str) -> None:
        self._program, self._options, self._port = program, options, -1
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        command = [self._program, "-a", "127.0.0.1", "-p", str(self._port), *self._options]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            found = re.search(r"Listening for client connections on 127\.0\.0\.1:(\d+)", line)
            if found:
                self._port = int(found[1])
            if "Server is ready" in line:
                return
        raise AssertionError("nats-server did not start")

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    program = needs("nats-server", FETCHED / "nats", "`scripts/setup.sh --all`")
    server = NatsServer(program)
    server.start()
    yield server
    server.kill()
