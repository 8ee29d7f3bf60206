"""One day, event by event: what callers do, the law, the bot and 110; the seats are `desk`.

Where a call goes is decided by `flows.surge.decide` at each arrival, on the figures that
the running service would have. What follows is plain bookkeeping, kept lean: a heap of
events and counters, about 12 µs a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from flows.surge import Decision, Destination, Figures, Mode, State, decide
from voicebot.simulation.agenda import Agenda, Kind
from voicebot.simulation.desk import Desk
from voicebot.simulation.draws import Attempts, Day
from voicebot.simulation.known import Known
from voicebot.simulation.people import Call, Caller, Group
from voicebot.simulation.police import Police
from voicebot.simulation.present import Present
from voicebot.simulation.scenario import DAY_S, HALF_HOUR_S, HALF_HOURS, Scenario
from voicebot.simulation.tally import Tally

Watch = Callable[[float, Figures, bool, Decision], None]
"""Is told of each decision: second of the day, figures, whether the number is known, what came."""


class Simulation:
    """A scenario's day with its own chances; `run` once.

    Parameters:
        day: of the same scenario, or of one that differs in seats, bot or policy alone.
        watch: is told of each decision.
    """

    def __init__(self, scenario: Scenario, day: Day, watch: Watch | None = None) -> None:
        self._scenario, self._day, self._watch = scenario, day, watch
        self._policy, self._surge = scenario.policy, State()
        self._agenda, self._tally = Agenda(), Tally()
        self._present = Present(self._tally)
        groups = [Group(each.region, each.local, each.by_half_hour()) for each in scenario.seats]
        self._known = Known(scenario, groups)
        self._desk = Desk(
            scenario, groups, day.again, self._agenda, self._known, self._present, self._tally,
            self._over,
        )  # fmt: skip
        self._police = Police(scenario.police.seats)

    def run(self) -> Tally:
        """From midnight to midnight, and on until the last call is over."""
        agenda, tally, danger = self._agenda, self._tally, self._scenario.callers.danger
        for n in range(1, HALF_HOURS):
            agenda.at(n * HALF_HOUR_S, Kind.SHIFT, None)
        first = self._day.first
        callers: list[Caller] = []
        for came in self._day.times:
            while agenda.due(came):
                self._event()
            caller = Caller(came, next(first.danger) < danger)
            callers.append(caller)
            self._arrive(caller, came, first)
        while agenda:
            self._event()
        self._present.close()
        tally.callers = len(callers)
        for caller in callers:
            tally.unreached += not caller.reached
            if caller.danger:
                tally.in_danger += 1
                tally.in_danger_unreached += not caller.reached
        return tally

    def _event(self) -> None:
        now, kind, who = self._agenda.next()
        if who is None:
            self._present.next_half_hour(now)
            self._desk.shift(now)
        elif isinstance(who, Caller):
            self._arrive(who, now, self._day.again)
        elif kind is Kind.WAITED:
            if who.waiting:
                self._waited(who, now)
        elif kind is Kind.SEAT_DONE:
            self._desk.done(who, now)
        elif kind is Kind.BOT_DONE:
            self._bot_done(who, now)
        else:
            if kind is Kind.POLICE_DONE:
                self._police.give_back()
            self._over(who, now)

    # ── what callers do ───────────────────────────────────────────────────────────

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
        figures = self._known.figures(self._present, self._desk.oldest_wait_s(now), now)
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
                self._desk.sent(call, decision.region, now)
            case Destination.CALL_BACK if (
                next(draws.takes_call_back) < self._scenario.callers.takes_call_back
            ):
                tally.call_backs[half] += 1
                self._desk.promise(caller, now)
                self._present.trunks -= 1
            case _:
                self._desk.ask(call, now)

    def _waited(self, call: Call, now: float) -> None:
        """Nobody came: the caller gives up, or the bot takes the matter down."""
        tally, half = self._tally, call.half
        self._desk.leave(call, now)
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

    def _redial(self, call: Call, now: float) -> None:
        redial, draws = self._scenario.callers.redial, call.draws
        again = next(draws.redials) < redial.share
        at = now + next(draws.redial_after)
        if again and call.caller.tries <= redial.most and at < DAY_S:
            self._agenda.at(at, Kind.AGAIN, call.caller)

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
            self._agenda.at(now + next(draws.danger_time), Kind.BOT_DONE, call)
        elif contained and not call.caller.danger:
            tally.contained[half] += 1
            tally.reach(call.caller, now)
            self._agenda.at(now + next(draws.contained_time), Kind.BOT_DONE, call)
        else:
            call.asked = math.inf
            self._agenda.at(now + next(draws.leaving_time), Kind.BOT_DONE, call)

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
        self._present.take_line(call)
        self._desk.ask(call, now)

    def _take_down(self, call: Call, now: float) -> None:
        """A work order. Who was in danger, and not heard to be, got nobody."""
        self._tally.tickets[call.half] += 1
        if not call.caller.danger:
            self._tally.reach(call.caller, now)
        self._agenda.at(now + next(call.draws.ticket_time), Kind.OVER, call)

    def _call_police(self, now: float) -> None:
        lines = self._scenario.lines - self._present.lines
        for asked, call in self._police.serve(lines):
            self._present.take_line(call)
            self._tally.handed_to_police(call.half, now - asked)
            self._tally.reach(call.caller, now)
            self._agenda.at(now + next(call.draws.police_time), Kind.POLICE_DONE, call)

    def _over(self, call: Call, now: float) -> None:
        self._present.trunks -= 1
        if call.by_bot:
            self._present.with_bot(-1, now)
        if call.line:
            self._present.lines -= 1
            self._call_police(now)
