"""One day, event by event: the queue, the seats, the bot, 110, and what callers do.

Where a call goes is decided by `flows.surge.decide` at each arrival, on the figures that
the running service would have. What follows is plain bookkeeping, kept lean: a heap of
events and counters, about 20 µs a call.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from flows.surge import Decision, Destination, Figures, Mode, SeatFigures, SeatGroup, State, decide
from voicebot.simulation.draws import Attempts, Day, expected_per_min
from voicebot.simulation.scenario import DAY_S, HALF_HOUR_S, HALF_HOURS, Scenario
from voicebot.simulation.tally import LONGEST_WAIT_S, Tally
from voicebot.surge.arrivals import Arrivals
from voicebot.surge.measured import Measured

LINE = "12345"

Watch = Callable[[float, Figures, bool, Decision], None]
"""Is told of each decision: second of the day, figures, whether the number is known, what came."""

_SHIFT, _AGAIN, _WAITED, _SEAT_DONE, _BOT_DONE, _OVER, _POLICE_DONE = range(7)


class Caller:
    """A person, over all tries."""

    __slots__ = ("danger", "first", "reached", "tries")

    def __init__(self, first: float, danger: bool) -> None:
        self.first, self.danger = first, danger
        self.reached = False
        self.tries = 0


class Call:
    """One try."""

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
        self.group: _Group | None = None
        self.met = math.inf
        """When a seat answered a call that had not been the bot's."""


class _Group:
    """Seats of one region."""

    __slots__ = ("busy", "local", "plan", "region", "staffed")

    def __init__(self, region: str, local: bool, plan: list[int]) -> None:
        self.region, self.local, self.plan = region, local, plan
        self.staffed, self.busy = plan[0], 0

    @property
    def free(self) -> int:
        return max(0, self.staffed - self.busy)


class Simulation:
    """A scenario's day with its own chances; `run` once.

    Parameters:
        day: of the same scenario, or of one that differs in seats, bot or policy alone.
        watch: is told of each decision.
    """

    def __init__(self, scenario: Scenario, day: Day, watch: Watch | None = None) -> None:
        self._scenario, self._day, self._watch = scenario, day, watch
        self._policy = scenario.policy
        self._measured = Measured(scenario.service.mean_s, scenario.callers.patience.mean_s)
        self._expected = expected_per_min(scenario)
        self._groups = [
            _Group(each.region, each.local, each.by_half_hour()) for each in scenario.seats
        ]
        self._by_region = {group.region: group for group in self._groups}
        self._local = [group for group in self._groups if group.local]
        self._shown: tuple[SeatGroup, ...] | None = None
        """The seats as the law sees them; None when they have changed."""
        self._arrivals = Arrivals(0.0)
        self._surge = State()
        self._events: list[tuple[float, int, int, Call | Caller | None]] = []
        self._order = count()
        self._queue: deque[Call] = deque()
        self._waiting = self._bot = self._lines = self._trunks = 0
        self._police_busy = 0
        self._police_queue: deque[tuple[float, Call]] = deque()
        self._call_backs: deque[tuple[float, Caller]] = deque()
        self._half, self._accounted = 0, 0.0
        self._tally = Tally()

    def run(self) -> Tally:
        """From midnight to midnight, and on until the last call is over."""
        for n in range(1, HALF_HOURS):
            self._at(n * HALF_HOUR_S, _SHIFT, None)
        events, tally, danger = self._events, self._tally, self._scenario.callers.danger
        first = self._day.first
        callers: list[Caller] = []
        for came in self._day.times:
            while events and events[0][0] <= came:
                self._event()
            caller = Caller(came, next(first.danger) < danger)
            callers.append(caller)
            self._arrive(caller, came, first)
        while events:
            self._event()
        self._account(DAY_S)
        tally.callers = len(callers)
        for caller in callers:
            tally.unreached += not caller.reached
            if caller.danger:
                tally.in_danger += 1
                tally.in_danger_unreached += not caller.reached
        return tally

    def _at(self, when: float, kind: int, who: Call | Caller | None) -> None:
        heappush(self._events, (when, next(self._order), kind, who))

    def _event(self) -> None:
        now, _, kind, who = heappop(self._events)
        if who is None:
            self._shift(now)
        elif isinstance(who, Caller):
            self._arrive(who, now, self._day.again)
        elif kind == _WAITED:
            if who.waiting:
                self._waited(who, now)
        elif kind == _SEAT_DONE:
            self._seat_done(who, now)
        elif kind == _BOT_DONE:
            self._bot_done(who, now)
        elif kind == _OVER:
            self._over(who, now)
        else:
            self._police_done(who, now)

    # ── arrivals ──────────────────────────────────────────────────────────────────

    def _arrive(self, caller: Caller, now: float, draws: Attempts) -> None:
        caller.tries += 1
        half = self._half
        call = Call(caller, now, half, draws)
        tally = self._tally
        tally.offered[half] += 1
        self._arrivals.note(LINE, now)
        if self._trunks >= self._scenario.trunks:
            tally.busy[half] += 1
            self._redial(call, now)
            return
        self._trunks += 1
        if self._trunks > tally.trunks_most[half]:
            tally.trunks_most[half] = self._trunks
        mode = self._surge.mode
        figures = self._figures(now)
        known = next(draws.known) < self._scenario.callers.number_known
        self._surge, decision = decide(self._surge, figures, self._policy, now, number_known=known)
        if self._watch is not None:
            self._watch(now, figures, known, decision)
        if self._surge.mode is not mode and mode is Mode.NORMAL:
            tally.surges += 1
        match decision.destination:
            case Destination.BOT:
                self._answer_by_bot(call, now)
            case Destination.LOCAL_SEAT | Destination.REMOTE_SEAT:
                tally.asked_human[half] += 1
                self._seat(call, self._by_region[decision.region], now)
            case Destination.CALL_BACK if (
                next(draws.takes_call_back) < self._scenario.callers.takes_call_back
            ):
                tally.call_backs[half] += 1
                self._call_backs.append((now, caller))
                self._trunks -= 1
            case _:
                self._ask_for_seat(call, now)

    def _figures(self, now: float) -> Figures:
        if self._shown is None:
            self._shown = tuple(
                SeatGroup(group.region, group.local, group.staffed, group.free)
                for group in self._groups
            )
        queue = self._queue
        while queue and not queue[0].waiting:
            queue.popleft()
        scenario = self._scenario
        seats = SeatFigures(
            self._shown,
            self._waiting,
            now - queue[0].asked if queue else 0.0,
            self._arrivals.per_min(LINE, now),
            self._measured.service_s(LINE),
            self._measured.patience_s(LINE),
        )
        return Figures(
            self._bot, scenario.bot.room, scenario.lines, self._lines, seats, 0.0,
            self._expected[self._half],
        )  # fmt: skip

    def _redial(self, call: Call, now: float) -> None:
        redial, draws = self._scenario.callers.redial, call.draws
        again = next(draws.redials) < redial.share
        at = now + next(draws.redial_after)
        if again and call.caller.tries <= redial.most and at < DAY_S:
            self._at(at, _AGAIN, call.caller)

    # ── seats and their queue ─────────────────────────────────────────────────────

    def _ask_for_seat(self, call: Call, now: float) -> None:
        """A free local seat, or the queue, first come first served."""
        call.asked = now
        self._tally.asked_human[call.half] += 1
        if not self._waiting:
            for group in self._local:
                if group.free:
                    self._seat(call, group, now)
                    return
        call.waiting = True
        self._account(now)
        self._waiting += 1
        most = self._tally.queue_most
        if self._waiting > most[self._half]:
            most[self._half] = self._waiting
        self._queue.append(call)
        patience = call.patience
        if call.by_bot:
            patience = min(patience, self._scenario.bot.seat_wait_s)
        self._at(now + patience, _WAITED, call)

    def _waited(self, call: Call, now: float) -> None:
        """Nobody came: the caller gives up, or the bot takes the matter down."""
        tally, half = self._tally, call.half
        call.waiting = False
        self._account(now)
        self._waiting -= 1
        tally.human_wait_s[half] += now - call.asked
        if call.by_bot and call.patience > self._scenario.bot.seat_wait_s:
            self._take_down(call, now)
            return
        if call.by_bot:
            tally.given_up_after_bot[half] += 1
        else:
            self._measured.waited(LINE, now - call.came, gave_up=True)
            tally.abandoned[half] += 1
            tally.wait_s[half] += now - call.came
        self._redial(call, now)
        self._over(call, now)

    def _seat(self, call: Call, group: _Group, now: float) -> None:
        """A seat answers."""
        tally, half, waited = self._tally, call.half, now - call.asked
        group.busy += 1
        self._shown = None
        call.group = group
        if not group.local:
            self._take_line(call)
        tally.human_wait_s[half] += waited
        if waited <= 15.0:
            tally.human_in_15_s[half] += 1
        if call.by_bot:
            tally.handed_over[half] += 1
        else:
            self._measured.waited(LINE, waited, gave_up=False)
            call.met = now
            (tally.seats if group.local else tally.remote)[half] += 1
            self._answered(call, now)
        self._reach(call.caller, now)
        self._at(now + next(call.draws.service), _SEAT_DONE, call)

    def _seat_done(self, call: Call, now: float) -> None:
        group = call.group
        assert group is not None
        group.busy -= 1
        self._shown = None
        if call.met <= now:
            self._measured.talked(LINE, now - call.met)
        self._over(call, now)
        if group.local:
            self._serve(group, now)

    def _serve(self, group: _Group, now: float) -> None:
        """Gives the group's free seats to who waits, then to promised call-backs."""
        queue = self._queue
        while queue and group.free:
            call = queue.popleft()
            if call.waiting:
                call.waiting = False
                self._account(now)
                self._waiting -= 1
                self._seat(call, group, now)
        keeps = self._policy.seat_reserve
        while self._call_backs and not self._waiting and group.free > keeps:
            promised, caller = self._call_backs.popleft()
            self._tally.called_back += 1
            self._tally.call_back_delay_s += now - promised
            self._reach(caller, now)
            call = Call(caller, now, self._half, self._day.again)
            group.busy += 1
            self._shown = None
            call.group = group
            self._trunks += 1
            self._at(now + next(call.draws.service), _SEAT_DONE, call)

    # ── the bot, and 110 ──────────────────────────────────────────────────────────

    def _answer_by_bot(self, call: Call, now: float) -> None:
        draws, bot, half = call.draws, self._scenario.bot, call.half
        call.by_bot = True
        self._account(now)
        self._bot += 1
        tally = self._tally
        if self._bot > tally.bot_most[self._half]:
            tally.bot_most[self._half] = self._bot
        tally.bot[half] += 1
        self._answered(call, now)
        contained = next(draws.contained) < bot.contained
        if call.caller.danger and next(draws.heard) < bot.hears_danger:
            call.danger_heard = True
            self._at(now + next(draws.danger_time), _BOT_DONE, call)
        elif contained and not call.caller.danger:
            tally.contained[half] += 1
            self._reach(call.caller, now)
            self._at(now + next(draws.contained_time), _BOT_DONE, call)
        else:
            call.asked = math.inf
            self._at(now + next(draws.leaving_time), _BOT_DONE, call)

    def _bot_done(self, call: Call, now: float) -> None:
        if call.danger_heard:
            self._police_queue.append((now, call))
            self._call_police(now)
        elif math.isinf(call.asked):
            self._hand_over(call, now)
        else:
            self._over(call, now)

    def _hand_over(self, call: Call, now: float) -> None:
        """To a seat, over a line that hand-offs to 110 do not need."""
        if self._scenario.lines - self._lines <= self._policy.reserve:
            self._take_down(call, now)
            return
        self._take_line(call)
        self._ask_for_seat(call, now)

    def _take_down(self, call: Call, now: float) -> None:
        """A work order. Who was in danger, and not heard to be, got nobody."""
        self._tally.tickets[call.half] += 1
        if not call.caller.danger:
            self._reach(call.caller, now)
        self._at(now + next(call.draws.ticket_time), _OVER, call)

    def _call_police(self, now: float) -> None:
        waiting, scenario = self._police_queue, self._scenario
        while (
            waiting and self._police_busy < scenario.police.seats and self._lines < scenario.lines
        ):
            asked, call = waiting.popleft()
            self._police_busy += 1
            self._take_line(call)
            self._tally.police[call.half] += 1
            self._tally.police_waits[min(LONGEST_WAIT_S, int(now - asked))] += 1
            self._reach(call.caller, now)
            self._at(now + next(call.draws.police_time), _POLICE_DONE, call)

    def _police_done(self, call: Call, now: float) -> None:
        self._police_busy -= 1
        self._over(call, now)

    # ── what is common ────────────────────────────────────────────────────────────

    def _answered(self, call: Call, now: float) -> None:
        tally, half, waited = self._tally, call.half, now - call.came
        tally.wait_s[half] += waited
        tally.waits[min(LONGEST_WAIT_S, int(waited))] += 1
        if waited <= 20.0:
            tally.in_20_s[half] += 1
            if waited <= 15.0:
                tally.in_15_s[half] += 1

    def _reach(self, caller: Caller, now: float) -> None:
        if not caller.reached:
            caller.reached = True
            if caller.danger:
                self._tally.in_danger_wait_s += now - caller.first

    def _take_line(self, call: Call) -> None:
        call.line = True
        self._lines += 1
        if self._lines > self._tally.lines_most[self._half]:
            self._tally.lines_most[self._half] = self._lines

    def _over(self, call: Call, now: float) -> None:
        self._trunks -= 1
        if call.by_bot:
            self._account(now)
            self._bot -= 1
        if call.line:
            self._lines -= 1
            if self._police_queue:
                self._call_police(now)

    def _shift(self, now: float) -> None:
        self._account(now)
        self._half += 1
        for group in self._groups:
            group.staffed = group.plan[self._half]
        self._shown = None
        tally, half = self._tally, self._half
        for most, present in (
            (tally.queue_most, self._waiting), (tally.bot_most, self._bot),
            (tally.lines_most, self._lines), (tally.trunks_most, self._trunks),
        ):  # fmt: skip
            most[half] = max(most[half], present)
        for group in self._local:
            self._serve(group, now)

    def _account(self, now: float) -> None:
        """The time since the last change, with what was there meanwhile."""
        until = min(now, DAY_S)
        passed = until - self._accounted
        if passed > 0:
            self._tally.queue_area[self._half] += self._waiting * passed
            self._tally.bot_area[self._half] += self._bot * passed
            self._accounted = until
