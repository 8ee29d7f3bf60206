"""What the trial of the exchange runs: both sides as processes, and a line that loses."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import multiprocessing
import random
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx

from benchmarks.exchange_service import TOKEN, run_platform, run_service

START_S = 120.0


class LossyLine:
    """Carries TCP between the two, and breaks connections by chance, before or after a request.

    Parameters:
        chance: of a break, for each piece of data in either direction.
    """

    def __init__(self, to_port: int, dice: random.Random, chance: float) -> None:
        self.to_port, self._dice, self.chance = to_port, dice, chance
        self.lost = 0
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """The port that leads to the other end."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._carrying:
            task.cancel()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        writers = [back]
        try:
            far, out = await asyncio.open_connection("127.0.0.1", self.to_port)
            writers.append(out)
            await asyncio.gather(self._pump(near, out), self._pump(far, back))
        except OSError:
            pass
        finally:
            self._carrying.discard(task)
            for writer in writers:
                writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self._dice.random() < self.chance:
                self.lost += 1
                raise ConnectionResetError
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError  # both ways end together


class Side:
    """A process that serves HTTP on a port, and can be killed and started again.

    It is forked from a server that has all modules loaded, so that a life begins in
    milliseconds.
    """

    _fork = multiprocessing.get_context("forkserver")
    _fork.set_forkserver_preload(["benchmarks.exchange_service"])

    def __init__(self, port: int, ready: str) -> None:
        self.port, self._ready = port, ready
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            trust_env=False,
        )
        self._process: ForkServerProcess | None = None

    async def _start(self, target: Callable[..., None], *arguments: object) -> None:
        """Until it is ready, or dead."""
        self._process = self._fork.Process(target=target, args=arguments, daemon=True)
        self._process.start()
        async with asyncio.timeout(START_S):
            while self._process.is_alive():
                with contextlib.suppress(httpx.HTTPError):
                    if (await self.http.get(self._ready)).is_success:
                        return
                await asyncio.sleep(0.02)

    async def kill(self) -> bool:
        """False: it was dead already."""
        if self._process is None:
            return False
        alive = self._process.is_alive()
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        return alive

    async def died(self, within_s: float) -> bool:
        assert self._process is not None
        await asyncio.to_thread(self._process.join, within_s)
        return not self._process.is_alive()

    async def close(self) -> None:
        await self.kill()
        await self.http.aclose()


class Service(Side):
    """Ours: `benchmarks.exchange_service.run_service`."""

    def __init__(self, config: Path, port: int) -> None:
        super().__init__(port, "/trial/ready")
        self._config = config

    async def start(self, step: str = "", count: int = 0) -> None:
        await self._start(run_service, self._config, self.port, step, count)


class StandIn(Side):
    """110's: `benchmarks.exchange_service.run_platform`."""

    def __init__(self, config: Path, port: int, hotline_port: int) -> None:
        super().__init__(port, "/admin/figures")
        self._config, self._hotline_port = config, hotline_port
        self.fallen: Counter[str] = Counter()
        """How often each fault fell, over all its lives."""

    async def start(self, faults: dict[str, Any]) -> None:
        await self._start(run_platform, self._config, self.port, self._hotline_port, faults)

    async def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/admin/figures")).raise_for_status().json()
        return found

    async def note_faults(self) -> None:
        """Before it is killed, since its counts go with its life."""
        with contextlib.suppress(httpx.HTTPError):
            self.fallen.update((await self.figures())["fallen"])


def write_settings(folder: Path, platform_port: int, database_url: str) -> Path:
    """Settings of both sides, with a key for each."""
    folder.mkdir(parents=True, exist_ok=True)
    for owner in ("12345", "110"):
        file = folder / f"{owner}.key"
        file.write_bytes(base64.b64encode(owner.encode() * 11))
        file.chmod(0o600)
    address = f"http://127.0.0.1:{platform_port}"
    config = folder / "voicebot.toml"
    config.write_text(
        f'[paths]\nstate = "{folder / "state"}"\n'
        f'[database]\nurl = "{database_url}"\n'
        f'[handoff]\ndesk_http = "{address}"\ndesk_token = "{TOKEN}"\n'
        f'[exchange]\nurl = "{address}"\nsign_with = "h1"\ntoken = "{TOKEN}"\n'
        "[exchange.keys]\n"
        f'h1 = {{ file = "{folder / "12345.key"}", owner = "12345" }}\n'
        f'p1 = {{ file = "{folder / "110.key"}", owner = "110" }}\n'
    )
    return config
