"""How long calls take at seats and how long callers wait for one, measured here."""

from __future__ import annotations

from dataclasses import dataclass

PRIOR = 20.0
"""The settings count like so many calls."""
MEMORY = 200.0
"""Calls after which one counts a third as much as a new one."""


@dataclass(slots=True)
class _Sum:
    seconds: float
    calls: float

    def add(self, seconds: float) -> None:
        """One more call, for which older ones count less."""
        keep = 1 - 1 / MEMORY
        self.seconds, self.calls = keep * self.seconds + seconds, keep * self.calls + 1

    @property
    def mean(self) -> float:
        return self.seconds / self.calls


class Measured:
    """Parameters:
    service_s, patience_s: what is believed before anything was measured; seconds.
    """

    def __init__(self, service_s: float, patience_s: float) -> None:
        self._first = service_s, patience_s
        self._service: dict[str, _Sum] = {}
        self._patience: dict[str, _Sum] = {}

    def talked(self, line: str, seconds: float) -> None:
        """A call at a seat is over."""
        self._of(self._service, line, 0).add(seconds)

    def waited(self, line: str, seconds: float, *, gave_up: bool) -> None:
        """A caller has waited, for a person or in vain.

        The time of all over the number of those who gave up is the estimate of greatest
        likelihood of an exponential patience, of which answered calls tell a part. So only who
        gives up makes older ones count less: a day on which hardly anybody waits tells little,
        and forgets nothing.
        """
        found = self._of(self._patience, line, 1)
        if gave_up:
            found.add(seconds)
        else:
            found.seconds += seconds

    def service_s(self, line: str) -> float:
        return self._of(self._service, line, 0).mean

    def patience_s(self, line: str) -> float:
        return self._of(self._patience, line, 1).mean

    def _of(self, sums: dict[str, _Sum], line: str, which: int) -> _Sum:
        return sums.setdefault(line, _Sum(PRIOR * self._first[which], PRIOR))
