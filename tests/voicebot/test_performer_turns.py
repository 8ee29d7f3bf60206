"""110 is dialled once other nodes say that there is a line, and only if it still is its turn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest

from flows import actions as act
from flows import events as ev
from flows.routes import POLICE, SEAT
from flows.state import HandoffState, State
from flows.waiting import LINES_FULL
from voicebot.call.performer import Performer

LOCAL, PROVINCE, A_SEAT = (
    act.Route("110-469001", POLICE), act.Route("110-460000", POLICE), act.Route(SEAT, SEAT),
)  # fmt: skip
TO_POLICE = State(handoff=HandoffState("h", "danger", (LOCAL, PROVINCE, A_SEAT), ""))


@dataclass
class Driver:
    """What was dialled, and how often a leg was given up."""

    dialled: list[str] = field(default_factory=list)
    released: int = 0

    def dial(self, handoff: str, route: act.Route, *_: object) -> None:
        self.dialled.append(route.destination)

    def release(self, line: str = "") -> None:
        self.released += 1


class Hands:
    """The performer, and what other nodes say of each number."""

    def __init__(self) -> None:
        self.driver, self.posted = Driver(), list[ev.Event]()
        self.answers: dict[str, asyncio.Future[bool]] = {}
        given: dict[str, Any] = dict.fromkeys(signature(Performer).parameters, SimpleNamespace())
        self.journal = SimpleNamespace(line_parameters=lambda _: {}, released=lambda *_: None)
        given |= {"driver": self.driver, "journal": self.journal, "may_dial": self.may_dial}
        given |= {"line": SimpleNamespace(hang_up=settled)}
        given |= {"post": self.posted.append, "now": lambda: 1.0, "over": lambda _: None}
        self.performer = Performer(**given)

    def may_dial(self, number: str) -> asyncio.Task[bool]:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.answers[number] = answer

        async def told() -> bool:
            return await answer

        return asyncio.create_task(told())

    async def dial(self, route: act.Route) -> None:
        await self.performer.perform(act.DialRoute("h", route), TO_POLICE)
        await settled()

    async def told(self, number: str, *, yes: bool) -> None:
        if not self.answers[number].done():
            self.answers[number].set_result(yes)
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_110_is_dialled_when_there_is_a_line() -> None:
    hands = Hands()
    await hands.dial(LOCAL)
    assert hands.driver.dialled == []
    await hands.told(LOCAL.destination, yes=True)
    assert hands.driver.dialled == [LOCAL.destination]


async def test_a_number_without_a_line_fails_at_once() -> None:
    hands = Hands()
    await hands.dial(LOCAL)
    await hands.told(LOCAL.destination, yes=False)
    assert hands.driver.dialled == []
    full = ev.TransferProgress(1.0, "h", LOCAL.destination, ev.LegState.BUSY, LINES_FULL)
    assert hands.posted == [full]


async def test_a_fault_in_dialling_does_not_end_the_chain() -> None:
    hands = Hands()

    def broken(_: str) -> dict[str, str]:
        raise KeyError("h")

    hands.journal.line_parameters = broken
    await hands.dial(LOCAL)
    await hands.told(LOCAL.destination, yes=True)
    failed = ev.TransferProgress(1.0, "h", LOCAL.destination, ev.LegState.FAILED, "internal")
    assert hands.posted == [failed]


async def test_nobody_is_asked_about_a_call_that_is_no_matter_of_110s() -> None:
    hands = Hands()
    human = State(handoff=HandoffState("h", "requested", (A_SEAT,), "connecting_human"))
    assert human.handoff is not None
    assert not human.handoff.to_police
    await hands.performer.perform(act.DialRoute("h", A_SEAT), human)
    assert hands.driver.dialled == [SEAT]
    assert hands.answers == {}


@pytest.mark.parametrize(
    "then",
    [
        act.ReleaseLeg("h"),
        act.Leave("handed_off"),
        act.HangUp("handed_off"),
        act.DialRoute("h", PROVINCE),
    ],
)
@pytest.mark.parametrize("already_told", [False, True])
async def test_an_answer_that_comes_when_it_is_no_more_its_turn_dials_nothing(
    then: act.Action, already_told: bool
) -> None:
    hands = Hands()
    await hands.performer.perform(act.DialRoute("h", LOCAL), TO_POLICE)
    if already_told:
        await asyncio.sleep(0)
        hands.answers[LOCAL.destination].set_result(True)
        await asyncio.sleep(0)
    await hands.performer.perform(then, TO_POLICE)
    await settled()
    if LOCAL.destination in hands.answers:
        await hands.told(LOCAL.destination, yes=True)
    assert hands.driver.dialled == []


async def test_a_leg_beside_110_that_is_given_up_keeps_110_waiting_for_nothing() -> None:
    hands = Hands()
    await hands.dial(LOCAL)
    await hands.performer.perform(act.ReleaseLeg("h", "120"), TO_POLICE)
    await hands.told(LOCAL.destination, yes=True)
    assert hands.driver.dialled == [LOCAL.destination]
