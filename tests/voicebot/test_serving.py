"""The service as a process: one a state folder, started with what is there, ended in order."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile as sf
import uvicorn

from telephony.loopback_server import free_port
from voicebot import serving
from voicebot.config import Settings
from voicebot.security import local_token, prepare
from voicebot.state_folder import StateFolderError, only_service

ROOT = Path(__file__).resolve().parents[2]


def configured(log: Path) -> Path:
    """The service's settings file, beside its log."""
    file = log.with_name("service.toml")
    file.touch()
    return file


def reloaded(settings: Settings, url: str) -> subprocess.CompletedProcess[str]:
    """`voicebot config reload`, whose own settings are not the service's."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "voicebot.cli", "config", "reload", "--json"),
            *("--url", url, "--token", local_token(settings, "admin") or ""),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def service(settings: Settings, models: Path, log: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "voicebot.cli", "serve"],
        cwd=ROOT,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={
            "PATH": "/usr/bin:/bin",
            "VOICEBOT_CONFIG": str(configured(log)),
            "VOICEBOT_PATHS__STATE": str(settings.paths.state),
            "VOICEBOT_PATHS__MODELS": str(models),
            "VOICEBOT_SERVER__PORT": str(port),
            "VOICEBOT_SIP__ENABLED": "false",
            "VOICEBOT_ASR__ENGINE": "none",
            "VOICEBOT_ASR__LISTENER_PROCESS_SPARE": "false",
            "VOICEBOT_ADMISSION__DRAIN_S": "1",
        },
    )
    try:
        deadline = time.monotonic() + 120
        while " ready " not in log.read_text() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert process.poll() is None, log.read_text()[-3000:]
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_it_starts_without_what_it_can_miss_and_ends_in_order(
    settings: Settings, models_dir: Path, tmp_path: Path
) -> None:
    prepare(settings)
    state, log = settings.paths.state, tmp_path / "log"
    (state / "vectors.sqlite").write_bytes(b"garbage" * 1000)
    with closing(sqlite3.connect(state / "voicebot.db", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        with service(settings, models_dir, log) as (process, url):
            headers = {"Authorization": f"Bearer {local_token(settings, 'admin')}"}
            health = httpx.get(f"{url}/health", headers=headers, trust_env=False).json()
            assert health["status"] == "degraded"
            lock.execute("ROLLBACK")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()
    assert not (state / "voicebot.db-wal").exists()


def test_a_running_call_outlives_a_reload_and_is_closed_on_record_at_the_end(
    settings: Settings, models_dir: Path, tmp_path: Path
) -> None:
    prepare(settings)
    silence, log = tmp_path / "silence.wav", tmp_path / "log"
    sf.write(silence, np.zeros(8000 * 60, np.int16), 8000)
    with service(settings, models_dir, log) as (process, url):
        calling = subprocess.Popen(
            [
                *(sys.executable, "-m", "voicebot.cli", "call", "--audio", str(silence)),
                *("--speak", "now", "--call-id", "CA/1", "--json"),
                *("--url", f"{url.replace('http', 'ws')}/media"),
                *("--token", local_token(settings, "media") or ""),
                *("--api-token", local_token(settings, "admin") or ""),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        headers = {"Authorization": f"Bearer {local_token(settings, 'admin')}"}
        deadline = time.monotonic() + 120
        with httpx.Client(headers=headers, trust_env=False) as client:
            while not client.get(f"{url}/health").json()["calls"]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            configured(log).write_text("[admission]\ncalls = 5\n")
            process.send_signal(signal.SIGHUP)
            while "settings_reloaded" not in log.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            configured(log).write_text("[admission]\ncalls = 6\n[sip]\nport = 5070\n")
            done = reloaded(settings, url)
            assert json.loads(done.stdout) == {
                "dry_run": False, "changed": ["admission.calls"], "restart": ["sip.port"],
            }  # fmt: skip
            configured(log).write_text("[admission]\ncalls = 0\n")
            done = reloaded(settings, url)
            assert done.returncode == 1
            assert "admission.calls" in done.stderr
            assert client.get(f"{url}/health").json()["calls"] == 1
            assert client.get(f"{url}/ready").status_code == 200
            process.send_signal(signal.SIGTERM)
            while client.get(f"{url}/ready").status_code == 200:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert process.wait(60) == 0, log.read_text()[-3000:]
        calling.kill()
        calling.wait()
    with closing(sqlite3.connect(settings.paths.state / "voicebot.db")) as database:
        ((ended, outcome),) = database.execute("select ended_at, outcome from call where id='CA/1'")
    assert ended
    assert outcome
    assert not (settings.paths.state / "spool").exists()


def test_a_second_service_says_whose_the_folder_is(settings: Settings) -> None:
    with only_service(settings.paths.state), pytest.raises(StateFolderError, match=r"paths\.state"):
        serving.serve(
            settings.model_copy(update={"server": settings.server.model_copy(update={"port": 0})})
        )


async def test_the_first_signal_lets_calls_finish_and_the_second_does_not_wait() -> None:
    stopping = serving.Stopping()
    stopping.server = uvicorn.Server(uvicorn.Config(app=lambda: None))
    for number, forced in ((signal.SIGTERM, False), (signal.SIGINT, True)):
        signal.raise_signal(number)
        await asyncio.sleep(0.05)
        assert stopping.requested.is_set()
        assert stopping.server.should_exit is forced
        assert stopping.server.force_exit is forced
    assert stopping.number == signal.SIGTERM


async def test_a_signal_while_models_load_unwinds_the_start() -> None:
    async def start() -> None:
        serving.Stopping()
        await asyncio.sleep(30)

    task = asyncio.create_task(start())
    await asyncio.sleep(0.05)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(asyncio.CancelledError):
        await task
