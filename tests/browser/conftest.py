"""Debian's chromium with a microphone made of a file; under CI a missing one is a failure."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import soundfile
from fastapi import Response

from telephony.loopback_server import LoopbackServer
from tests.browser.service import ScriptedService, tone
from voicebot.config import load_settings
from voicebot.records.store import Records
from voicebot.web.api import create_app

MICROPHONE_HZ = 700

LISTEN = """
// Every sound that reaches the loudspeaker passes this analyser.
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const analyser = new AnalyserNode(this.context, { fftSize: 4096, smoothingTimeConstant: 0 });
    connect.call(this, analyser);
    window.loudspeaker = () => {
      const bins = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(bins);
      const loudest = bins.reduce((best, value, i) => (value > bins[best] ? i : best), 0);
      return bins[loudest] < -60 ? 0
        : loudest * analyser.context.sampleRate / analyser.fftSize;
    };
  }
  return connect.call(this, target, ...rest);
};
"""

ECHO = """
registerProcessor("echo", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.port.onmessage = () => this.port.postMessage("here");
  }
  process() { return true; }
});
"""
"""What was posted to the audio thread before it, has arrived when this one answers."""


def _missing(what: str) -> None:
    message = f"{what} is not installed. Run `make setup`."
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        _missing("chromium")
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        _missing("playwright")
    microphone = tmp_path_factory.mktemp("microphone") / "microphone.wav"
    soundfile.write(microphone, tone(MICROPHONE_HZ, 5.0, 48000), 48000, "PCM_16")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=chromium,
            args=[
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}",
            ],
        )
        yield started
        await started.close()


@dataclass(eq=False)
class Visit:
    """A service, and a browser tab on its call page.

    Parameters:
        sent: messages of the page on the media WebSocket, audio left out.
        complaints: errors of the browser's console, such as a breach of the page's policy.
    """

    service: ScriptedService
    server: LoopbackServer
    page: Any
    sent: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each message of the page."""

    @property
    def marks(self) -> list[str]:
        return [each["mark"]["name"] for each in self.sent if each["event"] == "mark"]

    async def open(self, role: str = "media") -> None:
        """The page, with a token in the address."""
        token = self.service.records.tokens.create(role)
        await self.page.goto(f"{self.server.http_url}/call#token={token}")

    async def ready(self, role: str = "media") -> None:
        await self.open(role)
        await self.page.wait_for_selector('body[data-state="ready"]')

    async def dial(self, did: str = "12345", caller: str = "") -> Any:
        """Until the call is up; gives the scripted side."""
        await self.page.check(f'input[value="{did}"]', force=True)
        await self.page.fill("#caller", caller)
        await self.page.click("#dial button")
        call = await asyncio.wait_for(self.service.calls.get(), 60)
        await self.page.wait_for_selector('body[data-state="talking"]')
        return call

    async def fault(self) -> str:
        """The code of the fault that is shown, once there is one."""
        await self.page.wait_for_selector("#fault:not([hidden])", timeout=60_000)
        return str(await self.page.get_attribute("#fault", "data-code"))

    async def played(self, name: str) -> None:
        """Until the page has sent this mark back."""
        async with asyncio.timeout(60):
            while name not in self.marks:
                self.news.clear()
                await self.news.wait()

    async def meter(self, side: str, condition: str) -> None:
        """Until the level meter of `mic` or `bot` shows, say, ``> 30``.

        A function, for an expression is evaluated again at each poll, which the page's
        Content-Security-Policy forbids (microsoft/playwright#36986).
        """
        await self.page.wait_for_function(
            "() => Number(document.getElementById"
            f"('level-{side}').getAttribute('aria-valuenow')) {condition}",
            timeout=60_000,
        )

    async def hears(self, hertz: float) -> None:
        """Waits until this tone comes from the loudspeaker; 0: nothing."""
        await self.page.wait_for_function(
            "hertz => Math.abs(loudspeaker() - hertz) < 25", arg=hertz, timeout=60_000
        )


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Any, tmp_path: Path) -> AsyncIterator[Visit]:
    file = tmp_path / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{tmp_path / "state"}"\n')
    settings = load_settings(file)
    records = await Records.open(settings)
    service = ScriptedService(settings, records)
    context = await browser.new_context(permissions=["microphone"], locale="zh-CN")
    try:
        app = create_app(service)
        app.add_api_route("/echo.js", lambda: Response(ECHO, media_type="text/javascript"))
        async with LoopbackServer(app) as server:
            page = await context.new_page()
            await page.add_init_script(LISTEN)
            visit = Visit(service, server, page)
            _listen_in(visit)
            yield visit
            await context.close()
    finally:
        await records.close()


def _listen_in(visit: Visit) -> None:
    def frame(data: str | bytes) -> None:
        message = json.loads(data)
        if message["event"] != "media":
            visit.sent.append(message)
            visit.news.set()

    visit.page.on("websocket", lambda socket: socket.on("framesent", frame))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console",
        lambda message: visit.complaints.append(message.text) if message.type == "error" else None,
    )
