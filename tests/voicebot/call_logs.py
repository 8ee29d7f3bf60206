"""Calls put on record as a service writes them, for tests of what is read from them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from flows.actions import Decide, Purpose, Say, Search
from flows.answering import NO_ANSWER
from flows.events import Ear, Heard, SearchResult
from voicebot.records.codec import direction, encode
from voicebot.records.tables import CallEventRow, CallRow


def searched(turn: int, query: str, decision: str, *entries: str, final: bool = True) -> Any:
    candidates = tuple((entry, 0.9) for entry in entries)
    return SearchResult(turn, turn, query, decision, candidates, final=final)


def answer(entry: str) -> Any:
    return Say("u1", Purpose.ANSWER, entry=entry)


def heard(turn: int, text: str, *, final: bool = True) -> Any:
    return Heard(turn, turn, Ear.TRANSCRIBER, text, final=final)


def answered(turn: int, query: str, entry: str) -> list[Any]:
    return [Search(turn, query), searched(turn, query, "answer", entry), answer(entry)]


def unanswered(turn: int, query: str, nearest: str = "") -> list[Any]:
    near = (nearest,) if nearest else ()
    return [
        Search(turn, query),
        searched(turn, query, "none", *near),
        Decide("ticket", NO_ANSWER),
    ]


def record(
    session: Session,
    call: str,
    started: float | None,
    log: Iterable[Any],
    region: str | None = None,
) -> None:
    session.add(CallRow(id=call, started_at=started, region=region, did="12345", caller=""))
    for seq, item in enumerate(log):
        kind, payload = encode(item)
        session.add(
            CallEventRow(
                call_id=call,
                seq=seq,
                at=5.0,
                direction=direction(item),
                kind=kind,
                payload=payload,
            )
        )
    session.flush()


def record_in(state: Path, *calls: tuple[str, float, list[Any], str | None]) -> None:
    """Put calls into the database of a state folder that has its tables."""
    engine = create_engine(f"sqlite:///{next(state.glob('*.db'))}")
    with Session(engine) as session, session.begin():
        for name, started, log, region in calls:
            record(session, name, started, log, region)
    engine.dispose()
