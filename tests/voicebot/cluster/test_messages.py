"""What goes over the wire between nodes: whole, showable, and readable by older versions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from voicebot.cluster.messages import as_told, decoded, encoded
from voicebot.cluster.outbox import PENDING, Outbox
from voicebot.surge.board import SeatReport
from voicebot.surge.shared import SeatsTold

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=9), JSON))
def test_a_message_arrives_as_it_was_sent(message: dict[str, Any]) -> None:
    assert decoded(encoded(message)) == message


def test_half_a_character_costs_no_message() -> None:
    assert decoded(encoded({"text": "着火\ud83d"})) == {"text": "着火?"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_sent_since_nobody_would_take_it(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encoded({"score": number})


@pytest.mark.parametrize(
    "data",
    [
        *(b'{"score": NaN}', b'{"score": -Infinity}', b'{"score": 1e999}', b'{"text": "\\ud83d"}'),
        *(b'{"text": "\xed\xa0\xbd"}', b"\xff", b"[]", b"7", b"", b"[" * 100_000),
    ],
)
def test_what_no_screen_could_show_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(data)


def test_a_newer_version_may_tell_more_of_seats_than_is_known_here() -> None:
    """Nodes are replaced one after the other; only an ACD's own misspelling is refused."""
    group = {"region": "460100", "staffed": 3, "free": 1, "on_break": 2}
    report = {"line": "12345", "groups": [group], "waiting": 4, "abandoned": 1}
    told = as_told(TypeAdapter(SeatsTold), {"node": "b", "report": report, "settles_s": 1.0})
    assert (told.report.waiting, told.report.groups[0].staffed) == (4, 3)
    with pytest.raises(ValueError, match="abandoned"):
        SeatReport.model_validate(report)


def test_what_is_wrong_is_named_and_not_what_stands_there() -> None:
    report = {"line": "12345", "groups": [{"region": "13800138000", "staffed": 1, "free": 1}]}
    with pytest.raises(ValueError, match=r"report\.groups\.region") as refused:
        as_told(TypeAdapter(SeatsTold), {"report": report})
    assert "13800138000" not in str(refused.value)


def test_of_too_many_messages_the_oldest_are_lost() -> None:
    outbox = Outbox()
    assert sum(outbox.put("live", b"%d" % number) for number in range(PENDING + 5)) == 5
    taken = [outbox.take() for _ in range(len(outbox))]
    assert taken == [("live", b"%d" % number) for number in range(5, PENDING + 5)]


def test_a_heartbeat_that_waits_still_gives_way_to_the_next_one() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put("nodes", b"beat %d" % number, newest_only=True)
        outbox.put("live", b"event %d" % number)
    assert [outbox.take() for _ in range(len(outbox))] == [
        ("live", b"event 0"),
        ("live", b"event 1"),
        ("nodes", b"beat 2"),
        ("live", b"event 2"),
    ]
    outbox.put("nodes", b"beat 3", newest_only=True)
    assert outbox.take() == ("nodes", b"beat 3")
