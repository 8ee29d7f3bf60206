"""The seats of all regions, the queue before the local ones, and promised call-backs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from voicebot.simulation.agenda import Agenda, Kind
from voicebot.simulation.draws import Attempts
from voicebot.simulation.known import Known
from voicebot.simulation.people import Call, Caller, Group
from voicebot.simulation.present import Present
from voicebot.simulation.scenario import Scenario
from voicebot.simulation.tally import Tally


class Desk:
    """Parameters:
    groups: the seats.
    again: what chance brings those who are called back.
    agenda, known, present, tally: of the day.
    over: is told when a seat is done with a call.
    """

    def __init__(
        self,
        scenario: Scenario,
        groups: Sequence[Group],
        again: Attempts,
        agenda: Agenda,
        known: Known,
        present: Present,
        tally: Tally,
        over: Callable[[Call, float], None],
    ) -> None:
        self._seat_wait_s, self._keeps = scenario.bot.seat_wait_s, scenario.policy.seat_reserve
        self._groups = groups
        self._by_region = {group.region: group for group in groups}
        self._local = [group for group in groups if group.local]
        self._again, self._agenda, self._known = again, agenda, known
        self._present, self._tally, self._over = present, tally, over
        self._queue: deque[Call] = deque()
        self._call_backs: deque[tuple[float, Caller]] = deque()

    def oldest_wait_s(self, now: float) -> float:
        """How long the first of the queue has waited."""
        queue = self._queue
        while queue and not queue[0].waiting:
            queue.popleft()
        return now - queue[0].asked if queue else 0.0

    def sent(self, call: Call, region: str, now: float) -> None:
        """The law has given a call to a free seat of a region."""
        self._tally.asked_human[call.half] += 1
        self._answer(call, self._by_region[region], now)

    def ask(self, call: Call, now: float) -> None:
        """A free local seat, or the queue, first come first served."""
        call.asked = now
        self._tally.asked_human[call.half] += 1
        if not self._present.waiting:
            for group in self._local:
                if group.free:
                    self._answer(call, group, now)
                    return
        call.waiting = True
        self._present.queue(1, now)
        self._queue.append(call)
        patience = min(call.patience, self._seat_wait_s) if call.by_bot else call.patience
        self._agenda.at(now + patience, Kind.WAITED, call)

    def leave(self, call: Call, now: float) -> None:
        """A call leaves the queue without a seat."""
        call.waiting = False
        self._present.queue(-1, now)
        self._tally.human_wait_s[call.half] += now - call.asked

    def promise(self, caller: Caller, now: float) -> None:
        """A caller hangs up and is called back once nobody waits."""
        self._call_backs.append((now, caller))

    def done(self, call: Call, now: float) -> None:
        """A seat is free again."""
        group = call.group
        assert group is not None
        group.busy -= 1
        self._known.seats_changed()
        if call.met <= now:
            self._known.talked(now - call.met)
        self._over(call, now)
        if group.local:
            self._serve(group, now)

    def shift(self, now: float) -> None:
        """A half-hour begins, perhaps with other seats."""
        for group in self._groups:
            group.staffed = group.plan[self._present.half]
        self._known.seats_changed()
        for group in self._local:
            self._serve(group, now)

    def _answer(self, call: Call, group: Group, now: float) -> None:
        tally, half, waited = self._tally, call.half, now - call.asked
        group.busy += 1
        self._known.seats_changed()
        call.group = group
        if not group.local:
            self._present.take_line(call)
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
        tally.reach(call.caller, now)
        self._agenda.at(now + next(call.draws.service), Kind.SEAT_DONE, call)

    def _serve(self, group: Group, now: float) -> None:
        """Gives the group's free seats to who waits, then to promised call-backs."""
        queue = self._queue
        while queue and group.free:
            call = queue.popleft()
            if call.waiting:
                call.waiting = False
                self._present.queue(-1, now)
                self._answer(call, group, now)
        while self._call_backs and not self._present.waiting and group.free > self._keeps:
            self._call_back(group, now)

    def _call_back(self, group: Group, now: float) -> None:
        promised, caller = self._call_backs.popleft()
        self._tally.called_back += 1
        self._tally.call_back_delay_s += now - promised
        self._tally.reach(caller, now)
        call = Call(caller, now, self._present.half, self._again)
        group.busy += 1
        self._known.seats_changed()
        call.group = group
        self._present.trunk()
        self._agenda.at(now + next(call.draws.service), Kind.SEAT_DONE, call)
