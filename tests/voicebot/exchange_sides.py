"""Both sides of the exchange as they run: our service's app, and the stand-in's process."""

import asyncio
import base64
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from telephony.loopback_server import LoopbackServer
from tests.voicebot.conftest import ROOT
from tests.voicebot.test_web import _Service
from voicebot.config import Settings, load_settings
from voicebot.exchange.platform import Platform
from voicebot.exchange.tables import EnvelopeRow
from voicebot.exchange.worker import EnvelopeWorker
from voicebot.records.store import Records
from voicebot.web.api import create_app

TOKEN, HOTLINE_TOKEN = "stand-in's token", "token of role 110"


def write_settings(folder: Path, platform_port: int, database_url: str = "") -> Path:
    """Settings of both sides, with a key for each."""
    folder.mkdir(parents=True, exist_ok=True)
    for owner in ("12345", "110"):
        file = folder / f"{owner}.key"
        file.write_bytes(base64.b64encode(owner.encode() * 11))
        file.chmod(0o600)
    config = folder / "voicebot.toml"
    config.write_text(
        f'[paths]\nstate = "{folder / "state"}"\n'
        f'[database]\nurl = "{database_url}"\n'
        f'[exchange]\nurl = "http://127.0.0.1:{platform_port}"\nsign_with = "h1"\n'
        f'token = "{TOKEN}"\n[exchange.keys]\n'
        f'h1 = {{ file = "{folder / "12345.key"}", owner = "12345" }}\n'
        f'p1 = {{ file = "{folder / "110.key"}", owner = "110" }}\n'
    )
    return config


class StandIn:
    """The stand-in as a process, told what to do over HTTP."""

    def __init__(self, folder: Path, port: int, hotline_port: int) -> None:
        self._folder, self.port, self._hotline_port = folder, port, hotline_port
        self._process: subprocess.Popen[str] | None = None
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            trust_env=False,
        )

    def start(self) -> None:
        config = write_settings(self._folder, self.port)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "voicebot.cli", "--config", str(config)),
                *("exchange", "stand-in", "--port", str(self.port)),
                *("--hotline", f"http://127.0.0.1:{self._hotline_port}"),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "VOICEBOT_HOTLINE_TOKEN": HOTLINE_TOKEN},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert "listens" in line, line + self._process.stderr.read()

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def faults(self, **chances: float) -> None:
        self._http.put("/admin/faults", json={"seed": 1, **chances}).raise_for_status()

    def push(self, count: int, messages: int) -> list[str]:
        answer = self._http.post("/admin/push", json={"count": count, "messages": messages})
        numbers: list[str] = answer.raise_for_status().json()
        return numbers

    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = self._http.get("/admin/figures").json()
        return found

    def effects(self, subject: str) -> list[str]:
        """Ids about a subject, in the order in which they were applied."""
        applied: list[str] = self._http.get("/admin/effects").raise_for_status().json()
        return [each for each in applied if each.split(":")[2] == subject]


@contextlib.asynccontextmanager
async def hotline(settings: Settings, port: int) -> AsyncIterator[Records]:
    """Our service's app on its port, with what it sends 110."""
    records = await Records.open(settings)
    known = await asyncio.to_thread(records.tokens.principal, HOTLINE_TOKEN)
    if known is None:
        await asyncio.to_thread(records.tokens.put_on_record, HOTLINE_TOKEN, "110", "110")
    worker = asyncio.create_task(EnvelopeWorker(records, Platform(settings.exchange)).run())
    try:
        async with LoopbackServer(create_app(_Service(settings, records)), port=port):
            yield records
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        await records.close()


def settings_of(folder: Path, platform_port: int, database_url: str = "") -> Settings:
    return load_settings(write_settings(folder, platform_port, database_url))


async def until(true: Callable[[], Any], seconds: float = 120) -> None:
    """Wait for something that another process does."""
    async with asyncio.timeout(seconds):
        while True:
            if await asyncio.to_thread(true):
                return
            await asyncio.sleep(0.05)


async def all_confirmed(records: Records) -> None:
    """Wait until 110 has all that was sent."""
    left = select(EnvelopeRow.id).where(EnvelopeRow.state != "delivered").limit(1)
    async with asyncio.timeout(120):
        while True:
            if await records.read(lambda session: session.scalars(left).first()) is None:
                return
            await asyncio.sleep(0.05)
