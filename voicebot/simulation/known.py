"""What the running service would know of the simulated line, by its own means of counting."""

from __future__ import annotations

from collections.abc import Sequence

from flows.surge import Figures, SeatFigures, SeatGroup
from voicebot.simulation.draws import expected_per_min
from voicebot.simulation.people import Group
from voicebot.simulation.present import Present
from voicebot.simulation.scenario import Scenario
from voicebot.surge.arrivals import Arrivals
from voicebot.surge.measured import Measured

LINE = "12345"


class Known:
    """Parameters:
    groups: the seats; `seats_changed` says when they are others than before.
    """

    def __init__(self, scenario: Scenario, groups: Sequence[Group]) -> None:
        self._scenario, self._groups = scenario, groups
        self._expected = expected_per_min(scenario)
        self._arrivals = Arrivals(0.0)
        self._measured = Measured(scenario.service.mean_s, scenario.callers.patience.mean_s)
        self._seats: tuple[SeatGroup, ...] | None = None

    def offered(self, now: float) -> None:
        """A call has come."""
        self._arrivals.note(LINE, now)

    def waited(self, seconds: float, *, gave_up: bool) -> None:
        """A caller has waited for a seat, the bot not before."""
        self._measured.waited(LINE, seconds, gave_up=gave_up)

    def talked(self, seconds: float) -> None:
        """Such a caller's talk with a seat is over."""
        self._measured.talked(LINE, seconds)

    def seats_changed(self) -> None:
        self._seats = None

    def figures(self, present: Present, oldest_wait_s: float, now: float) -> Figures:
        """For the law."""
        if self._seats is None:
            self._seats = tuple(
                SeatGroup(group.region, group.local, group.staffed, group.free)
                for group in self._groups
            )
        scenario = self._scenario
        seats = SeatFigures(
            self._seats,
            present.waiting,
            oldest_wait_s,
            self._arrivals.per_min(LINE, now),
            self._measured.service_s(LINE),
            self._measured.patience_s(LINE),
        )
        return Figures(
            present.bot, scenario.bot.room, scenario.lines, present.lines, seats, 0.0,
            self._expected[present.half],
        )  # fmt: skip
