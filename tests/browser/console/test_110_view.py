"""The 110 view on a phone: opened by the link, read as it is spoken, acknowledged and answered."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from urllib.parse import quote, urlsplit

import pytest

from tests.browser.console.stage import FIRE, PHONE, Stage
from tests.browser.console.telephone import telephone
from tests.browser.console.test_accessibility import violations
from tests.end_to_end.conftest import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD_PEOPLE = "三楼还有两个老人没有下来。"
SAID = """() => [...document.querySelectorAll('#transcript li.caller .said')]
  .map((each) => each.innerText).join('').length"""
"""Characters of the caller's that are on the page."""


async def link(stage: Stage, handoff: str, *options: str) -> str:
    """As `voicebot handoff link` prints it, once the hand-off is on record."""
    path = f"/api/handoffs/{quote(handoff, safe='')}"
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(stage.running.get, path)).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    told = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "voicebot.cli", "handoff", "link", handoff, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={
            **os.environ,
            "VOICEBOT_PATHS__STATE": str(stage.running.state),
            "VOICEBOT_SERVER__PORT": str(stage.running.port),
        },
    )
    return told.stdout.strip()


async def test_an_officer_reads_acknowledges_hears_and_answers(
    stage: Stage, police: object
) -> None:
    async with telephone(stage, "view-fire", caller="13800138031") as phone:
        await phone.hears_mark("begin:")
        await phone.presses("1")  # to 110, however busy the machine is that is to understand him
        await phone.says(stage.speak(FIRE))
        url = await link(stage, "view-fire-h1")
        assert url.startswith(stage.url)
        async with stage.person(None, url, size=PHONE) as officer:
            page = officer.page
            await officer.see("#caller", "13800138031")
            await officer.see("#transcript li.caller")
            assert await violations(officer) == []
            wide = await page.evaluate("() => document.documentElement.scrollWidth")
            assert wide <= PHONE["width"]

            # Words that come while he reads.
            before = await page.evaluate(SAID)
            await phone.says(stage.speak(OLD_PEOPLE))
            await page.wait_for_function(f"before => ({SAID})() > before", arg=before)

            await page.fill("#who", "警号0123")
            await page.click("#acknowledge button")
            await officer.see("#words li", "警号0123 已签收")
    await stage.record("view-fire")
    async with stage.person(None, url, size=PHONE) as officer:
        page = officer.page
        await officer.see("#running", "通话已结束")
        await page.wait_for_selector("#recording[src]:not([hidden])")
        seconds = await page.evaluate(
            """() => new Promise((resolve, reject) => {
              const player = document.getElementById("recording");
              player.onloadedmetadata = () => resolve(player.duration);
              player.onerror = () => reject(new Error("not played"));
              player.load();
            })"""
        )
        assert seconds > 5.0
        await page.fill("#who", "警号0123")
        await page.select_option('[name="outcome"]', "resolved")
        await page.fill('[name="text"]', "火已扑灭，两名老人已救出。")
        await page.click('#feedback button[type="submit"]')
        await officer.see("#words li", "已救出")
    assert officer.complaints == []


async def test_a_forged_changed_or_expired_link_is_refused(stage: Stage) -> None:
    async with telephone(stage, "view-refused", caller="13800138032") as phone:
        await phone.hears_mark("begin:")
        await phone.presses("1")
        url = await link(stage, "view-refused-h1", "--hours", "0.1")
    split = urlsplit(url)
    wrong = {
        "forged": url[:-4] + "AAAA",
        "another hand-off": url.replace("view-refused-h1", "view-refused-h2"),
        "longer": url.replace(split.query.split("&")[0], "until=1999999999"),
        "without a signature": url.partition("?")[0],
    }
    for how, address in wrong.items():
        async with stage.person(None, address) as stranger:
            await stranger.see("h1", "链接无效或已过期")
            text = await stranger.page.inner_text("body")
            assert "13800138032" not in text, how
