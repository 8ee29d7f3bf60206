"""A node with calls and one with pages, each a process; agents without a browser, and a caller.

Every party sends a tone of its own, so that whoever hears it has heard him.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from telephony import messages
from telephony.codecs import Int16, WireFormat
from telephony.loopback_server import free_port
from telephony.pacing import FrameClock
from tests.end_to_end.conftest import READY_S, ROOT, Running, stop_service
from voicebot.security import TokenStore

PATIENCE_S = 60
"""A busy machine is no fault of the service."""
LOUD = 6000


def start_node(role: str, folder: Path, database: str, nats: str, desk_port: int) -> Running:
    """`voicebot serve` in one role, until it answers.

    Parameters:
        desk_port: where every 110 is, for all nodes of one database.
    """
    folder.mkdir()
    port = free_port()
    log = folder / "service.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "voicebot.cli", "serve"],
        cwd=ROOT,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            "VOICEBOT_PATHS__STATE": str(folder),
            "VOICEBOT_SERVER__PORT": str(port),
            "VOICEBOT_SERVER__ROLES": json.dumps([role]),
            "VOICEBOT_SERVER__NODE": f"{role}-1",
            "VOICEBOT_SERVER__TRUSTED_PROXIES": '["127.0.0.1"]',
            "VOICEBOT_DATABASE__URL": database,
            "VOICEBOT_NATS__SERVERS": json.dumps([nats]),
            "VOICEBOT_ASR__ENGINE": "none",
            "VOICEBOT_ASR__LISTENER_PROCESS_SPARE": "false",
            "VOICEBOT_SIP__ENABLED": "false",
            "VOICEBOT_RATE_LIMITS__ENABLED": "false",
            "VOICEBOT_HANDOFF__DESK_URL": f"ws://127.0.0.1:{desk_port}/line",
            "VOICEBOT_HANDOFF__DESK_HTTP": f"http://127.0.0.1:{desk_port}",
            "VOICEBOT_HANDOFF__SEAT_URL": "console:",
            "VOICEBOT_HANDOFF__CONFIRM_TIMEOUT_S": "6",
        },
    )
    node = Running(process, folder, port, desk_port, 0, log)
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError, OSError):
            # Without a token it says so: it answers.
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 401:
                return node
        time.sleep(0.2)
    process.kill()
    raise AssertionError(f"{role} did not start:\n{log.read_text()[-4000:]}")


class Voice:
    """One end of a line: sends its tone from the first frame on, and keeps what it hears."""

    def __init__(
        self, socket: ClientConnection, wire: WireFormat, call_id: str, start: dict[str, str]
    ) -> None:
        self._socket, self._wire, self._stream = socket, wire, f"MZ{call_id}"
        self._call_id, self._start = call_id, start
        self.hertz = 0.0
        """Of what it sends; 0 is silence."""
        self.heard: list[Int16] = []
        self.over = asyncio.Event()

    async def hears(self, hertz: float) -> None:
        """Waits until this tone is what is heard."""
        async with asyncio.timeout(PATIENCE_S):
            while abs(self._loudest_hz() - hertz) > 15:  # noqa: ASYNC110 - a sound has no event
                await asyncio.sleep(0.1)

    def _loudest_hz(self) -> float:
        if not self.heard:
            return 0.0
        pcm = np.concatenate(self.heard[-50:]).astype(np.float64)
        if np.abs(pcm).max() < 500:
            return 0.0
        spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
        return float(np.argmax(spectrum[5:]) + 5) * self._wire.sample_rate / len(pcm)

    async def presses(self, key: str) -> None:
        await self._socket.send(messages.dtmf(self._stream, key))

    async def hangs_up(self) -> None:
        await self._socket.send(messages.stop(self._stream))

    def vanishes(self) -> None:
        """Without a word, as by a power cut."""
        self._socket.transport.abort()

    async def run(self) -> None:
        """Until the other side ends it, or it is cancelled."""
        speaking = asyncio.create_task(self._speak())
        try:
            async for data in self._socket:
                message = messages.parse_message(data)
                if isinstance(message, messages.Media):
                    self.heard.append(self._wire.decode(message.payload))
                elif isinstance(message, messages.Mark):
                    await self._socket.send(messages.mark(self._stream, message.name))
        finally:
            self.over.set()
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self) -> None:
        clock, sent = FrameClock(), 0
        frame = self._wire.frame_samples
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(
                messages.start(self._stream, self._call_id, self._wire, self._start)
            )
            while True:
                await clock.tick()
                at = (np.arange(frame) + sent * frame) / self._wire.sample_rate
                tone = LOUD * np.sin(2 * np.pi * self.hertz * at)
                sent += 1
                payload = self._wire.encode(tone.astype(np.int16))
                await self._socket.send(messages.media(self._stream, payload, chunk=sent))


@asynccontextmanager
async def talking(voice: Voice) -> AsyncIterator[Voice]:
    """The line is up until the block ends."""
    running = asyncio.create_task(voice.run())
    try:
        yield voice
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@dataclass
class Page:
    """An agent's desk at the node with pages, followed and answered as its page does."""

    url: str
    token: str
    me: str = ""
    shown: dict[str, Any] = field(default_factory=dict)
    """The newest of each event of the desk's stream."""
    _client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = httpx.Timeout(PATIENCE_S, read=None)
        self._client = httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=False
        )

    async def follow(self) -> None:
        """The desk's stream, until it is cancelled."""
        async with self._client.stream("GET", "/v1/agent/stream") as answer:
            assert answer.status_code == 200
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data = json.loads(line.removeprefix("data: "))
                    self.shown[name] = data
                    if name == "changes":
                        changed = {each["call_id"]: each for each in data["rows"]}
                        kept = (
                            each
                            for each in self.shown["calls"]
                            if each["call_id"] not in {*changed, *data["gone"]}
                        )
                        self.shown["calls"] = [*kept, *changed.values()]
                    elif name == "beat":
                        await self._client.put("/v1/agent/presence", json={})

    async def close(self) -> None:
        await self._client.aclose()

    async def sees_call(self, call_id: str, **values: Any) -> dict[str, Any]:
        """Waits until the list has this call, so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for call in self.shown.get("calls", ()):
                    if call["call_id"] == call_id and values.items() <= call.items():
                        return dict(call)
                await asyncio.sleep(0.05)

    async def rings(self, call_id: str) -> str:
        """Waits until this call rings here; gives its leg."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for offer in self.shown.get("offers", ()):
                    if offer["call_id"] == call_id:
                        return str(offer["leg"])
                await asyncio.sleep(0.02)

    async def acts(self, call_id: str, act: str, **given: str) -> httpx.Response:
        path = f"/v1/agent/calls/{quote(call_id, safe='')}/acts"
        return await self._client.post(path, json={"act": act, **given})

    async def get(self, path: str) -> httpx.Response:
        return await self._client.get(path)

    async def post(self, path: str) -> httpx.Response:
        return await self._client.post(path)

    async def put(self, path: str, **given: Any) -> httpx.Response:
        return await self._client.put(path, json=given)

    async def standing(self, call_id: str) -> dict[str, Any]:
        """How the call stands, as its own stream begins with."""
        path = f"/v1/agent/calls/{quote(call_id, safe='')}/stream"
        async with self._client.stream("GET", path) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    return dict(json.loads(line.removeprefix("data: "))["standing"])
        raise AssertionError("the stream has no beginning")

    @asynccontextmanager
    async def answers(self, leg: str, hertz: float) -> AsyncIterator[Voice]:
        """The agent's line of a call that rings."""
        address = f"{self.url.replace('http', 'ws', 1)}/v1/agent/offers/{leg}/line"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            voice = Voice(socket, WireFormat.named("audio/l16", 16_000), f"desk-{leg}", {})
            voice.hertz = hertz
            async with talking(voice):
                yield voice


@asynccontextmanager
async def opened_page(url: str, tokens: TokenStore, name: str) -> AsyncIterator[Page]:
    """The page of an agent who has a token made for him, with its stream open."""
    page = Page(url, await asyncio.to_thread(tokens.create, "agent", name))
    async with asyncio.timeout(PATIENCE_S):
        # A node looks for new tokens once a second.
        while (await page.get("/v1/agent/destinations")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    following = asyncio.create_task(page.follow())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "presence" not in page.shown:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        page.me = page.shown["presence"]["me"]
        yield page
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await page.close()


class Stage:
    """Parameters:
    media, web: the two nodes.
    database: of both.
    """

    def __init__(self, media: Running, web: Running, database: str) -> None:
        self.media, self.web = media, web
        self._tokens = TokenStore(database)
        self.url = f"http://127.0.0.1:{web.port}"

    def close(self) -> None:
        self._tokens.close()
        for node in (self.web, self.media):
            if node.process.poll() is None:
                stop_service(node)

    def page(self, name: str) -> AbstractAsyncContextManager[Page]:
        """An agent's page, with its stream open."""
        return opened_page(self.url, self._tokens, name)

    @asynccontextmanager
    async def caller(self, call_id: str, *, hertz: float = 0.0) -> AsyncIterator[Voice]:
        """A call at the node with calls, until the block ends."""
        headers = {"Authorization": f"Bearer {self.media.token('media')}"}
        async with connect(self.media.media, additional_headers=headers, proxy=None) as socket:
            start = {"caller": "13800138000", "did": "12345"}
            voice = Voice(socket, WireFormat.named("alaw"), call_id, start)
            voice.hertz = hertz
            async with talking(voice):
                yield voice

    async def record(self, call_id: str) -> dict[str, Any]:
        """The call's record once it is closed, as the node with pages has it."""
        headers = {"Authorization": f"Bearer {self.media.token('admin')}"}
        async with (
            asyncio.timeout(PATIENCE_S),
            httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False) as client,
        ):
            while True:
                answer = await client.get(f"/api/calls/{call_id}")
                if answer.status_code == 200 and answer.json().get("ended_at"):
                    return dict(answer.json())
                await asyncio.sleep(0.1)
