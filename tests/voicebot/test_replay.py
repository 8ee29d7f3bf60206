"""A call's log replays to the same decisions, and a changed decision shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from flows import events as ev
from flows.dialogue import Policy, step
from flows.state import State
from flows.triage import Assessment, Turn
from voicebot.commands.replay import compare
from voicebot.records import codec


class WordTriage:
    """Danger is the word 火; needs the embedding of each text to say so."""

    def texts(self, turns: Sequence[Turn]) -> tuple[str, ...]:
        return tuple(turn.text for turn in turns)

    def assess(self, turns: Sequence[Turn], embeddings: Mapping[str, Any]) -> Assessment:
        danger = any("火" in turn.text and turn.text in embeddings for turn in turns)
        if danger:
            sure = {"110_now": 0.97, "110": 0.01, "12345": 0.01, "neither": 0.01}
            return Assessment("110_now", sure, "handoff", category=4, lines=("119",))
        calm = {"110_now": 0.01, "110": 0.01, "12345": 0.97, "neither": 0.01}
        return Assessment("12345", calm, "continue")


def embed(texts: tuple[str, ...]) -> dict[str, Any]:
    return {text: np.ones(2, np.float32) for text in texts}


def log_of(events: Sequence[ev.Event], policy: Policy) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    state = State()
    for event in events:
        state, actions = step(state, event, policy)
        for item in (event, *actions):
            kind, payload = codec.encode(item)
            row = {"at": event.at, "direction": codec.direction(item), "kind": kind}
            rows.append({"seq": len(rows), **row, "payload": payload})
    return rows


@pytest.fixture
def policy() -> Policy:
    return Policy(WordTriage())  # type: ignore[arg-type]


@pytest.fixture
def rows(policy: Policy) -> list[dict[str, Any]]:
    text = "厨房着火了"
    heard = ev.Heard(
        4.0, 1, ev.Ear.TRANSCRIBER, text, start=3.0, end=4.0, embeddings=embed((text,))
    )
    return log_of(
        [
            ev.CallStarted(0.0, "C1", "13800138000", "12345"),
            ev.PlaybackStarted(0.1, "u1"),
            ev.PlaybackFinished(2.0, "u1", seconds=1.9),
            ev.CallerSpeaking(3.0, 1),
            heard,
            ev.Written(4.1, "H1"),
            ev.HungUp(9.0),
        ],
        policy,
    )


def test_the_same_core_decides_the_same(rows: list[dict[str, Any]], policy: Policy) -> None:
    compared = list(compare(rows, policy, embed))
    assert all(each.same for each in compared)
    assert compared[0].event == "CallStarted"
    assert any(kind == "Handoff" for each in compared for kind, _ in each.replayed)


def test_a_changed_decision_shows(rows: list[dict[str, Any]], policy: Policy) -> None:
    for row in rows:
        if row["kind"] == "Handoff":
            row["payload"]["category"] = 1
    differing = [each for each in compare(rows, policy, embed) if not each.same]
    assert [each.event for each in differing] == ["Heard"]


def test_a_missing_decision_shows(rows: list[dict[str, Any]], policy: Policy) -> None:
    without = [row for row in rows if row["kind"] != "Handoff"]
    assert not all(each.same for each in compare(without, policy, embed))


def test_a_replay_has_the_embeddings_that_the_call_had(policy: Policy) -> None:
    """The call had gone on while they were computed, and this text came without."""
    heard = ev.Heard(4.0, 1, ev.Ear.TRANSCRIBER, "厨房着火了", final=True, embedded=())
    started = ev.CallStarted(0.0, "C1", "13800138000", "12345")
    logged = log_of([started, heard, ev.TurnEnded(4.5, 1)], policy)
    assert not any(row["kind"] == "Handoff" for row in logged)
    assert all(each.same for each in compare(logged, policy, embed))
