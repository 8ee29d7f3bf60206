"""Who calls and who is at the seats: the moving parts of a simulated day."""

from __future__ import annotations

import math

from voicebot.simulation.draws import Attempts


class Caller:
    """A person, over all tries."""

    __slots__ = ("danger", "first", "reached", "tries")

    def __init__(self, first: float, danger: bool) -> None:
        self.first, self.danger = first, danger
        self.reached = False
        self.tries = 0


class Group:
    """Seats of one region; `plan`: staffed in each half-hour."""

    __slots__ = ("busy", "local", "plan", "region", "staffed")

    def __init__(self, region: str, local: bool, plan: list[int]) -> None:
        self.region, self.local, self.plan = region, local, plan
        self.staffed, self.busy = plan[0], 0

    @property
    def free(self) -> int:
        return max(0, self.staffed - self.busy)


class Call:
    """One try.

    Parameters:
        came: second of the day.
        half: the half-hour that it is counted in.
        draws: what chance brings it.
    """

    __slots__ = (
        "asked", "by_bot", "caller", "came", "danger_heard", "draws", "group", "half", "line",
        "met", "patience", "waiting",
    )  # fmt: skip

    def __init__(self, caller: Caller, came: float, half: int, draws: Attempts) -> None:
        self.caller, self.came, self.half, self.draws = caller, came, half, draws
        self.patience = next(draws.patience)
        self.asked = came
        """When a human was asked for."""
        self.waiting = self.by_bot = self.line = self.danger_heard = False
        self.group: Group | None = None
        self.met = math.inf
        """When a seat answered a call that had not been the bot's."""
