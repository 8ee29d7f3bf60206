"""One day, event by event: the queue, the seats, the bot, 110, and what callers do.

Where a call goes is decided by `flows.surge.decide` at each arrival, on the figures that
the running service would have. What follows is plain bookkeeping, kept lean: a heap of
events and counters, about 12 µs a call.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from flows.surge import Decision, Destination, Figures, Mode, State, decide
from voicebot.simulation.draws import Attempts, Day
from voicebot.simulation.known import Known
from voicebot.simulation.people import Call, Caller, Group
from voicebot.simulation.police import Police
from voicebot.simulation.present import Present
from voicebot.simulation.scenario import DAY_S, HALF_HOUR_S, HALF_HOURS, Scenario
from voicebot.simulation.tally import Tally

Watch = Callable[[float, Figures, bool, Decision], None]
"""Is told of each decision: second of the day, figures, whether the number is known, what came."""

_SHIFT, _AGAIN, _WAITED, _SEAT_DONE, _BOT_DONE, _OVER, _POLICE_DONE = range(7)


class Simulation:
    """A scenario's day with its own chances; `run` once.

    Parameters:
        day: of the same scenario, or of one that differs in seats, bot or policy alone.
        watch: is told of each decision.
    """

    def __init__(self, scenario: Scenario, day: Day, watch: Watch | None = None) -> None:
        self._scenario, self._day, self._watch = scenario, day, watch
        self._policy = scenario.policy
        self._groups = [
            Group(each.region, each.local, each.by_half_hour()) for each in scenario.seats
        ]
        self._known = Known(scenario, self._groups)
        self._by_region = {group.region: group for group in self._groups}
        self._local = [group for group in self._groups if group.local]
        self._surge = State()
        self._events: list[tuple[float, int, int, Call | Caller | None]] = []
        self._order = count()
        self._queue: deque[Call] = deque()
        self._police = Police(scenario.police.seats)
        self._call_backs: deque[tuple[float, Caller]] = deque()
        self._tally = Tally()
        self._present = Present(self._tally)

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
        self._present.close()
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
            self._police.give_back()
            self._over(who, now)

    # ── arrivals ──────────────────────────────────────────────────────────────────

    def _arrive(self, caller: Caller, now: float, draws: Attempts) -> None:
        caller.tries += 1
        half = self._present.half
        call = Call(caller, now, half, draws)
        tally = self._tally
        tally.offered[half] += 1
        self._known.offered(now)
        if self._present.trunks >= self._scenario.trunks:
            tally.busy[half] += 1
            self._redial(call, now)
            return
        self._present.trunk()
        mode = self._surge.mode
        figures = self._known.figures(self._present, self._oldest_wait_s(now), now)
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
                self._present.trunks -= 1
            case _:
                self._ask_for_seat(call, now)

    def _oldest_wait_s(self, now: float) -> float:
        queue = self._queue
        while queue and not queue[0].waiting:
            queue.popleft()
        return now - queue[0].asked if queue else 0.0

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
        if not self._present.waiting:
            for group in self._local:
                if group.free:
                    self._seat(call, group, now)
                    return
        call.waiting = True
        self._present.queue(1, now)
        self._queue.append(call)
        patience = call.patience
        if call.by_bot:
            patience = min(patience, self._scenario.bot.seat_wait_s)
        self._at(now + patience, _WAITED, call)

    def _waited(self, call: Call, now: float) -> None:
        """Nobody came: the caller gives up, or the bot takes the matter down."""
        tally, half = self._tally, call.half
        call.waiting = False
        self._present.queue(-1, now)
        tally.human_wait_s[half] += now - call.asked
        if call.by_bot and call.patience > self._scenario.bot.seat_wait_s:
            self._take_down(call, now)
            return
        if call.by_bot:
            tally.given_up_after_bot[half] += 1
        else:
            self._known.waited(now - call.came, gave_up=True)
            tally.abandoned[half] += 1
            tally.wait_s[half] += now - call.came
        self._redial(call, now)
        self._over(call, now)

    def _seat(self, call: Call, group: Group, now: float) -> None:
        """A seat answers."""
        tally, half, waited = self._tally, call.half, now - call.asked
        group.busy += 1
        self._known.seats_changed()
        call.group = group
        if not group.local:
            self._take_line(call)
        tally.human_wait_s[half] += waited
        if waited <= 15.0:
            tally.human_in_15_s[half] += 1
        if call.by_bot:
            tally.handed_over[half] += 1
        else:
            self._known.waited(waited, gave_up=False)
            call.met = now
            (tally.seats if group.local else tally.remote)[half] += 1
            tally.answered(half, now - call.came)
        self._reach(call.caller, now)
        self._at(now + next(call.draws.service), _SEAT_DONE, call)

    def _seat_done(self, call: Call, now: float) -> None:
        group = call.group
        assert group is not None
        group.busy -= 1
        self._known.seats_changed()
        if call.met <= now:
            self._known.talked(now - call.met)
        self._over(call, now)
        if group.local:
            self._serve(group, now)

    def _serve(self, group: Group, now: float) -> None:
        """Gives the group's free seats to who waits, then to promised call-backs."""
        queue = self._queue
        while queue and group.free:
            call = queue.popleft()
            if call.waiting:
                call.waiting = False
                self._present.queue(-1, now)
                self._seat(call, group, now)
        keeps = self._policy.seat_reserve
        while self._call_backs and not self._present.waiting and group.free > keeps:
            promised, caller = self._call_backs.popleft()
            self._tally.called_back += 1
            self._tally.call_back_delay_s += now - promised
            self._reach(caller, now)
            call = Call(caller, now, self._present.half, self._day.again)
            group.busy += 1
            self._known.seats_changed()
            call.group = group
            self._present.trunk()
            self._at(now + next(call.draws.service), _SEAT_DONE, call)

    # ── the bot, and 110 ──────────────────────────────────────────────────────────

    def _answer_by_bot(self, call: Call, now: float) -> None:
        draws, bot, half = call.draws, self._scenario.bot, call.half
        call.by_bot = True
        self._present.with_bot(1, now)
        tally = self._tally
        tally.bot[half] += 1
        tally.answered(half, now - call.came)
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
            self._police.ask(call, now)
            self._call_police(now)
        elif math.isinf(call.asked):
            self._hand_over(call, now)
        else:
            self._over(call, now)

    def _hand_over(self, call: Call, now: float) -> None:
        """To a seat, over a line that hand-offs to 110 do not need."""
        if self._scenario.lines - self._present.lines <= self._policy.reserve:
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
        lines = self._scenario.lines - self._present.lines
        for asked, call in self._police.serve(lines):
            self._take_line(call)
            self._tally.handed_to_police(call.half, now - asked)
            self._reach(call.caller, now)
            self._at(now + next(call.draws.police_time), _POLICE_DONE, call)

    # ── what is common ────────────────────────────────────────────────────────────

    def _reach(self, caller: Caller, now: float) -> None:
        if not caller.reached:
            caller.reached = True
            if caller.danger:
                self._tally.in_danger_wait_s += now - caller.first

    def _take_line(self, call: Call) -> None:
        call.line = True
        self._present.line()

    def _over(self, call: Call, now: float) -> None:
        self._present.trunks -= 1
        if call.by_bot:
            self._present.with_bot(-1, now)
        if call.line:
            self._present.lines -= 1
            self._call_police(now)

    def _shift(self, now: float) -> None:
        self._present.next_half_hour(now)
        for group in self._groups:
            group.staffed = group.plan[self._present.half]
        self._known.seats_changed()
        for group in self._local:
            self._serve(group, now)
