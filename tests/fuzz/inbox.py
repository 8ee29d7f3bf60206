"""Messages of 110, as they are applied: each kept, applied, waiting, refused or in conflict."""

from __future__ import annotations

import contextlib
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import voicebot.tickets.exchange  # noqa: F401 - what is done with what comes in
from tests.fuzz.messages import ENVELOPES
from tests.fuzz.mutation import changed_json
from tests.fuzz.target import Target
from voicebot.exchange.inbox import receive
from voicebot.exchange.schema import MessageInvalid, read_envelope
from voicebot.exchange.schema.canonical import content_hash
from voicebot.records.database import migrate, open_engine

NOW = 1_790_000_000.0
STATES = ("applied", "waiting", "refused", "conflict")
_BODIES: list[tuple[str, Any]] = [
    (each["kind"], {**each["body"], **({"number": "S1"} if each["kind"] == "ticket" else {})})
    for each in ENVELOPES
    if each["kind"] in ("ticket", "status", "supervision", "evaluation", "feedback", "receipt")
]


@cache
def engine() -> Engine:
    url = f"sqlite:///{Path(tempfile.mkdtemp(prefix='fuzz-'))}/fuzz.db"
    migrate(url)
    return open_engine(url, writes=True)


def _sealed(kind: str, body: Any, sequence: int, name: str) -> bytes:
    envelope = {
        **ENVELOPES[0],
        "id": f"110:{name}",
        "kind": kind,
        "subject": "S1",
        "sequence": sequence,
        "sender": "110",
        "body": body,
    }
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        envelope["content_hash"] = content_hash(body)
    return json.dumps(envelope).encode()


def _messages() -> SearchStrategy[list[bytes]]:
    """A ticket and what is said of it, in any order, some twice, some changed."""
    names = st.sampled_from("abcdef")
    plain = [
        st.builds(_sealed, st.just(kind), st.just(body), st.integers(1, 5), names)
        for kind, body in _BODIES
    ]
    odd = [
        st.builds(_sealed, st.just(kind), changed_json([body]), st.integers(1, 5), names)
        for kind, body in _BODIES
    ]
    ticket = next(body for kind, body in _BODIES if kind == "ticket")
    first = st.builds(_sealed, st.just("ticket"), changed_json([ticket]), st.just(1), names)
    return st.tuples(first, st.lists(st.one_of(*plain, *odd), max_size=6)).map(
        lambda found: [found[0], *found[1]]
    )


def _received(messages: list[bytes]) -> None:
    with Session(engine()) as session:
        for data in messages:
            try:
                envelope = read_envelope(data)
            except MessageInvalid:
                continue
            delivery = receive(session, envelope, at=NOW)
            assert delivery.state in STATES
            assert "handler failed" not in delivery.reason
            assert delivery.reason or delivery.state in ("applied", "waiting")
            again = receive(session, envelope, at=NOW + 1)
            assert again.content_hash == delivery.content_hash
        session.rollback()


TARGETS = (Target("exchange_inbox", _messages(), _received),)
