"""How many are where at this moment, with the peaks and the means of each half-hour."""

from __future__ import annotations

from voicebot.simulation.people import Call
from voicebot.simulation.scenario import DAY_S
from voicebot.simulation.tally import Tally


class Present:
    """Counts of the moment, which go into a day's tally.

    Parameters:
        tally: takes peaks, and calls × seconds.
    """

    __slots__ = ("_accounted", "_tally", "bot", "half", "lines", "trunks", "waiting")

    def __init__(self, tally: Tally) -> None:
        self._tally, self._accounted = tally, 0.0
        self.half = 0
        """The half-hour that it is; the last one goes on after midnight."""
        self.waiting = self.bot = self.lines = self.trunks = 0

    def queue(self, change: int, now: float) -> None:
        """A call begins or ceases to wait for a seat."""
        self._account(now)
        self.waiting += change
        if self.waiting > self._tally.queue_most[self.half]:
            self._tally.queue_most[self.half] = self.waiting

    def with_bot(self, change: int, now: float) -> None:
        """A place of the bot is taken or given back."""
        self._account(now)
        self.bot += change
        if self.bot > self._tally.bot_most[self.half]:
            self._tally.bot_most[self.half] = self.bot

    def take_line(self, call: Call) -> None:
        """A call takes an outgoing line."""
        call.line = True
        self.lines += 1
        if self.lines > self._tally.lines_most[self.half]:
            self._tally.lines_most[self.half] = self.lines

    def trunk(self) -> None:
        """An incoming line is taken."""
        self.trunks += 1
        if self.trunks > self._tally.trunks_most[self.half]:
            self._tally.trunks_most[self.half] = self.trunks

    def next_half_hour(self, now: float) -> None:
        self._account(now)
        self.half += 1
        tally, half = self._tally, self.half
        tally.queue_most[half], tally.bot_most[half] = self.waiting, self.bot
        tally.lines_most[half], tally.trunks_most[half] = self.lines, self.trunks

    def close(self) -> None:
        """The day is over."""
        self._account(DAY_S)

    def _account(self, now: float) -> None:
        """The time since the last change, with what was there meanwhile."""
        until = min(now, DAY_S)
        passed = until - self._accounted
        if passed > 0:
            self._tally.queue_area[self.half] += self.waiting * passed
            self._tally.bot_area[self.half] += self.bot * passed
            self._accounted = until
