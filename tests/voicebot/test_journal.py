"""What a call writes down: a ticket that the caller wants no more says so plainly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from flows.actions import Handoff, OpenTicket, Route
from flows.events import CallStarted, LegState, TransferProgress
from flows.state import State
from voicebot.call.journal import Journal


class Saved:
    """In place of the records: keeps what is saved."""

    def __init__(self) -> None:
        self.tickets: list[Mapping[str, Any]] = []

        self.states: list[str] = []

    async def start_call(self, *_: Any) -> bool:
        return True

    def handoff_state(self, handoff: str, destination: str, state: str, at: float) -> None:
        self.states.append(destination)

    async def save_ticket(self, ticket: Mapping[str, Any]) -> bool:
        self.tickets.append(ticket)
        return True


@pytest.mark.parametrize(
    ("withdrawn", "matter"), [(False, "路灯坏了"), (True, "（来电人已撤回）路灯坏了")]
)
async def test_a_withdrawn_ticket_is_kept_and_marked(withdrawn: bool, matter: str) -> None:
    saved = Saved()
    journal = Journal(cast(Any, saved), cast(Any, None), str)
    ticket = OpenTicket("c1-t1", "路灯坏了", "", "", "", withdrawn=withdrawn)
    assert await journal.save_ticket(ticket)
    assert saved.tickets[0]["matter"] == matter


class Unwatched:
    def publish(self, message: Mapping[str, Any]) -> None: ...


async def started(saved: Saved, **known: Any) -> Journal:
    journal = Journal(cast(Any, saved), cast(Any, Unwatched()), str)
    await journal.start(CallStarted(0.0, "c1", "13800138000", "12345", **known), "")
    if journal._flusher is not None:
        journal._flusher.cancel()
    return journal


HANDOFF = Handoff("c1-h1", (Route("seat", "seat"),), "requested_human")


async def test_a_call_from_110_goes_ahead_of_the_queue_with_its_order() -> None:
    journal = await started(Saved(), trunk="110", order="JD1")
    dossier = journal.dossier(HANDOFF, State())
    assert (dossier["order"], dossier["priority"]) == ("JD1", "110")
    parameters = journal.line_parameters("c1-h1")
    assert (parameters["order"], parameters["priority"]) == ("JD1", "110")


async def test_an_ordinary_call_has_neither() -> None:
    journal = await started(Saved())
    assert journal.dossier(HANDOFF, State())["priority"] == ""
    assert not {"order", "priority"} & journal.line_parameters("c1-h1").keys()


async def test_a_leg_beside_110_is_not_the_state_of_the_hand_off() -> None:
    saved = Saved()
    journal = await started(saved)
    journal.transfer(TransferProgress(1.0, "c1-h1", "120", LegState.CONFIRMED, line="120"))
    journal.transfer(TransferProgress(1.0, "c1-h1", "110-460000", LegState.BUSY))
    assert saved.states == ["110-460000"]
