"""Agents' desks in a running call: it rings in a browser, 110 joins, the agent leaves; by whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from flows.events import AgentAct
from flows.state import Phase
from telephony import messages
from telephony.browser_leg import BrowserLeg
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.scripted import ScriptedLine
from tests.voicebot import test_session as calls
from tests.voicebot.test_session import (
    ANSWERS,
    OFFICER,
    POLICE,
    called,
    handoff,
    loudest,
    offered,
    until,
)
from voicebot.app import Service
from voicebot.call.agent_desks import AgentDesks, Presence, desk_number

pytestmark = pytest.mark.leaping_time

engines, options, desk_url, settings, service = (
    calls.engines,
    calls.options,
    calls.desk_url,
    calls.settings,
    calls.service,
)

AGENT = "ab12"


def nothing() -> None: ...


class Browser:
    """An agent's page: it answers what rings, and speaks all the time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.heard: list[bytes] = []
        self._carrying: asyncio.Task[None] | None = None
        self.over = asyncio.Event()

    async def answers(self) -> None:
        desks = self._service.desks
        await until(lambda: desks.offers(AGENT))
        offer = desks.answer(desks.offers(AGENT)[0].leg.id, AGENT)
        assert offer is not None
        self._carrying = asyncio.create_task(offer.leg.carry(self._receive, self._send))

    async def hangs_up(self) -> None:
        self.over.set()
        assert self._carrying is not None
        await self._carrying

    async def _receive(self) -> str | None:
        if self.over.is_set():
            return messages.stop("MZ1")
        await asyncio.sleep(0.02)
        return messages.media("MZ1", np.full(320, OFFICER, ">i2").tobytes())

    async def _send(self, text: str) -> None:
        self.heard.append(text.encode())


@pytest.fixture
def browser(service: Service) -> Iterator[Browser]:
    with service.desks.open(AGENT, "王芳", nothing):
        yield Browser(service)


async def test_an_agent_takes_a_call_in_his_browser_and_is_heard(
    service: Service, browser: Browser
) -> None:
    line = ScriptedLine(offered(), bridged=False)
    call = await called(service, line)
    call.session.ask(AgentAct.TAKE, "王芳", destination=f"seat@{AGENT}")
    await browser.answers()
    await call.in_phase(Phase.CONNECTED)
    assert service.desks.holder("c-1") == AGENT
    await until(lambda: loudest(line.heard()) > 0.8 * OFFICER)  # the caller hears the agent
    await line.say(calls.noise(0.4, 4000))
    await until(lambda: len(browser.heard) > 10)  # and the agent the caller
    await browser.hangs_up()
    record = await call.over()
    assert record["outcome"] == "human"
    assert (await handoff(service))["reason"] == "taken_over"
    assert service.desks.holder("c-1") == ""
    assert service.desks.has("c-1", AGENT), "the ticket is still his"


async def test_110_joins_and_the_agent_leaves_it_the_caller(
    service: Service, browser: Browser
) -> None:
    line = ScriptedLine(offered(), bridged=False)
    line.desks[POLICE] = (*ANSWERS, calls.Wait(60.0))
    call = await called(service, line)
    call.session.ask(AgentAct.TAKE, "王芳", destination=f"seat@{AGENT}")
    await browser.answers()
    await call.in_phase(Phase.CONNECTED)
    call.session.ask(AgentAct.JOIN_POLICE, "王芳")
    await until(lambda: POLICE in call.dialled() and call.leg(POLICE).off_hook)
    await until(lambda: call.session.state.handoff and call.session.state.handoff.connected)
    assert service.desks.holder("c-1") == AGENT, "he stays"
    await until(lambda: loudest(np.concatenate(call.leg(POLICE).sent)) > 0.8 * OFFICER)
    call.session.ask(AgentAct.LEAVE, "王芳")
    await until(lambda: service.desks.holder("c-1") == "")
    assert line.hang_ups == 0
    assert call.leg(POLICE).off_hook
    assert (await call.hung_up())["outcome"] == "handed_off"


async def test_a_browser_that_is_lost_leaves_the_caller_to_a_seat(
    service: Service, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.browser_leg.MEDIA_TIMEOUT_S", 0.3)
    line = ScriptedLine(offered())
    line.desks["seat"] = ANSWERS
    call = await called(service, line)
    call.session.ask(AgentAct.TAKE, "王芳", destination=f"seat@{AGENT}")
    await browser.answers()
    await call.in_phase(Phase.CONNECTED)
    assert browser._carrying is not None
    browser._carrying.cancel()
    await until(lambda: "seat" in call.dialled() and call.leg("seat").off_hook)
    assert line.hang_ups == 0
    await call.hung_up()


async def test_the_dossier_of_a_desk_is_posted_nowhere(service: Service, browser: Browser) -> None:
    call = await called(service, ScriptedLine(offered()))
    call.session.ask(AgentAct.TAKE, "王芳", destination=f"seat@{AGENT}")
    await browser.answers()
    await call.in_phase(Phase.CONNECTED)
    await browser.hangs_up()
    await call.over()
    assert (await handoff(service))["messages"] == []


def at_the_console(service: Service) -> None:
    """Seats have no telephone but the console (`handoff.seat_url = "console:"`)."""
    others = [number for number in service.directory if number.number != "seat"]
    seat = DutyNumber("seat", "seat", "", "console:", "人工座席")
    service.take_directory(DutyDirectory((*others, seat)))


async def test_a_caller_who_wants_a_person_rings_at_the_desks(
    service: Service, browser: Browser
) -> None:
    at_the_console(service)
    line = ScriptedLine(offered())
    call = await called(service, line)
    line.press("0")
    await browser.answers()
    await call.in_phase(Phase.CONNECTED)
    assert (await call.hung_up())["outcome"] == "human"
    assert (await handoff(service))["reason"] == "requested_human"


async def test_where_no_desk_is_open_the_matter_becomes_a_ticket(service: Service) -> None:
    at_the_console(service)
    line = ScriptedLine(offered())
    call = await called(service, line)
    line.press("0")
    await call.in_phase(Phase.TICKET_MATTER)
    assert line.hang_ups == 0
    await call.hung_up()


async def test_hold_is_the_endpoints_own(service: Service, browser: Browser) -> None:
    line = ScriptedLine(offered())
    call = await called(service, line)
    call.session.ask(AgentAct.TAKE, "王芳", destination=f"seat@{AGENT}")
    await browser.answers()
    await call.in_phase(Phase.CONNECTED)
    call.session.ask(AgentAct.HOLD, "王芳")
    await until(lambda: line.held)
    call.session.ask(AgentAct.RESUME, "王芳")
    await until(lambda: not line.held)
    await call.hung_up()


async def test_what_an_agent_asked_for_replays(service: Service, browser: Browser) -> None:
    call = await called(service, ScriptedLine(offered()))
    call.session.ask(AgentAct.TAKE, "王芳", destination=f"seat@{AGENT}")
    await browser.answers()
    await call.in_phase(Phase.CONNECTED)
    await call.hung_up()
    rows = await service.records.events("c-1")
    (asked,) = [row for row in rows if row["kind"] == "AgentAsked"]
    assert asked["payload"]["act"] == "take"
    compared = calls.compare(rows, service._policy, lambda texts: {})
    assert all(each.same for each in compared if each.event == "AgentAsked")


# ── desks ─────────────────────────────────────────────────────────────────────────


def rings_at_all(desks: AgentDesks) -> BrowserLeg:
    return desks.new_leg(
        desk_number("seat@") or pytest.fail("no number"), "c-1", answer_timeout_s=5.0
    )


async def test_a_call_for_any_seat_rings_where_an_agent_is_ready() -> None:
    desks = AgentDesks()
    changed: list[str] = []
    with (
        desks.open("a", "甲", lambda: changed.append("a")),
        desks.open("b", "乙", lambda: changed.append("b")),
    ):
        desks.set_presence("b", Presence.AWAY)
        leg = rings_at_all(desks)
        await leg.connect({})
        assert [offer.leg for offer in desks.offers("a")] == [leg]
        assert desks.offers("b") == ()
        assert set(changed) == {"a", "b"}
        offer = desks.answer(leg.id, "a")
        assert offer is not None
        assert desks.answer(leg.id, "a") is None, "once"
        assert desks.holder("c-1") == "a"
        await leg.hangup()
    assert not desks.is_open("a")


async def test_a_call_that_an_agent_has_is_answered_by_no_other_until_he_is_gone() -> None:
    desks = AgentDesks()
    with desks.open("a", "甲", nothing), desks.open("b", "乙", nothing):
        first, second = rings_at_all(desks), rings_at_all(desks)
        await first.connect({})
        assert desks.answer(first.id, "a") is not None
        await second.connect({})
        assert desks.answer(second.id, "b") is None
        assert desks.holder("c-1") == "a"
        await first.hangup()
        assert desks.answer(second.id, "b") is not None
        assert desks.holder("c-1") == "b"
        await second.hangup()


async def test_a_call_for_one_agent_rings_at_his_desk_alone_whatever_he_says_of_himself() -> None:
    desks = AgentDesks()
    number = desk_number("seat@b")
    assert number is not None
    with desks.open("a", "甲", nothing), desks.open("b", "乙", nothing):
        desks.set_presence("b", Presence.AWAY)
        leg = desks.new_leg(number, "c-1", answer_timeout_s=5.0)
        await leg.connect({})
        assert desks.offers("a") == ()
        assert len(desks.offers("b")) == 1
        await leg.hangup()
        assert desks.offers("b") == ()


def test_what_an_agent_has_said_of_himself_outlives_his_page() -> None:
    desks = AgentDesks()
    with desks.open("a", "甲", nothing):
        desks.set_presence("a", Presence.WRAP_UP)
    assert desks.presence("a") is Presence.AWAY, "no page is there"
    with desks.open("a", "甲", nothing):
        assert desks.presence("a") is Presence.WRAP_UP
        assert desks.ready == 0


def test_a_page_that_says_nothing_for_long_is_not_ready() -> None:
    at = [0.0]
    desks = AgentDesks(lambda: at[0])
    with desks.open("a", "甲", nothing):
        at[0] += 24.0
        assert desks.ready == 1
        desks.beat("a")
        at[0] += 24.0
        assert desks.ready == 1
        at[0] += 2.0
        assert desks.ready == 0
        assert desks.others("b") == []
        desks.beat("a")
        assert desks.others("b") == [("a", "甲")]


async def test_who_talks_is_not_ready_for_another_call() -> None:
    desks = AgentDesks()
    with desks.open("a", "甲", nothing), desks.open("b", "乙", nothing):
        first = rings_at_all(desks)
        await first.connect({})
        assert desks.answer(first.id, "a")
        assert (desks.ready, desks.talks("a"), desks.others("b")) == (1, True, [])
        second = rings_at_all(desks)
        await second.connect({})
        assert desks.offers("a") == ()
        assert [offer.leg for offer in desks.offers("b")] == [second]
        await first.hangup()
        assert desks.ready == 2
        await second.hangup()


def test_a_call_on_a_telephone_is_one_agents() -> None:
    desks = AgentDesks()
    assert desks.claim("c-1", "a")
    assert desks.claim("c-1", "a")
    assert not desks.claim("c-1", "b")
    desks.leave("c-1")
    assert desks.claim("c-1", "b")


@pytest.mark.parametrize("destination", ["seat", "110-460100", "console/ab", ""])
def test_only_a_desk_of_ours_is_reached_without_the_directory(destination: str) -> None:
    assert desk_number(destination) is None
