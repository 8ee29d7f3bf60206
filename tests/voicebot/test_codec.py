"""Events and actions survive the way into the event log and back."""

import dataclasses
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import actions as act
from flows import events as ev
from voicebot.records import codec
from voicebot.records.errors import CodecError

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, FLOATS)


def items() -> st.SearchStrategy[object]:
    kinds = [*get_args(ev.Event), *get_args(act.Action)]
    return st.one_of([_built(kind) for kind in kinds])


def _built(kind: type) -> st.SearchStrategy[object]:
    fixed = {"embeddings": st.just({})} if kind is ev.Heard else {}
    return st.builds(
        kind,
        **{
            field.name: fixed.get(field.name, st.from_type(codec._hints(kind)[field.name]))
            for field in dataclasses.fields(kind)
        },
    )


@given(items())
def test_round_trip_through_json(item: object) -> None:
    kind, payload = codec.encode(item)
    assert codec.decode(kind, json.loads(json.dumps(payload))) == item


def test_embeddings_are_left_out() -> None:
    heard = ev.Heard(1.0, 1, ev.Ear.LISTENER, "着火了", embeddings={"着火了": np.ones(3)})
    kind, payload = codec.encode(heard)
    assert "embeddings" not in payload
    assert codec.decode(kind, payload) == dataclasses.replace(heard, embeddings={})


def test_direction_tells_events_from_actions() -> None:
    assert codec.direction(ev.HungUp(1.0)) == "in"
    assert codec.direction(act.StopSpeaking()) == "out"


def test_an_older_log_without_a_newer_optional_field_can_be_read() -> None:
    assert codec.decode("HungUp", {"at": 2.0}) == ev.HungUp(2.0)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("Earthquake", {}),
        ("HungUp", {}),
        ("HungUp", {"at": 1.0, "mood": "bad"}),
        ("HungUp", {"at": "soon"}),
        ("Heard", {"at": 1.0, "turn": 1, "ear": "third"}),
        ("Heard", {"at": 1.0, "turn": True, "ear": "listener"}),
        ("SearchResult", {"at": 1, "turn": 1, "query": "", "decision": "", "candidates": [["a"]]}),
    ],
)
def test_what_this_version_cannot_read_is_refused(kind: str, payload: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        codec.decode(kind, payload)
