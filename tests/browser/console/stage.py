"""The stage of the console's scenarios: the real service in a process of its own, people with
browsers, callers with voices, and 110.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telephony.call_report import CallReport
from telephony.caller import place_call
from tests.end_to_end.conftest import Running
from voicebot.records.database import migrate
from voicebot.security import TokenStore

Speak = Callable[[str], Path]

OFFICE = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
FOUND_MS = 60_000
"""How long a page may take to show what it is waited for; a busy machine is no fault of a page."""
SPOKEN_MS = 180_000
"""How long it may take until what is being said is recognised, and acted on."""

OFFICER = "您好，这里是一一零报警服务台，请讲。"
FIRE = (
    "你好，我在海口市龙华区，想问个事情，哎呀，厨房着火了，火很大，满屋子都是烟，"
    "我妈妈还在里面出不来，这里是国贸路二十八号，你们快点派人来，快点。"
)
CONSULTATION = "请问社保卡丢了怎么补办？"
MATTER = "我想反映一下，我们这边公园里的直饮水机坏了三个月，一直没有人修。"


@dataclass(eq=False)
class Person:
    """Somebody in front of a browser.

    Parameters:
        complaints: errors of the browser's console, such as a breach of the page's policy.
    """

    page: Any
    role: str
    complaints: list[str] = field(default_factory=list)

    async def see(self, selector: str, text: str = "", *, within_ms: float = FOUND_MS) -> Any:
        """Until this is on the page; gives the first such element."""
        found = self.page.locator(selector)
        if text:
            found = found.filter(has_text=text)
        await found.first.wait_for(state="visible", timeout=within_ms)
        return found.first

    async def opens(self, dialog: str) -> None:
        """Press the button of a dialog, once the page's scripts are there that open it."""
        button = await self.see(f'[data-opens="{dialog}"]')
        await self.page.wait_for_load_state("load")
        await button.click()

    async def gone(self, selector: str) -> None:
        await self.page.locator(selector).first.wait_for(state="detached", timeout=FOUND_MS)


class Stage:
    """Parameters:
    running: the service; tokens of every role are made in its database.
    browser: of Playwright.
    """

    def __init__(self, running: Running, browser: Any, speak: Speak) -> None:
        self.running, self.browser, self.speak = running, browser, speak
        self.url = f"http://127.0.0.1:{running.port}"
        self._tokens = TokenStore(f"sqlite:///{running.state / 'voicebot.db'}")
        self._known: dict[str, str] = {}

    def token(self, role: str) -> str:
        """A token of this role, named after it."""
        if role not in self._known:
            self._known[role] = self._tokens.create(role, f"{role}-1")
        return self._known[role]

    def another(self, role: str, name: str) -> str:
        """A token of a further person of this role."""
        key = f"{role} {name}"
        if key not in self._known:
            self._known[key] = self._tokens.create(role, name)
        return self._known[key]

    def close(self) -> None:
        self._tokens.close()

    @asynccontextmanager
    async def person(
        self,
        role: str | None,
        path: str = "/console/",
        *,
        dark: bool = False,
        size: dict[str, int] = OFFICE,
        language: str = "zh-CN",
        **context: Any,
    ) -> AsyncIterator[Person]:
        """A browser of its own, logged in as this role, on this page; None: not logged in."""
        opened = await self.browser.new_context(
            base_url=self.url,
            viewport=size,
            locale=language,
            timezone_id="Asia/Shanghai",
            color_scheme="dark" if dark else "light",
            **context,
        )
        try:
            if role is not None:
                await self._log_in(opened, role)
            page = await opened.new_page()
            person = Person(page, role or "")
            page.on("pageerror", lambda error: person.complaints.append(str(error)))
            page.on(
                "console",
                lambda message: (
                    person.complaints.append(message.text) if message.type == "error" else None
                ),
            )
            await page.goto(path, wait_until="load", timeout=FOUND_MS)
            yield person
        finally:
            await opened.close()

    async def _log_in(self, context: Any, role: str) -> None:
        token = self.token(role)
        async with asyncio.timeout(FOUND_MS / 1000):
            while True:  # the service looks for new tokens once a second
                answer = await context.request.post("/v1/session", data={"token": token})
                if answer.status == 200:
                    return
                await asyncio.sleep(0.5)

    @asynccontextmanager
    async def caller(
        self, *said: str, number: str = "13800138000", call_id: str, **options: Any
    ) -> AsyncIterator[asyncio.Task[CallReport]]:
        """A call with a real voice, which goes on until its task or the block ends."""
        files = [await asyncio.to_thread(self.speak, text) for text in said]
        options = {"quiet_s": 5.0, "max_s": 90.0, **options}
        calling = asyncio.create_task(
            place_call(
                self.running.media,
                files,
                number,
                "12345",
                token=self.running.token("media"),
                call_sid=call_id,
                **options,
            )
        )
        try:
            yield calling
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)

    async def record(self, call_id: str) -> dict[str, Any]:
        """The call's record once it is closed."""
        return await asyncio.to_thread(self.running.record, call_id)


def prepared(state: Path) -> str:
    """The database of a state folder that a service will take up, brought up to date; its URL."""
    url = f"sqlite:///{state / 'voicebot.db'}"
    migrate(url)
    return url


NAV_HREFS = "() => [...document.querySelectorAll('.rail nav a')].map(a => a.getAttribute('href'))"


async def nav_of(person: Person) -> Sequence[str]:
    """The paths of the navigation, as this person has it."""
    found: list[str] = await person.page.evaluate(NAV_HREFS)
    return found
