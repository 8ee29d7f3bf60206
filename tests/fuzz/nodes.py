"""What processes of an installation tell each other over NATS: whoever is let in can say anything.

Whatever is taken can be shown: it is written as a screen, or an answer of the API, would have it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from hypothesis import strategies as st
from pydantic import TypeAdapter

from asr.nodes import messages as transcriber
from asr.urgency import Urgency
from tests.fuzz.mutation import json_text, mutated
from tests.fuzz.target import Target, tells
from voicebot import caller_privacy
from voicebot.call.agent_desks import AgentDesks
from voicebot.cluster.desks import RUNNING, SHARES, DeskExchange
from voicebot.cluster.live_events import event_of, standing_of
from voicebot.cluster.messages import as_told, decoded, encoded
from voicebot.cluster.nodes import Node, Nodes, SurgeLine, WaitingCaller, node_of, waiting_first
from voicebot.security import Principal
from voicebot.surge.shared import Arrived, SeatsTold, SentToSeats
from voicebot.surge.status import with_nodes_lines
from voicebot.web.console.agent.standing import row
from voicebot.web.console.board import Board
from voicebot.web.console.event_ring import written

_LINE: SurgeLine = {"line": "12345", "mode": "surge", "since": 1.0, "newest": {"wait_s": 3.0}}
_WAITS: WaitingCaller = {
    "call_id": "a", "handoff": "h", "wants": ["110"], "waited_s": 3, "score": 0.5, "reasons": ["x"],
}  # fmt: skip
_NODE = Node(
    "one", "r", ("media", "web"), "http://127.0.0.1:1", seq=3, calls=("CA1",), room=8, lines=2,
    waiting=(_WAITS,), surge=(_LINE,), callers=("ab",), calling_back=(("ab", 1.5),),
).message()  # fmt: skip
_EVENTS: list[Any] = [
    {"call_id": "CA1", "at": 1.0, "kind": "call", "state": "started", "caller": "13800138000",
     "did": "12345"},
    {"call_id": "CA1", "at": 1.0, "kind": "hypothesis", "turn": 1, "ear": "listener", "text": "喂",
     "final": False, "confidential": True},
    {"call_id": "CA1", "at": 2.0, "kind": "handoff", "routes": ["110-460100"], "reason": "danger",
     "category": 1, "lines": [], "region": None},
    {"call_id": "CA1", "at": 3.0, "kind": "transfer", "destination": "110", "state": "ringing"},
]  # fmt: skip
_STANDING = {"seq": 7, "rows": [{"call_id": "CA1", "text": "着火了", "side": "caller", "turn": 2}]}
_FACTS = {
    "call_id": "CA1", "caller": "13800138000", "confidential": False, "line": "12345", "did": "1",
    "began": 1.0, "place": "", "who": "bot", "agent": "", "holder": "", "danger": "",
}  # fmt: skip
_SHARE = {
    "desks": [{"agent": "a", "name": "王芳", "pages": 1, "alive": True, "said": [1.0, "ready"]}],
    "offers": [{"leg": "l", "call_id": "CA1", "agent": ""}],
    "calls": [{"call_id": "CA2", "agent": "a", "in_browser": True}],
}
_SEATS = {"line": "12345", "groups": [{"region": "460100", "staffed": 3, "free": 1}], "waiting": 2}
_READERS = (Principal("甲", "agent", "a"), Principal("乙", "supervisor", "b"))
_TOLD = [TypeAdapter(kind) for kind in (SeatsTold, SentToSeats, Arrived)]
_TOLD_SAMPLES: list[Any] = [
    _NODE,
    *({"node": "one", "run": "r", "seq": 1, "event": event} for event in _EVENTS),
    _STANDING,
    {"node": "one", "known": _SHARE},
    {"node": "one", "known": {"CA1": _FACTS}},
    {"node": "one", "leaves": True},
    {"node": "one", "report": _SEATS, "settles_s": 1.0},
    {"node": "one", "line": "12345", "region": "460100"},
    {"node": "one", "line": "12345", "key": "0" * 24},
]


def _shown(value: Any) -> None:
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def _message(data: bytes) -> None:
    try:
        message = decoded(data)
    except ValueError as error:
        tells(error)
        return
    assert decoded(encoded(message)) == message
    for take in (_heartbeat, _event, _standing, _surge, _desks):
        with suppress(KeyError):
            try:
                take(message)
            except ValueError as error:
                tells(error)


def _heartbeat(message: dict[str, Any]) -> None:
    nodes = Nodes("own")
    nodes.heard(node_of(message, tokens_go_there=True), 1.0)
    for node in nodes.all:
        _shown(node.message())
        _shown(waiting_first(node.waiting))
        _shown(with_nodes_lines({"lines": [{**_LINE, "mode": "normal"}]}, [node.surge]))
        nodes.least_busy()


def _event(message: dict[str, Any]) -> None:
    event = event_of(message["event"])
    for who in _READERS:
        written(1, "call:CA1", caller_privacy.live(event, who.role) or {})


def _standing(message: dict[str, Any]) -> None:
    board = Board()
    with suppress(TypeError):  # which the asker takes as well
        board.put_right((), standing_of(message).rows)
        written(1, "calls", board.changes() or {})


def _surge(message: dict[str, Any]) -> None:
    for kind in _TOLD:
        with suppress(ValueError):
            as_told(kind, message).model_dump_json().encode()


class _Bus:
    def __init__(self) -> None:
        self.takes: dict[str, Callable[[dict[str, Any]], None]] = {}

    def subscribe(self, subject: str, take: Callable[[dict[str, Any]], None]) -> None:
        self.takes[subject] = take


class _Service:
    def __init__(self) -> None:
        self.desks = AgentDesks()


def _desks(message: dict[str, Any]) -> None:
    bus, service = _Bus(), _Service()
    DeskExchange(bus, "own", service, has_pages=True, has_calls=True)  # type: ignore[arg-type]
    bus.takes[SHARES]({"node": message["node"], "known": _SHARE})
    for subject in (SHARES, RUNNING):
        with suppress(ValueError, KeyError):
            bus.takes[subject](message)
    desks = service.desks
    for who in _READERS:
        _shown([row(each, who) for each in desks.elsewhere.running.values()])
        _shown([offer.call_id for offer in desks.rings(who.token_id)])
    _shown([desks.name_of(agent) for agent, _ in desks.others("")])


def _transcriber(data: bytes) -> None:
    for read in (transcriber.unpacked, transcriber.answer):
        try:
            found = read(data)
        except transcriber.Unreadable as error:
            tells(error)
        else:
            if read is transcriber.answer:
                transcriber.said(found)  # type: ignore[arg-type]


_ANSWERS: list[bytes] = [
    b'{"kind":"taken","node":"n"}',
    b'{"kind":"heard","node":"n","decode_s":0.5,"hypothesis":{"engine":"x","text":"\xe6\x88\x91",'
    b'"words":[{"text":"x","start":0.1,"end":0.2}],"final":true}}',
    b'{"kind":"refused","node":"n","why":"late"}',
    b'{"kind":"status","node":"n","engine":"x","model":"m","workers":1,"waiting":0,"at_work":0,'
    b'"utilisation":0.5}',
]
_REQUEST = transcriber.packed(
    transcriber.Header(final=True, urgency=Urgency.FINAL, within_s=5.0), np.zeros(32, np.float32)
)
TARGETS = (
    Target(
        "node_messages",
        json_text(_TOLD_SAMPLES) | mutated([encoded(each) for each in _TOLD_SAMPLES]),
        _message,
    ),
    Target(
        "transcriber_messages",
        mutated([*_ANSWERS, _REQUEST]) | st.binary(max_size=64),
        _transcriber,
    ),
)
