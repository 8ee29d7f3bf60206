"""Processes of one installation as they run: PostgreSQL, NATS, and roles on free ports."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from telephony import messages
from telephony.codecs import WireFormat
from telephony.loopback_server import free_port
from tests.voicebot.conftest import ROOT
from tests.voicebot.exchange_sides import StandIn, write_settings

READY_S = 180.0


def until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `holds` gives, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


class Process:
    """`voicebot serve --roles …`."""

    def __init__(self, installation: Installation, name: str, roles: str) -> None:
        self._installation, self.name, self.roles = installation, name, roles
        self.port = free_port()
        self.log = installation.folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        state = self._installation.folder / self.name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "voicebot.cli", "serve", "--roles", self.roles],
            cwd=ROOT,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            env={
                **self._installation.environment,
                "VOICEBOT_PATHS__STATE": str(state),
                "VOICEBOT_SERVER__PORT": str(self.port),
                "VOICEBOT_SERVER__NODE": self.name,
                "VOICEBOT_SERVER__TRUSTED_PROXIES": '["127.0.0.1"]',
                "VOICEBOT_NOTICES__PUBLIC_URL": self._installation.pages,
            },
        )

    def ready(self) -> None:
        assert self._process is not None
        process = self._process

        def said() -> bool:
            assert process.poll() is None, self.log.read_text()[-3000:]
            return " ready " in self.log.read_text()

        until(said, READY_S)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self, seconds: float) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    def get(self, path: str, role: str = "admin") -> httpx.Response:
        return httpx.get(
            f"{self.url}{path}",
            headers=self._installation.headers(role),
            trust_env=False,
            timeout=20,
        )


class Caller:
    """A call over the media WebSocket, in a thread of its own: silence, frame by frame."""

    def __init__(self, at: Process, call_id: str, headers: dict[str, str]) -> None:
        wire, stream = WireFormat.named("alaw"), f"MZ{call_id}"
        self._socket = connect(
            f"{at.url.replace('http', 'ws')}/media",
            additional_headers=headers,
            proxy=None,
            legacy=True,
        )
        self._stream, self._over = stream, threading.Event()
        self._socket.send(messages.connected())
        start = {"caller": "13800000000", "did": "12345"}
        self._socket.send(messages.start(stream, call_id, wire, start))
        self._frame = messages.media(stream, wire.encode(np.zeros(wire.frame_samples, np.int16)))
        self._threads = [threading.Thread(target=each) for each in (self._speak, self._hear)]
        for thread in self._threads:
            thread.start()

    @property
    def on_the_line(self) -> bool:
        return not self._over.is_set()

    def _speak(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while not self._over.wait(0.02):
                self._socket.send(self._frame)

    def _hear(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            for data in self._socket:
                message = messages.parse_message(data)
                if isinstance(message, messages.Mark):
                    self._socket.send(messages.mark(self._stream, message.name))
        self._over.set()

    def press(self, key: str) -> None:
        self._socket.send(messages.dtmf(self._stream, key))

    def hang_up(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            self._socket.send(messages.stop(self._stream))
        self._socket.close()
        for thread in self._threads:
            thread.join()


class Installation:
    """One installation in a folder; processes are started by the test."""

    def __init__(self, folder: Path, models: Path, database_url: str, nats_url: str) -> None:
        self.folder = folder
        self.platform = StandIn(folder / "platform", free_port(), 0)
        config = write_settings(folder, self.platform.port, database_url)
        config.write_text(
            config.read_text().replace("[exchange]\n", "[exchange]\nreconcile_at = ''\n", 1)
            + f'[nats]\nservers = ["{nats_url}"]\n'
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "VOICEBOT_CONFIG": str(config),
            "VOICEBOT_PATHS__SECRETS": str(folder / "secrets"),
            "VOICEBOT_PATHS__MODELS": str(models),
            "VOICEBOT_SIP__ENABLED": "false",
            "VOICEBOT_ASR__ENGINE": "none",
            "VOICEBOT_ASR__LISTENER_PROCESS_SPARE": "false",
            "VOICEBOT_ADMISSION__DRAIN_S": "1",
            "VOICEBOT_HANDOFF__LINES": '{"110-460000": 1}',
            "VOICEBOT_SERVER__LOST_AFTER_S": "15",
            "VOICEBOT_DIALOGUE__SILENCE_S": "90",  # the caller says nothing
            "VOICEBOT_RATE_LIMITS__ENABLED": "false",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self.processes: list[Process] = []

    def process(self, name: str, roles: str) -> Process:
        made = Process(self, name, roles)
        self.processes.append(made)
        made.start()
        return made

    @property
    def pages(self) -> str:
        """Where people reach the pages; where nothing has any, nowhere."""
        return next((each.url for each in self.processes if "web" in each.roles), "")

    def headers(self, role: str) -> dict[str, str]:
        token = (self.folder / "secrets" / f"{role}.token").read_text().strip()
        return {"Authorization": f"Bearer {token}"}

    @contextmanager
    def call(self, at: Process, call_id: str) -> Iterator[Caller]:
        """A caller who says nothing, over the media WebSocket, until the block ends."""
        caller = Caller(at, call_id, self.headers("media"))
        try:
            yield caller
        finally:
            caller.hang_up()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
