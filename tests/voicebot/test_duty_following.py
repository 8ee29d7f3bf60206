"""What may be dialled follows the directory, in running calls too, and never to nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from telephony.dialing import DutyDirectory
from voicebot.clock import BEIJING
from voicebot.config import Settings
from voicebot.duty.changing import Who, apply, plan_numbers
from voicebot.duty.directory import notice_address
from voicebot.duty.following import follow_directory
from voicebot.duty.number_file import read_numbers
from voicebot.records.duty import in_force
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.records.tables import DutyNumberRow

HEAD = "号码,线路,地区,名称,通知地址,值班日,开始,结束\n"
LONGHUA = "119-460106,119,龙华区,龙华消防,http://127.0.0.1:7001,,,\n"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


async def bring(records: Records, settings: Settings, rows: str) -> None:
    def write(session: Session) -> None:
        read = read_numbers((HEAD + rows).encode())
        assert not read.errors
        apply(session, plan_numbers(session, read, settings).changes, Who("甲", "甲", ""), 1.0)

    await records.transact(write)


@asynccontextmanager
async def following(records: Any, current: DutyDirectory) -> AsyncIterator[list[DutyDirectory]]:
    taken: list[DutyDirectory] = []
    task = asyncio.create_task(follow_directory(records, current, taken.append, every_s=0.01))
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_taken(taken: list[DutyDirectory], count: int = 1) -> None:
    async with asyncio.timeout(60):
        while len(taken) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_new_number_is_taken_up_without_a_restart(
    records: Records, settings: Settings
) -> None:
    current = await records.duty_directory()
    async with following(records, current) as taken:
        await bring(records, settings, LONGHUA)
        await until_taken(taken)
    assert taken[-1].resolve("119-460106").name == "龙华消防"
    assert len(taken[-1]) == len(current) + 1


async def test_an_emptied_directory_closes_no_line(records: Records) -> None:
    current = await records.duty_directory()
    seen = 0

    class Emptied:
        async def duty_numbers(self) -> list[dict[str, Any]]:
            nonlocal seen
            seen += 1
            if seen % 2:
                raise RecordsUnavailable("away")
            return await records.duty_numbers()

    await records.transact(lambda session: session.execute(delete(DutyNumberRow)))
    async with following(Emptied(), current) as taken, asyncio.timeout(60):
        while seen < 6:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert taken == []


async def test_a_row_that_cannot_stand_is_left_out_and_the_others_stay(
    records: Records, settings: Settings
) -> None:
    current = await records.duty_directory()

    def spoil(session: Session) -> None:
        row = session.get(DutyNumberRow, "120")
        assert row is not None
        row.url = "ws://10.0.0.9/plain"

    await records.transact(spoil)
    async with following(records, current) as taken:
        await until_taken(taken)
    assert {number.number for number in current} - {number.number for number in taken[-1]} == {
        "120"
    }


async def test_hours_begin_and_end(records: Records, settings: Settings) -> None:
    night = LONGHUA.replace(",,,\n", ",每天,18:00,08:00\n")
    await bring(records, settings, night)
    (row,) = [row for row in await records.duty_numbers() if row["number"] == "119-460106"]
    assert in_force(row, at("2026-03-03 07:59"))
    assert not in_force(row, at("2026-03-03 08:00"))


async def test_a_notice_goes_to_the_desk_that_is_nearest_and_in_force(
    records: Records, settings: Settings
) -> None:
    await bring(records, settings, LONGHUA.replace(",,,\n", ",每天,08:00,18:00\n"))

    def address(region: str | None, moment: str) -> Any:
        return records.read(notice_address, "119", region, at(moment))

    own, line = "http://127.0.0.1:7001", settings.handoff.desk_http
    assert await address("460106", "2026-03-03 12:00") == own
    assert await address("460106", "2026-03-03 20:00") == line
    assert await address("460107", "2026-03-03 12:00") == line
    assert await address(None, "2026-03-03 12:00") == line
