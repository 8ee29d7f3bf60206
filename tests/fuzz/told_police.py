"""What people type and switches signal, as it goes to 110: a message is made of whatever it is."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.fuzz.inbox import NOW, engine
from tests.fuzz.target import Target, tells
from tests.voicebot.ticket_desk import MONDAY, SUPERVISOR, act, opened
from voicebot.agents import words
from voicebot.callers import reporting
from voicebot.callers.tables import LimitRow
from voicebot.errors import VoicebotError
from voicebot.exchange.dossier import Dossier, TranscriptTurn
from voicebot.exchange.schema import read_envelope
from voicebot.exchange.tables import EnvelopeRow
from voicebot.records.operations import write_dossier
from voicebot.tickets.states import Act

_ODD = ("\x00", "\x0b", "\x1f", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\U0001f642", "，")
TEXTS = st.lists(st.sampled_from(_ODD) | st.text(max_size=12), max_size=5).map("".join)
LONG = st.just("很长" * 10_001)


def _told(case: dict[str, str]) -> None:
    with Session(engine()) as session:
        for tell in (_escalated, _fed_back, _reported):
            try:
                with session.begin_nested():
                    tell(session, case)
            except VoicebotError as error:
                tells(error)
        for envelope in session.scalars(select(EnvelopeRow.envelope)):
            read_envelope(json.dumps(envelope).encode())
        session.rollback()


def _escalated(session: Session, case: dict[str, str]) -> None:
    ticket = {name: case[name] for name in ("call_id", "matter", "name", "number", "place")}
    opened(session, **ticket)
    act(session, Act.DISPATCH, why=case["why"])
    act(session, Act.ESCALATE, why=case["why"])
    act(session, Act.SUPERVISE, by=SUPERVISOR, why=case["why"])


def _fed_back(session: Session, case: dict[str, str]) -> None:
    dossier = Dossier(
        handoff="H1",
        revision=1,
        call_id="C9",
        caller=case["number"],
        did="12345",
        place=case["place"],
        transcript=(TranscriptTurn(side="caller", text=case["matter"], start=1.0, end=2.0),),
    )
    write_dossier(
        session, destination="110-460106", dossier=dossier.model_dump(mode="json"), at=NOW
    )
    session.flush()
    words.acknowledge(session, "H1", who=case["name"], at=NOW)
    for outcome in ("resolved", "out_of_scope"):
        words.feed_back(session, "H1", who=case["name"], outcome=outcome, text=case["why"], at=NOW)


def _reported(session: Session, case: dict[str, str]) -> None:
    limit = LimitRow(
        number=case["number"][:64],
        state="in_force",
        reason="threat",
        evidence=[case["call_id"]],
        proposed_at=MONDAY,
    )
    session.add(limit)
    session.flush()
    reporting.report(session, limit.id, who=case["name"], why=case["why"], at=NOW)


TARGETS = (
    Target(
        "words_to_110",
        st.fixed_dictionaries(
            {
                "call_id": TEXTS,
                "matter": TEXTS,
                "name": TEXTS,
                "number": st.from_regex(r"[0-9+*#-]{0,20}", fullmatch=True) | TEXTS,
                "place": TEXTS,
                "why": TEXTS | LONG,
            }
        ),
        _told,
    ),
)
