"""A supervisor at the duty desk: a surge, a transfer, an announcement of two, a late ticket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy.orm import Session

from tests.browser.console.stage import CONSULTATION, FIRE, FOUND_MS, Person, Stage
from tests.voicebot.test_incidents import handed_off
from tests.voicebot.test_searching import call, handed
from voicebot.callers.tables import LimitRow
from voicebot.records.database import open_engine
from voicebot.records.tables import CallRow, HandoffRow
from voicebot.tickets import opening

pytestmark = pytest.mark.asyncio(loop_scope="session")

FULL_HOUSE = {
    "lines": [
        {
            "line": "12345",
            "groups": [{"region": "460100", "staffed": 10, "free": 0}],
            "waiting": 60,
            "oldest_wait_s": 240,
            "service_s": 300,
            "arrivals_per_min": 20,
        }
    ]
}
DAY_S = 86_400.0


@asynccontextmanager
async def full_house(stage: Stage) -> AsyncIterator[None]:
    """An ACD that tells every second that all seats are busy and many wait."""

    async def tell() -> None:
        headers = {"Authorization": f"Bearer {stage.token('acd')}"}
        async with httpx.AsyncClient(base_url=stage.url, headers=headers) as acd:
            while True:
                await acd.put("/v1/surge/figures", json=FULL_HOUSE)
                await asyncio.sleep(1.0)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def written(stage: Stage, work: Callable[[Session], object]) -> None:
    """What another process of the service would have put on record."""

    def write() -> None:
        engine = open_engine(f"sqlite:///{stage.running.state / 'voicebot.db'}", writes=True)
        with Session(engine) as session, session.begin():
            work(session)
        engine.dispose()

    await asyncio.to_thread(write)


def ended(session: Session, call_id: str) -> None:
    session.get_one(CallRow, call_id).ended_at = time.time()


async def colleague(stage: Stage, person: Person, path: str) -> None:
    """Another supervisor logs in in this browser."""
    token = stage.another("supervisor", "李值班")
    async with asyncio.timeout(FOUND_MS / 1000):
        while True:
            answer = await person.page.request.post("/v1/session", data={"token": token})
            if answer.status == 200:
                break
            await asyncio.sleep(0.5)
    await person.page.goto(path)


async def submit(person: Person, dialog: str, **fields: str) -> None:
    """Fill in an open dialog and send it."""
    form = person.page.locator(f"#{dialog} form")
    for name, value in fields.items():
        field = form.locator(f'[name="{name}"]')
        if await field.evaluate("each => each.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)
    await form.locator('button[type="submit"]').click()


async def test_a_surge_is_seen_at_a_glance_and_overridden_with_a_reason(stage: Stage) -> None:
    async with full_house(stage), stage.person("supervisor", "/console/duty/") as person:
        await person.see('.live[data-state="on"]')
        async with stage.caller(CONSULTATION, call_id="duty-surge", max_s=30.0):
            line = await person.see('[data-line="12345"][data-mode="surge"]')
            glance = await line.inner_text()
            assert "高峰" in glance
            assert "由机器人接听" in glance
            assert "60" in glance
        await person.opens("override")
        await submit(person, "override", order="bot", line="12345", why="")
        assert await person.page.locator("#override").is_visible(), "a reason is needed"
        await submit(person, "override", order="bot", line="12345", why="台风登陆，座席撤离")
        order = await person.see(".duty-orders tbody tr", "台风登陆，座席撤离")
        assert "supervisor-1" in await order.inner_text()
        async with stage.caller(CONSULTATION, call_id="duty-ordered", max_s=30.0):
            await person.see('[data-line="12345"] .duty-because', "台风登陆，座席撤离")
        await person.page.click(".duty-orders form button")
        await person.gone(".duty-orders")
    assert person.complaints == []


async def test_a_hand_off_moves_on_the_board_without_a_reload(stage: Stage) -> None:
    at = time.time()

    def asked(session: Session) -> None:
        call(session, "duty-live", at, ended_at=None, outcome=None)
        handed(session, "duty-live", at, state="ringing")

    def answered(session: Session) -> None:
        row = session.get_one(HandoffRow, "duty-live-h1")
        row.state, row.connected_at, row.connected_to = "confirmed", time.time(), row.destination

    async with stage.person("supervisor", "/console/duty/") as person:
        await written(stage, asked)
        row = '[data-handoff="duty-live-h1"]'
        await person.see(row, "振铃")
        await written(stage, answered)
        await person.see(row, "有人接听")
        await written(stage, lambda session: ended(session, "duty-live"))
        await person.gone(row)
    assert person.complaints == []


async def test_a_supervisor_finds_why_the_bot_transferred_a_call(
    stage: Stage, police: object
) -> None:
    async with (
        stage.person("supervisor", "/console/duty/") as person,
        stage.caller(FIRE, number="13800138077", call_id="duty-why", max_s=240.0) as calling,
    ):
        await calling
        await stage.record("duty-why")
        await person.page.click('.rail a[href="/console/duty/calls"]')
        await person.page.fill('form[role="search"] [name="number"]', "13800138077")
        await person.page.check('[name="transferred"]')
        await person.page.click('form[role="search"] button')
        found = await person.see("tbody tr", "13800138077")
        words = await found.inner_text()
        assert "险情" in words
        assert "110-4601" in words
        await found.locator("a").first.click()
        await person.see(".card.danger", "有人身危险")
    assert person.complaints == []


async def test_an_announcement_of_an_incident_needs_two_people(stage: Stage) -> None:
    def three(session: Session) -> None:
        for name in ("duty-i1", "duty-i2", "duty-i3"):
            handed_off(session, name, time.time())

    await written(stage, three)
    async with (
        stage.person("supervisor", "/console/duty/incidents") as first,
        stage.person(None, "/console/login") as second,
    ):
        async with asyncio.timeout(FOUND_MS / 1000):
            ours = first.page.locator("tbody a", has_text="五指山市 山体滑坡")
            while not await ours.count():  # taken in once a second
                await asyncio.sleep(0.5)
                await first.page.reload()
        await ours.first.click()
        await first.opens("announce")
        await submit(first, "announce", text="番阳镇的滑坡已经有人去救，有新情况请说。")
        mine = await first.see("[data-announcement]", "待批准")
        assert "须由另一人批准" in await mine.inner_text()
        assert await mine.locator("button", has_text="批准播报").count() == 0
        await colleague(stage, second, first.page.url)
        await second.page.click('[data-announcement] button:has-text("批准播报")')
        await second.see("[data-announcement]", "正在播报")
        await first.page.reload()
        await first.see("[data-announcement]", "李值班批准")
        await first.page.click('[data-announcement] button:has-text("停播")')
        await first.see("[data-announcement]", "已停播")
    assert first.complaints == []
    assert second.complaints == []


async def test_a_late_ticket_gets_supervision_with_a_reason(stage: Stage) -> None:
    await written(
        stage,
        lambda session: opening.save(
            session,
            ticket="duty-late-t1",
            at=time.time() - 30 * DAY_S,
            call_id="duty-late",
            matter="路灯坏了三个月没人修",
            place="和平大道",
            number="13800138078",
            region="460106",
        ),
    )
    async with stage.person("supervisor", "/console/duty/tickets?overdue=1") as person:
        late = await person.see("tr.danger", "路灯坏了三个月没人修")
        await late.locator("a").first.click()
        await person.opens("supervise")
        await submit(person, "supervise", why="三次催办没有回音，请今天答复")
        newest = await person.see("#history li", "三次催办没有回音，请今天答复")
        words = await newest.inner_text()
        assert "督办" in words
        assert "supervisor-1" in words
        await person.see(".toasts", "已督办")
    async with stage.person("agent", "/console/duty/tickets/duty-late-t1") as agent:
        await agent.see("#history li", "三次催办没有回音")
        assert await agent.page.locator('[data-opens="supervise"]').count() == 0
    assert person.complaints == []


async def test_a_proposed_limit_is_set_by_one_supervisor_and_reviewed_by_another(
    stage: Stage,
) -> None:
    def proposed(session: Session) -> None:
        call(session, "duty-silent", time.time() - 600.0, caller="13700137000")
        session.add(
            LimitRow(
                number="13700137000",
                state="proposed",
                reason="silent",
                evidence=["duty-silent"],
                proposed_at=time.time(),
            )
        )

    await written(stage, proposed)
    async with (
        stage.person("supervisor", "/console/duty/limits") as first,
        stage.person(None, "/console/login") as second,
    ):
        await first.see('[data-state="proposed"]', "13700137000")
        await first.opens("set-proposed")
        await submit(first, "set-proposed", why="一小时内十次无声")
        limited = await first.see('[data-state="in_force"]', "13700137000")
        assert "须由另一人复核" in await limited.inner_text()
        await colleague(stage, second, "/console/duty/limits")
        await second.opens("review")
        await second.page.check('#review [name="lift"][value="1"]')
        await submit(second, "review", why="来电人说明了情况")
        await second.see(".toasts", "已记录")
        await second.page.goto("/console/duty/limits?which=all")
        await second.see('[data-state="lifted"]', "13700137000")
    assert first.complaints == []
    assert second.complaints == []


async def test_charts_of_figures_are_drawn_and_their_numbers_stand_in_a_table(
    stage: Stage,
) -> None:
    async with stage.person("supervisor", "/console/duty/figures?span=today&by=hour") as person:
        await person.see("#shares canvas")
        await person.see("#figures-table caption", "按时段")
        heads = await person.page.locator("#figures-table thead th").all_inner_texts()
        assert "接通率" in heads
    assert person.complaints == []
