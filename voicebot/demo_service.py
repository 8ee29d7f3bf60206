"""The demonstration's service and police desk, as processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from telephony.loopback_server import free_port
from voicebot.config import Settings, base_folder
from voicebot.demo_state import environment
from voicebot.errors import VoicebotError
from voicebot.security import local_token

READY_TIMEOUT_S = 180.0


class DemoFailed(VoicebotError):
    """A process did not start, or a call did not come out as it must."""

    code = "voicebot.demo"


@dataclass(frozen=True, slots=True)
class DemoService:
    """Where the service answers, what opens its doors, and its process."""

    http: str
    media: str
    live: str
    media_token: str
    admin_token: str
    desk_folder: Path
    pid: int


@contextlib.asynccontextmanager
async def running(settings: Settings, console: Console, folder: Path) -> AsyncIterator[DemoService]:
    """The service in the state folder of `settings`, and its desk, until the block ends.

    Raises:
        DemoFailed: the service does not start; the end of its log is told.
    """
    port, desk_port = free_port(), free_port()
    variables = {**os.environ, **environment(settings.paths.state, port, desk_port)}
    voicebot = [sys.executable, "-m", "voicebot.cli"]
    desk_folder = folder / "desk"
    # What callers said may be in it.
    log = os.open(folder / "service.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    processes: list[asyncio.subprocess.Process] = []

    async def start(*command: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *voicebot, *command, env=variables, cwd=base_folder(), stdout=log, stderr=log
        )
        processes.append(process)
        return process

    try:
        with console.status("正在启动服务和110席位 · starting the service and the police desk"):
            started = time.monotonic()
            service_process = await start("serve")
            await start(
                "desk",
                "--port",
                str(desk_port),
                "--answer-after",
                "2",
                "--record",
                str(desk_folder),
            )
            service = await _ready(settings, service_process, port, desk_folder, folder)
        console.print(f"服务已就绪 · ready in {time.monotonic() - started:.1f} s\n")
        yield service
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
        os.close(log)


async def _ready(
    settings: Settings,
    process: asyncio.subprocess.Process,
    port: int,
    desk_folder: Path,
    folder: Path,
) -> DemoService:
    deadline = time.monotonic() + READY_TIMEOUT_S
    http = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.returncode is not None:
                break
            with contextlib.suppress(httpx.HTTPError, VoicebotError):
                token = local_token(settings, "admin") or ""
                answer = await client.get(
                    f"{http}/health", headers={"Authorization": f"Bearer {token}"}
                )
                if answer.status_code == 200:
                    return DemoService(
                        http,
                        f"ws://127.0.0.1:{port}/media",
                        f"ws://127.0.0.1:{port}/api/live",
                        local_token(settings, "media") or "",
                        token,
                        desk_folder,
                        process.pid,
                    )
            await asyncio.sleep(0.2)
    tail = (folder / "service.log").read_text("utf-8", "replace")[-2000:]
    raise DemoFailed(f"The service did not start. The end of its log:\n{tail}")
