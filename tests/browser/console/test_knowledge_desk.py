"""The knowledge desk as somebody new uses it: from what was asked in vain to what the bot says."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.console.stage import PHONE, Person, Stage
from tests.voicebot.call_logs import record_in, unanswered

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION = "公园的饮水机坏了找谁修"
ANSWER = "请把饮水机上的编号告诉公园管理处，管理处会在两天内派人来修。"
KNOWN = "社保卡丢了怎么补办"
TAKEN_UP_MS = 180_000
"""How long a busy machine may take to render an answer and make the index anew."""

SPEAK_INTO_THE_MICROPHONE = """
// The microphone gives what is in this file when `speak` is called.
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const bytes = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0));
  const source = new AudioBufferSourceNode(context, {
    buffer: await context.decodeAudioData(bytes.buffer),
  });
  const out = context.createMediaStreamDestination();
  source.connect(out);
  source.addEventListener("ended", () => { window.said = true; });
  window.speak = () => source.start();
  return out.stream;
};
"""


def recorded(stage: Stage, text: str) -> str:
    """A sentence in a caller's voice, as a WAV file in base 64."""
    return base64.b64encode(stage.speak(text).read_bytes()).decode()


async def saved(person: Person) -> None:
    await person.see(".toasts .ok")


async def test_a_newcomer_answers_what_callers_asked_in_vain_and_the_bot_says_it(
    stage: Stage,
) -> None:
    recently = time.time() - 600
    record_in(
        stage.running.state,
        ("gap-1", recently, unanswered(1, QUESTION), "460106"),
        ("gap-2", recently, unanswered(1, QUESTION), None),
    )
    async with stage.person("editor") as editor:
        page = editor.page
        await page.click("text=没答上的问题")
        await page.click("text=重新整理")
        row = await editor.see(".gaps > li", QUESTION)
        asked = (await row.locator(".count").inner_text()).split()[0]
        assert int(asked) >= 2  # by these two, and by other scenarios' callers
        await row.get_by_role("link", name="写一条答复").click()
        await expect(page.locator('[name="question"]')).to_have_value(QUESTION)
        await page.fill('[name="answer"]', ANSWER)
        await page.fill('[name="department"]', "市园林局")
        await page.fill('[name="category"]', "城市管理/公园")
        await page.click("[data-listen-form]")
        await editor.see("[data-listening] audio")
        await page.click("text=保存并提交审核")
        await saved(editor)
        await editor.see(".badge", "待审核")
        await editor.see("#judge-card", "等审核人审核")
        assert await page.locator('[data-act="approve"]').count() == 0
        assert editor.complaints == []

    async with stage.person("reviewer", "/console/knowledge?show=in_review") as reviewer:
        page = reviewer.page
        await page.click(f"text={QUESTION}")
        await page.click('[data-act="approve"]')
        await saved(reviewer)
        await page.click("[data-publish]")
        spoken = page.locator(".head .badge.ok").filter(has_text="正在播报第1版")
        await spoken.wait_for(timeout=TAKEN_UP_MS)
        await page.click("text=用这句话试问")
        await reviewer.see('.verdict[data-decision="answer"]', ANSWER)
        await reviewer.see(".candidates .why", QUESTION)
        assert reviewer.complaints == []

    async with stage.caller(f"请问{QUESTION}？", call_id="knowledge-1") as calling:
        await calling
    record = await stage.record("knowledge-1")
    assert ANSWER in [turn["text"] for turn in record["turns"] if turn["side"] == "bot"]


async def test_nobody_approves_what_he_wrote(stage: Stage) -> None:
    async with stage.person("reviewer", "/console/knowledge/new?question=海滩几点关门") as author:
        page = author.page
        await page.fill('[name="answer"]', "海滩晚上十点关门。")
        await page.fill('[name="department"]', "省旅文厅")
        await page.fill('[name="category"]', "旅游/海滩")
        await page.click("text=保存并提交审核")
        await author.see("#judge-card", "要由另一位审核人审核")
        assert await page.locator('[data-act="approve"]').count() == 0


async def test_who_saves_second_sees_what_the_first_has_changed(stage: Stage) -> None:
    async with (
        stage.person("editor", f"/console/knowledge?text={KNOWN}") as first,
        stage.person("reviewer", f"/console/knowledge?text={KNOWN}") as second,
    ):
        for person in (first, second):
            await person.page.click(f"th >> text={KNOWN}")
            await person.see("#entry")
        await first.page.fill('[name="source"]', "省人社厅通知")
        await first.page.click("text=只存草稿")
        await saved(first)
        await second.page.fill('[name="channel"]', "海易办App")
        await second.page.click("text=只存草稿")
        conflict = await second.see("[data-conflict]", "editor-1 刚保存了")
        assert "省人社厅通知" in await conflict.locator("dl").inner_text()
        await expect(second.page.locator('[name="channel"]')).to_have_value("海易办App")
        await second.page.click("[data-keep-mine]")
        await saved(second)
        await second.page.click("[data-compare] >> nth=0")
        await second.see("#compared ins", "App")
        await expect(second.page.locator('[name="source"]')).to_have_value("省人社厅通知")


async def test_a_field_that_cannot_be_used_is_named_beside_it(stage: Stage) -> None:
    async with stage.person("editor", "/console/knowledge/new?question=怎么连网") as editor:
        page = editor.page
        await page.fill('[name="answer"]', "请连接WiFi。")
        await page.fill('[name="department"]', "省大数据局")
        await page.fill('[name="category"]', "网络")
        await page.click("text=只存草稿")
        await editor.see('[data-error="answer"]', "读不出来：请把“WiFi”写成中文")
        assert await page.evaluate("() => document.activeElement.name") == "answer"


async def test_a_phrase_is_asked_aloud(stage: Stage) -> None:
    spoken = await asyncio.to_thread(recorded, stage, f"请问{KNOWN}？")
    async with stage.person(
        "editor", "/console/knowledge/try", permissions=["microphone"]
    ) as editor:
        page = editor.page
        await page.evaluate(SPEAK_INTO_THE_MICROPHONE % spoken)
        await page.click("#aloud")
        await editor.see("#hearing")
        await page.evaluate("() => window.speak()")
        await page.wait_for_function("() => window.said", timeout=30_000)
        await page.click("#aloud")
        heard = await (await editor.see("#heard")).inner_text()
        assert "社保卡" in heard
        await editor.see('.verdict[data-decision="answer"]')
        assert editor.complaints == []


async def test_danger_is_said_before_any_answer(stage: Stage) -> None:
    async with stage.person("editor", "/console/knowledge/try?query=我家着火了") as editor:
        await editor.see('.verdict[data-danger="certain"] .notice.danger', "先转110")


FILE = (
    "编号,分类,部门,问题,答案,生效日期,失效日期,状态\n"
    "imp-1,测试,省测试厅,测试导入的第一件事,请到窗口办理。,2026-01-01,2099-12-31,已审\n"
    "imp-2,测试,省测试厅,,请到窗口办理。,2026-01-01,2099-12-31,已审\n"
)


async def test_a_file_is_looked_at_and_then_written(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "口径.csv"
    file.write_bytes(FILE.encode("gbk"))
    async with stage.person("editor", "/console/knowledge/import") as editor:
        page = editor.page
        await page.set_input_files('[name="file"]', file)
        await page.click("text=先看看")
        await editor.see("#preview-card", "口径.csv")
        fault = await editor.see("table.data tr", "没有填")
        assert "3" in await fault.inner_text()
        await page.click("[data-confirm-import]")
        await editor.see(".toasts .ok", "新增1条")
        await editor.see("table.data", "测试导入的第一件事")
        assert editor.complaints == []


async def test_it_can_be_used_on_a_telephone(stage: Stage) -> None:
    async with stage.person("reviewer", "/console/knowledge", size=PHONE) as reviewer:
        for path in ("", "/new", "/try?query=" + KNOWN, "/gaps", "/import"):
            await reviewer.page.goto(f"/console/knowledge{path}")
            wide = await reviewer.page.evaluate("() => document.documentElement.scrollWidth")
            assert wide <= PHONE["width"], path
