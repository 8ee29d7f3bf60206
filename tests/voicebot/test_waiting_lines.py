"""A full 110 in whole calls through the service: who has the line, who waits, who gets it next."""

from __future__ import annotations

import asyncio

import pytest

from flows.events import LegState as Progress
from flows.events import TransferProgress
from flows.state import Phase
from telephony.scripted import ScriptedLine
from telephony.scripted_desk import Answer, Busy, HangUp, Ring, Wait
from tests.voicebot.test_session import (
    ANSWERS,
    OFFICER_SPEAKS,
    POLICE,
    SEAT,
    Running,
    called,
    desk_url,
    engines,
    handoff,
    offered,
    said,
    service,
    settings,
    until,
)
from voicebot.app import Service

__all__ = ["desk_url", "engines", "service", "settings"]

pytestmark = pytest.mark.leaping_time

TALKS_A_WHILE = (Ring(), Wait(0.05), Answer(), OFFICER_SPEAKS, Wait(20.0), HangUp())


@pytest.fixture
def options() -> str:
    return f'lines = {{ "{POLICE}" = 1 }}'


async def in_danger(service: Service, number: int, words: str) -> Running:
    line = ScriptedLine(offered(f"c-{number}", caller=f"1380013800{number}"))
    line.desks |= {POLICE: TALKS_A_WHILE, SEAT: (Busy(),)}
    call = await called(service, line)
    call.says(words)
    return call


async def test_a_line_that_is_free_goes_to_the_riskiest_of_those_who_wait(
    service: Service,
) -> None:
    first = await in_danger(service, 1, "救命")
    await first.in_phase(Phase.CONNECTED)
    second = await in_danger(service, 2, "救命啊")
    third = await in_danger(service, 3, "救命孩子没有呼吸了")
    await until(lambda: len(service.waiting.waiting(0.0)) == 2)
    await asyncio.sleep(17.0)
    assert POLICE not in second.dialled() + third.dialled(), "nobody dials into a full 110"
    ahead = [each["call_id"] for each in service.waiting.waiting(0.0)]
    assert ahead == ["c-3", "c-2"]
    await until(lambda: third.session._state.phase is Phase.CONNECTED, 20.0)
    assert POLICE not in second.dialled()
    await first.over()
    await until(lambda: second.session._state.phase is Phase.CONNECTED, 40.0)
    for call in (second, third):
        if not call.taking.done():
            await call.hung_up()
    told = [each for each in await said(service, "c-2") if each.startswith("line")]
    assert told[:2] == ["lines_full", "lines_full_still"]
    assert told[-1] == "line_free"


async def test_a_caller_who_waits_and_tells_of_worse_goes_first(service: Service) -> None:
    first = await in_danger(service, 1, "救命")
    await first.in_phase(Phase.CONNECTED)
    second = await in_danger(service, 2, "救命有人被困")
    third = await in_danger(service, 3, "救命啊")
    await until(lambda: len(service.waiting.waiting(0.0)) == 2)
    assert service.waiting.waiting(0.0)[0]["call_id"] == "c-2"
    third.says("里面的人没有呼吸了", turn=2)
    await until(lambda: service.waiting.waiting(0.0)[0]["call_id"] == "c-3")
    dossier = (await handoff(service, "c-3-h1"))["dossier"]
    assert dossier["reason"] == "danger"
    for call in (first, second, third):
        await call.hung_up()
    dossier = (await handoff(service, "c-3-h1"))["dossier"]
    assert "里面的人没有呼吸了" in [turn["text"] for turn in dossier["transcript"]]


@pytest.mark.parametrize("options", [""])
async def test_where_lines_are_not_counted_one_caller_alone_tries_a_busy_110(
    service: Service,
) -> None:
    lines = []
    for number in (1, 2):
        line = ScriptedLine(offered(f"c-{number}", caller=f"1380013800{number}"))
        line.desks |= {POLICE: (Busy(),), SEAT: (Busy(),)}
        lines.append(line)
    one, other = [await called(service, line) for line in lines]
    one.says("救命")
    await until(lambda: one.dialled() == [POLICE, SEAT])
    other.says("救命他没有呼吸了")
    await asyncio.sleep(20.0)
    tries = other.dialled().count(POLICE)
    assert tries >= 3
    assert one.dialled().count(POLICE) <= 2, "the riskier one alone tries it"
    other.line.desks[POLICE] = ANSWERS
    await other.in_phase(Phase.CONNECTED)
    for call in (one, other):
        await call.hung_up()


async def test_the_dossier_names_the_incident_that_the_call_belongs_to(service: Service) -> None:
    call = await in_danger(service, 1, "救命")
    await call.in_phase(Phase.CONNECTED)
    service._tell_incident("c-1", "c-1-h1", "i1126-3f9a2c")
    service._tell_incident("c-gone", "c-gone-h1", "i1126-3f9a2c")
    assert call.leg(POLICE).dossiers[-1]["incident"] == "i1126-3f9a2c"
    await call.hung_up()
    assert (await handoff(service))["dossier"]["incident"] == "i1126-3f9a2c"


async def test_a_list_that_fails_keeps_nobody_from_110(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    for name in ("take", "busy", "renew", "deal"):
        monkeypatch.setattr(service.waiting, name, broken)
    call = await in_danger(service, 1, "救命")
    await call.in_phase(Phase.CONNECTED)
    busy = TransferProgress(0.0, "c-1-h1", POLICE, Progress.BUSY)
    call.session._lines.heard_of(busy, 0.0)
    call.session._lines.tick(0.0)
    await call.hung_up()
