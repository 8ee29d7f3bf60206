"""Hand-made days of calls, for tests of the figures: nothing here computes one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from voicebot.callers.tables import EvaluationRow
from voicebot.clock import BEIJING
from voicebot.figures.tables import RefusedCallRow
from voicebot.records import operations as write
from voicebot.records.database import open_engine
from voicebot.records.metadata import METADATA
from voicebot.records.tables import TicketRow


def at(day: int, clock: str = "00:00:00") -> float:
    """A moment of November 2026 in Hainan."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return datetime(2026, 11, day, hours, minutes, seconds, tzinfo=BEIJING).timestamp()


@contextmanager
def records(folder: Path) -> Iterator[Session]:
    """An empty database."""
    engine = open_engine(f"sqlite:///{folder / 'figures.db'}", writes=True)
    for tables in METADATA:
        tables.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


class Days:
    """Puts what happened on record, as the call path does."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._number = 0

    def call(
        self,
        offered: float,
        *,
        call_id: str = "",
        rang: float | None = 2.0,
        outcome: str | None = "answered",
        did: str = "12345",
        region: str | None = None,
        lasted: float = 120.0,
        offer_key: str | None = None,
    ) -> str:
        """One answered call; `rang` None: when it was offered is not known."""
        self._number += 1
        call_id = call_id or f"c{self._number}"
        write.start_call(
            self.session,
            call_id=call_id,
            caller=f"1380000{self._number:04}",
            did=did,
            started_at=offered + (rang or 0.0),
            recording="",
            offered_at=None if rang is None else offered,
            offer_key=offer_key,
        )
        if outcome is not None:
            ended_at = offered + (rang or 0.0) + lasted
            write.finish_call(
                self.session, call_id=call_id, ended_at=ended_at, outcome=outcome, region=region
            )
        return call_id

    def refused(self, moment: float, did: str = "12345", offer_key: str | None = None) -> str:
        self._number += 1
        write.refuse_call(
            self.session,
            call_id=f"r{self._number}",
            did=did,
            reason="full",
            at=moment,
            offer_key=offer_key,
        )
        return f"r{self._number}"

    def diverted(
        self,
        offered: float,
        became: str = "",
        after: float = 0.0,
        *,
        call_id: str = "",
        did: str = "12345",
        call_back: bool = False,
    ) -> str:
        """A call given to people unanswered; `after` so many seconds it `became` something."""
        self._number += 1
        call_id = call_id or f"p{self._number}"
        told = {"call_id": call_id, "did": did, "at": offered, "call_back": call_back}
        write.note_diverted(self.session, **told)
        if became:
            write.note_diverted(self.session, **told, became=became, became_at=offered + after)
        return call_id

    def handoff(
        self,
        call_id: str,
        requested: float,
        destination: str = "seat",
        *states: tuple[float, str, str],
        region: str | None = None,
        returned: float | None = None,
    ) -> None:
        """`states`: (seconds later, destination, state)."""
        self._number += 1
        handoff = f"{call_id}-h{self._number}"
        dossier: dict[str, Any] = {
            "handoff": handoff, "call_id": call_id, "region": region, "category": None,
            "lines": [], "flags": [], "reason": "requested_human", "evidence": [], "revision": 1,
        }  # fmt: skip
        write.write_dossier(self.session, destination=destination, dossier=dossier, at=requested)
        for later, where, state in states:
            write.handoff_state(
                self.session, handoff=handoff, destination=where, state=state, at=requested + later
            )
        if returned is not None:
            write.handoff_returned(self.session, handoff=handoff, at=requested + returned)

    def ticket(self, call_id: str, created: float, **values: Any) -> str:
        self._number += 1
        row = TicketRow(
            id=f"t{self._number}",
            call_id=call_id,
            matter="路灯坏了",
            created_at=created,
            updated_at=created,
            **values,
        )
        self.session.add(row)
        return row.id

    def evaluation(self, call_id: str, score: int | None, moment: float, ticket: str = "") -> None:
        self.session.add(
            EvaluationRow(
                call_id=call_id, number="", ticket=ticket, asked_at=moment, score=score,
                given_at=moment if score else None,
            )
        )  # fmt: skip


def refused_rows(session: Session) -> list[RefusedCallRow]:
    return list(session.query(RefusedCallRow))
