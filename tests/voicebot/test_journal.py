"""What a call writes down: a ticket that the caller wants no more says so plainly."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from flows.actions import Decide, Handoff, OpenTicket, ReleaseLeg, Route, UpdateDossier
from flows.events import CallStarted, FarSideKey, KeyPressed, LegState, TimePassed, TransferProgress
from flows.release import HANDED_BACK
from flows.state import HandoffState, State, Ticket
from voicebot.call.far_words import Spoken
from voicebot.call.journal import Journal
from voicebot.call.live import LiveFeed
from voicebot.records.store import Records


class Saved:
    """In place of the records: keeps what is saved."""

    def __init__(self) -> None:
        self.tickets: list[Mapping[str, Any]] = []

        self.states: list[str] = []
        self.returned: list[str] = []
        self.started: tuple[Any, ...] = ()

    async def start_call(self, *values: Any) -> bool:
        self.started = values
        return True

    def handoff_returned(self, handoff: str, at: float) -> None:
        self.returned.append(handoff)

    def handoff_state(self, handoff: str, destination: str, state: str, at: float) -> None:
        self.states.append(destination)

    async def save_ticket(self, ticket: Mapping[str, Any]) -> bool:
        self.tickets.append(ticket)
        return True


@pytest.mark.parametrize("withdrawn", [False, True])
async def test_a_withdrawn_ticket_is_kept_and_marked(withdrawn: bool) -> None:
    saved = Saved()
    journal = Journal(cast(Any, saved), cast(Any, None), str)
    ticket = OpenTicket("c1-t1", "路灯坏了", "", "", "", withdrawn=withdrawn)
    assert await journal.save_ticket(ticket)
    assert (saved.tickets[0]["matter"], saved.tickets[0]["withdrawn"]) == ("路灯坏了", withdrawn)


class Unwatched:
    def __init__(self) -> None:
        self.seen: list[Mapping[str, Any]] = []

    def publish(self, message: Mapping[str, Any]) -> None:
        self.seen.append(message)


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


async def test_when_the_line_rang_is_on_record_beside_when_it_was_answered() -> None:
    saved = Saved()
    journal = Journal(cast(Any, saved), cast(Any, Unwatched()), str, 1000.0, offer_key="k")
    await journal.start(CallStarted(0.0, "c1", "13800138000", "12345"), "")
    if journal._flusher is not None:
        journal._flusher.cancel()
    assert saved.started[-2:] == (1000.0, "k")
    assert saved.started[3] > 1000.0


async def test_a_call_ends_after_it_began_though_the_clock_is_set_back_meanwhile(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(records, LiveFeed(), str)
    await journal.start(CallStarted(0.0, "c1", "13800138000", "12345"), "")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
    await journal.finish(State())
    record = await records.call("c1")
    assert record is not None
    assert 0.0 <= record["ended_at"] - record["started_at"] < 600.0


async def test_a_caller_whom_110_gives_back_was_a_false_transfer() -> None:
    saved = Saved()
    journal = await started(saved)
    key = FarSideKey(30.0, "c1-h1", "110-460100", "9")
    journal.note(key, (), State())
    assert saved.returned == []
    journal.note(key, (Decide(HANDED_BACK, "110按键，把电话转回12345"),), State())
    assert saved.returned == ["c1-h1"]


async def test_a_leg_beside_110_is_not_the_state_of_the_hand_off() -> None:
    saved = Saved()
    journal = await started(saved)
    journal.transfer(TransferProgress(1.0, "c1-h1", "120", LegState.CONFIRMED, line="120"))
    journal.transfer(TransferProgress(1.0, "c1-h1", "110-460000", LegState.BUSY))
    assert saved.states == ["110-460000"]


async def test_how_far_the_legs_beside_110_have_come_is_in_the_dossier() -> None:
    journal = await started(Saved())
    journal.dossier(HANDOFF, State())
    assert journal.grown_dossier(State()) is None
    journal.transfer(TransferProgress(1.0, "c1-h1", "120", LegState.CONFIRMED, line="120"))
    grown = journal.grown_dossier(State())
    assert grown is not None
    assert grown["line_states"] == {"120": "confirmed"}
    assert journal.grown_dossier(State()) is None, "the desk has seen it"


async def test_a_dossier_stays_as_it_was_when_the_call_goes_on() -> None:
    saved = Saved()
    journal = await started(saved)
    journal.dossier(HANDOFF, State())
    known = HandoffState(
        "c1-h1", "danger", HANDOFF.routes, "", region="460200", category=4, lines=("119",)
    )
    journal.note(TimePassed(1.0), (), State(handoff=known))
    journal.note(TimePassed(2.0), (), State())
    journal.update_handoff(UpdateDossier("c1-h1", note="110按键移交回12345"))
    journal.released(2.0, ReleaseLeg("c1-h1"))
    grown = journal.grown_dossier(State())
    assert grown is not None
    assert (grown["region"], grown["category"]) == ("460200", 4)
    assert list(grown["lines"]) == ["119"]
    assert saved.states == ["seat"]


async def test_the_live_view_knows_of_a_wish_with_the_words_that_say_it() -> None:
    live = Unwatched()
    journal = Journal(cast(Any, Saved()), cast(Any, live), str)
    asked = Ticket("c1-t1", "路灯坏了")
    journal.note(KeyPressed(1.0, "1"), (), State(ticket=asked))
    wished = State(ticket=replace(asked, confidential=True))
    journal.note(KeyPressed(2.0, "2"), (Decide("name", "匿名"),), wished)
    journal.note(KeyPressed(3.0, "3"), (), State())
    hidden = [(each["at"], each.get("confidential", False)) for each in live.seen]
    assert hidden == [(1.0, False), (2.0, True), (2.0, True), (3.0, True)]


async def test_a_wish_that_an_agent_has_noted_is_told_to_screens_once() -> None:
    live = Unwatched()
    journal = Journal(cast(Any, Saved()), cast(Any, live), str)
    journal.keep_confidential()
    journal.keep_confidential()
    (told,) = live.seen
    assert (told["kind"], told["confidential"], journal.confidential) == (
        "confidential",
        True,
        True,
    )


class Transcribed(Saved):
    def __init__(self) -> None:
        super().__init__()
        self.turns: list[str] = []

    def add_turn(self, call_id: str, index: int, turn: Mapping[str, Any]) -> None:
        self.turns.append(turn["text"])


async def test_what_an_agent_is_saying_is_on_record_once_it_is_settled() -> None:
    saved, screens = Transcribed(), Unwatched()
    journal = Journal(cast(Any, saved), cast(Any, screens), str)
    saying = Spoken(4.1, 4.6, "您稍", True, 4.0, final=False)
    journal.far_side("seat", saying)
    assert [(key, turn.text) for key, turn in journal.unsettled] == [("seat@4.0", "您稍")]
    assert (journal.transcript, saved.turns) == ((), [])
    journal.far_side("seat", replace(saying, end=5.0, text="您稍等", final=True))
    assert journal.unsettled == ()
    assert [(key, turn.text) for key, turn in journal.transcript] == [("seat@4.0", "您稍等")]
    assert saved.turns == ["您稍等"]
    assert [each["kind"] for each in screens.seen] == ["far_side_hypothesis", "far_side"]


async def test_noise_that_was_taken_for_an_agents_words_leaves_no_trace() -> None:
    saved = Transcribed()
    journal = Journal(cast(Any, saved), cast(Any, Unwatched()), str)
    saying = Spoken(4.1, 4.6, "嗯", True, 4.0, final=False)
    journal.far_side("seat", saying)
    journal.far_side("seat", replace(saying, text="", final=True))
    assert (journal.unsettled, journal.transcript, saved.turns) == ((), (), [])
