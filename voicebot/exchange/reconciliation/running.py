"""One reconciliation: both ledgers read, compared, and mended by rule as far as one may.

Memory is bounded: ledgers are sorted on a disk, and differences are taken in batches, each
kept before it is mended. Batches are small, so that calls' own writes come between.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any, Protocol

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from voicebot.exchange.reconciliation import dossiers, ledger, mending, queue
from voicebot.exchange.reconciliation.comparing import (
    Difference,
    Finding,
    Limits,
    compare,
    same_place,
)
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.entries import Entry, SortedLedger
from voicebot.exchange.reconciliation.rules import Repair
from voicebot.exchange.reconciliation.tables import ReconciliationRow

log = structlog.get_logger()

BATCH = 100
"""Differences in one transaction."""
_LOGGED = ("ours", "theirs", "found", "unsettled", "seconds")


class OtherSide(mending.OtherSide, Protocol):
    """110's platform, as a reconciliation needs it."""

    def entries(self, days: Days) -> Iterator[Entry]:
        """Its ledger: what was sent on these days by either side, in any order.

        Raises:
            VoicebotError: it cannot be read, or not understood.
        """


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reconciliation came to."""

    number: int
    """`ReconciliationRow.number`."""
    days: Days
    ours: int
    theirs: int
    found: dict[str, int]
    """By `Finding`."""
    mending: int
    """Mended by rule; the next reconciliation proves it."""
    settled: int
    """Differences of earlier ones that are gone."""
    unsettled: int
    """Differences of this time that are not settled, those that are being mended among them."""
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        days = {"first_day": str(self.days.first), "last_day": str(self.days.last)}
        return days | {name: value for name, value in asdict(self).items() if name != "days"}


class Reconciliation:
    """Compares, and mends with `repair`.

    Parameters:
        reader: made by `open_engine(url)`.
        writer: made by `open_engine(url, writes=True, patience_s=…)`.
        principal: who asked for it.
        progress: told how many lines of theirs have come in.
    """

    def __init__(
        self,
        reader: Engine,
        writer: Engine,
        other: OtherSide,
        *,
        principal: str,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.time,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._reader, self._writer, self._other = reader, writer, other
        self._principal, self._limits = principal, limits
        self._clock, self._progress = clock, progress

    def run(self, days: Days, *, repair: bool) -> Outcome:
        """Reconcile what was sent on these days.

        Raises:
            VoicebotError: 110's ledger cannot be read; nothing has been changed.
            SQLAlchemyError: ours cannot be read, or not written.
        """
        began, clock = self._clock(), time.monotonic()
        found: Counter[Finding] = Counter()
        mended = 0
        # Theirs first: what is sent meanwhile is young, and not missed.
        with SortedLedger(self._counted(self._other.entries(days))) as theirs:
            with Session(self._reader) as session, session.begin():
                ours = SortedLedger(
                    chain(ledger.entries(session, days), dossiers.entries(session, days))
                )
            with ours:
                number = self._write(self._open, days, began, len(ours), len(theirs))
                for batch in _batches(self._differences(ours, theirs, began)):
                    found.update(each.finding for each in batch)
                    to_do = self._write(queue.keep, batch, run=number, at=began)
                    mended += self._mend(to_do) if repair else 0
        outcome: Outcome = self._write(self._close, number, days, found, mended, clock)
        log.info("reconciled", **{name: getattr(outcome, name) for name in _LOGGED})
        return outcome

    def _open(self, session: Session, days: Days, at: float, ours: int, theirs: int) -> int:
        row = ReconciliationRow(
            first_day=days.first.isoformat(),
            last_day=days.last.isoformat(),
            began_at=at,
            principal=self._principal,
            ours=ours,
            theirs=theirs,
            found={},
            unsettled=0,
        )
        session.add(row)
        session.flush()
        return row.number

    def _differences(
        self, ours: SortedLedger, theirs: SortedLedger, now: float
    ) -> Iterator[Difference]:
        return chain(
            compare(ours.by_id(), theirs.by_id(), now=now, limits=self._limits),
            same_place(ours.by_place(), here=True),
            same_place(theirs.by_place(), here=False),
        )

    def _mend(self, to_do: Sequence[tuple[Difference, Repair]]) -> int:
        by_rule: dict[Repair, dict[str, Difference]] = {}
        for difference, rule in to_do:
            by_rule.setdefault(rule, {})[difference.entry.id] = difference
        again = by_rule.get(Repair.SEND_AGAIN, {})
        believed = by_rule.get(Repair.TAKE_THEIRS, {})
        at = self._clock()
        done = [again[name] for name in self._write(mending.send_again, again.keys(), at=at)]
        done += [believed[name] for name in self._write(mending.take_theirs, believed, at=at)]
        for difference in by_rule.get(Repair.ASK_AGAIN, {}).values():
            entry = difference.theirs
            envelope = self._other.envelope(entry.id) if entry is not None else None
            if entry is None or envelope is None:
                continue
            if self._write(mending.take_in, envelope, entry, at=self._clock()):
                done.append(difference)
        done += by_rule.get(Repair.NONE, {}).values()
        names = [(each.finding, each.entry.id) for each in done]
        self._write(queue.mark, names, "mending")
        return len(done)

    def _close(
        self,
        session: Session,
        number: int,
        days: Days,
        found: Counter[Finding],
        mended: int,
        clock: float,
    ) -> Outcome:
        row = session.get_one(ReconciliationRow, number)
        row.ended_at = self._clock()
        row.found = {str(finding): found[finding] for finding in Finding if found[finding]}
        settled = queue.settle_rest(session, row, days, at=row.ended_at)
        row.unsettled = queue.unsettled(session, days)
        return Outcome(
            number=number,
            days=days,
            ours=row.ours,
            theirs=row.theirs,
            found=dict(row.found),
            mending=mended,
            settled=settled,
            unsettled=row.unsettled,
            seconds=round(time.monotonic() - clock, 3),
        )

    def _write(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with Session(self._writer) as session, session.begin():
            return work(session, *arguments, **named)

    def _counted(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        for count, entry in enumerate(entries, 1):
            if count % 1000 == 0:
                self._progress(count)
            yield entry


def _batches(differences: Iterator[Difference]) -> Iterator[list[Difference]]:
    while batch := list(islice(differences, BATCH)):
        yield batch
