"""The record of one call as it is written, without a database."""

from __future__ import annotations

from typing import Any, cast

from flows import events as ev
from flows.actions import Purpose, Say
from flows.state import State
from voicebot.call.journal import Journal
from voicebot.call.live import LiveFeed
from voicebot.records.store import Records


class Kept:
    """Records that keep the last state of each turn."""

    def __init__(self) -> None:
        self.turns: dict[int, dict[str, Any]] = {}

    def add_turn(self, call_id: str, number: int, turn: dict[str, Any]) -> None:
        self.turns[number] = turn

    async def start_call(self, *_: Any) -> None: ...
    async def append(self, *_: Any) -> None: ...
    async def finish_call(self, *_: Any) -> None: ...


async def a_call(*events: ev.Event) -> list[tuple[float, float]]:
    """Start and end of each turn of a call in which two things are said."""
    kept = Kept()
    journal = Journal(cast(Records, kept), LiveFeed(), lambda say: say.prompt or "")
    await journal.start(ev.CallStarted(0.0, "C1", "138", "12345"), "")
    sayings = [Say(f"u{n}", Purpose.PROMPT, prompt="greeting") for n in (1, 2)]
    journal.note(ev.CallStarted(0.0, "C1", "138", "12345"), sayings, State())
    for event in events:
        journal.note(event, (), State())
    await journal.finish(State())
    return [(turn["start"], turn["end"]) for turn in kept.turns.values()]


async def test_what_was_being_said_at_the_hang_up_ended_with_it() -> None:
    turns = await a_call(
        ev.PlaybackStarted(0.1, "u1"),
        ev.PlaybackFinished(2.0, "u1"),
        ev.PlaybackStarted(2.2, "u2"),
        ev.HungUp(3.7),
    )
    assert turns == [(0.1, 2.0), (2.2, 3.7)]


async def test_without_a_hang_up_the_end_of_the_call_closes_it() -> None:
    ((start, end),) = await a_call(ev.PlaybackStarted(0.0, "u1"))
    assert 0.0 == start < end < 5.0
