"""The newest figures of seats by line, from an ACD or the PBX's queues.

An ACD sends them by PUT /v1/surge/figures; `SeatReport` is their schema. Asterisk's
queues are asked at each offered call (`voicebot.surge.control`).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from flows.surge import SeatFigures, SeatGroup
from voicebot.request_body import RequestBody
from voicebot.surge.measured import Measured

SETTLES_S = 1.0
"""How long a call that was sent to seats may take until an ACD's figures show it."""

MOST_SENT = 10_000
"""Calls sent since the newest figures that count; where none are told, nothing takes them off."""
MOST_SEATS = 100_000
MOST_LINES = 100
_Count = Annotated[int, Field(ge=0, le=MOST_SEATS)]
Line = Annotated[str, Field(min_length=1, max_length=64)]
_Region = Annotated[str, Field(pattern="^[0-9]{6}$")]


class _Reported(RequestBody):
    model_config = ConfigDict(frozen=True)


class GroupReport(_Reported):
    """Seats of one region that take this line's calls."""

    region: _Region
    """GB/T 2260 code."""
    local: bool = True
    """False: seats of another region that help out (异地座席)."""
    staffed: _Count
    """With somebody at them, busy or free."""
    free: _Count
    """Would take a call now."""

    @model_validator(mode="after")
    def _free_are_staffed(self) -> GroupReport:
        if self.free > self.staffed:
            raise ValueError("free is more than staffed")
        return self


class SeatReport(_Reported):
    """One line's seats and queue, as the ACD knows them now."""

    line: Line
    """The dialled number (DID)."""
    groups: Annotated[list[GroupReport], Field(max_length=64)]
    waiting: _Count = 0
    oldest_wait_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    arrivals_per_min: Annotated[float, Field(ge=0, le=MOST_SEATS)] | None = None
    """Left out: the service counts the calls that it is offered."""
    service_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    patience_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    age_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """How old the figures were when they were sent."""

    @model_validator(mode="after")
    def _each_region_once(self) -> SeatReport:
        regions = [group.region for group in self.groups]
        if len(set(regions)) < len(regions):
            raise ValueError("a region is given twice")
        return self


@dataclass(frozen=True, slots=True)
class _Told:
    report: SeatReport
    at: float
    holds_since: float
    """Calls that were sent later may be missing in it."""


class Board:
    """Parameters:
    measured: what reports do not tell.
    """

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._told: dict[str, _Told] = {}
        self._sent: dict[str, deque[tuple[float, str]]] = {}
        """Calls that were sent to seats since then: when, and to which region."""

    def sent(self, line: str, region: str, at: float) -> None:
        """A call was given to the seats or the queue of a region; "" for the line's own."""
        self._sent.setdefault(line, deque(maxlen=MOST_SENT)).append((at, region))

    def tell(self, report: SeatReport, at: float, settles_s: float = SETTLES_S) -> None:
        """Newer figures take the place of older ones; those sent late do not."""
        newest, at = self._told.get(report.line), at - report.age_s
        if newest is None or at >= newest.at:
            self._told[report.line] = _Told(report, at, at - settles_s)

    def knows(self, line: str) -> bool:
        """Figures of this line were told at some time."""
        return line in self._told

    def seats(
        self, line: str, at: float, counted_per_min: float
    ) -> tuple[SeatFigures | None, float]:
        """A line's figures and their age (s); None where none were ever told.

        Parameters:
            counted_per_min: arrivals as the service counts them.
        """
        told = self._told.get(line)
        if told is None:
            return None, math.inf
        report = told.report
        arrivals = report.arrivals_per_min
        helping = {each.region for each in report.groups if not each.local}
        sent = self._sent_since(line, told.holds_since)
        return SeatFigures(
            tuple(
                SeatGroup(
                    each.region, each.local, each.staffed, max(0, each.free - sent[each.region])
                )
                if each.region in helping
                else SeatGroup(each.region, each.local, each.staffed, each.free)
                for each in report.groups
            ),
            report.waiting + sum(n for region, n in sent.items() if region not in helping),
            report.oldest_wait_s,
            counted_per_min if arrivals is None else arrivals,
            report.service_s or self._measured.service_s(line),
            report.patience_s or self._measured.patience_s(line),
        ), at - told.at

    def _sent_since(self, line: str, at: float) -> Counter[str]:
        """Calls by region that the figures of `at` cannot hold yet."""
        sent = self._sent.get(line)
        if sent is None:
            return Counter()
        while sent and sent[0][0] <= at:
            sent.popleft()
        return Counter(region for _, region in sent)
