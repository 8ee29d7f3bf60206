"""Decides where each offered call goes, with the figures of that moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from flows.forecast import Profile, Situation
from flows.surge import Decision, Destination, Figures, Kind, Policy, Reason, State, decide
from telephony.call_control import CallInfo, DivertibleCall, QueueState, Trunk
from voicebot.admission import Room, offer_key
from voicebot.callers.days import local
from voicebot.config import Settings
from voicebot.config_surge import SurgeQueue
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.surge import forecasting, orders
from voicebot.surge.arrivals import Arrivals
from voicebot.surge.board import SETTLES_S, Board, GroupReport, SeatReport
from voicebot.surge.decisions import kept
from voicebot.surge.measured import Measured
from voicebot.surge.orders import Standing
from voicebot.surge.shared import ALONE, Arrived, Others, SeatsTold, SentToSeats, Told

log = structlog.get_logger()

ORDERS_EVERY_S = 2.0
"""How soon an order counts in new calls."""
FORECAST_EVERY_S = 3600.0
QUEUE_ASKED_S = 0.3
"""How long an offered call waits for the figures of the PBX's queues; then they are unknown."""
QUEUE_SETTLES_S = 0.25
"""How long a caller may take from the decision into the PBX's queue."""


@dataclass(frozen=True, slots=True)
class Routed:
    """A call's decision, and what it means at the PBX.

    Parameters:
        to_people: the call is given to people unanswered.
        queue: "" where the settings name none: the dialplan's own.
    """

    decision: Decision
    to_people: bool
    queue: str = ""

    @property
    def outside(self) -> bool:
        """The seat is reached over an outgoing line."""
        return self.decision.destination is Destination.REMOTE_SEAT


class SurgeControl:
    """Parameters:
    room: what the bot has for ordinary calls at this moment.
    is_limited: the number has no seat (骚扰限制) at a moment.
    in_danger: a call of this number broke off in danger, and it is being called back.
    others: of the installation; told what their figures need, as `take` takes it.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        room: Callable[[], Room],
        is_limited: Callable[[str, float], bool],
        in_danger: Callable[[str], bool],
        others: Others = ALONE,
    ) -> None:
        self._records = records
        self._room, self._is_limited, self._in_danger = room, is_limited, in_danger
        self._others, self._node = others, settings.node
        self.take_settings(settings)
        self._states = {did: State(since=time.time()) for did in self._policies}
        self._newest: dict[str, Decision] = {}
        self._arrivals = Arrivals(time.time())
        self.measured = Measured(self._settings.service_s, self._settings.patience_s)
        self.board = Board(self.measured)
        self._orders: Sequence[Standing] = ()
        self._profiles: Mapping[str, Profile] = {}

    def take_settings(self, settings: Settings) -> None:
        """The law's numbers and the queues from now on; what is known of each line stays."""
        self._settings, reserve = settings.surge, settings.admission.handoff_reserve
        self._policies = {
            line.did: self._settings.policy(line.did, reserve) for line in settings.lines
        }
        self._queues = {
            did: [each for each in self._settings.queues if each.line == did]
            for did in self._policies
        }

    async def run(self) -> None:
        """Follows orders and the past, until it is cancelled."""
        async with asyncio.TaskGroup() as work:
            work.create_task(self._follow_orders())
            if self._settings.forecast:
                work.create_task(self._learn())

    async def route(self, call: object, info: CallInfo) -> Routed:
        """Where an offered call goes; its decision is written beside the call's record.

        Never raises: a fault here leaves the call to the bot.

        Parameters:
            call: one that can be given to people is a `DivertibleCall`.
        """
        try:
            return await self._route(call, info)
        except Exception:
            log.exception("surge_not_decided")
            mode = self._states[info.did].mode
            return Routed(Decision(Destination.BOT, Reason.FIGURES_UNKNOWN, mode), False)

    async def _route(self, call: object, info: CallInfo) -> Routed:
        at = time.time()
        if not (info.called or info.waited):
            self._arrived(info, at)
        if isinstance(call, DivertibleCall):
            await self._ask_queues(call, info.did)
            at = time.time()
        policy, figures = self._policies[info.did], self.figures(info.did, at)
        before = self._states[info.did].mode
        self._states[info.did], decision = decide(
            self._states[info.did],
            figures,
            policy,
            at,
            kind=self._kind(info, at),
            number_known=bool(info.caller),
            divertible=isinstance(call, DivertibleCall),
            waited=info.waited,
            override=orders.override(self._orders, info.did, at),
        )
        self._newest[info.did] = decision
        if self.board.knows(info.did) or decision.override is not None:
            note = kept(decision, figures, policy, info.call_id, info.did, at)
            if decision.mode is not before:
                note |= {"was": before.value, "node": self._node}
            self._records.note_surge_decision(note)
        # Without figures and orders all is as it is without surge control.
        controlled = decision.wait_s is not None or decision.override is not None
        to_people = (
            controlled
            and isinstance(call, DivertibleCall)
            and decision.destination is not Destination.BOT
        )
        return Routed(decision, to_people, self._queue(info.did, decision.region))

    def tell(self, report: SeatReport, at: float, settles_s: float = SETTLES_S) -> None:
        """A line's seats, as they were told to this process."""
        self.board.tell(report, at, settles_s)
        self._others.tell(SeatsTold(report=report, settles_s=settles_s))

    def gone_to_people(self, did: str, region: str) -> None:
        """A caller was given to the seats of a region; "" for the line's own."""
        self.board.sent(did, region, time.time())
        self._others.tell(SentToSeats(line=did, region=region))

    def take(self, told: Told) -> None:
        """What another process tells. Times are those of this process's clock; what concerns a
        line that is none of ours is passed over.
        """
        at = time.time()
        match told:
            case SeatsTold(report=report) if report.line in self._policies:
                self.board.tell(report, at, told.settles_s)
            case SentToSeats(line=line) if line in self._policies:
                self.board.sent(line, told.region, at)
            case Arrived(line=line) if line in self._policies:
                self._arrivals.note(line, at, told.key)
            case _:
                pass

    def _arrived(self, info: CallInfo, at: float) -> None:
        key = offer_key(info)
        if self._arrivals.note(info.did, at, key, self._others.stands_for()):
            self._others.tell(Arrived(line=info.did, key=key))

    def figures(self, did: str, at: float) -> Figures:
        """What is known of a line now."""
        bot = self._room()
        seats, age = self.board.seats(did, at, self._arrivals.per_min(did, at))
        return Figures(
            bot.calls,
            bot.room,
            bot.lines,
            bot.lines_in_use,
            seats,
            age,
            forecasting.expected(self._profiles.get(did), local(at), self.situation(did, at)),
        )

    def situation(self, did: str, at: float) -> Situation:
        """What kind of day it is: by order, else by the calendar."""
        ordered = orders.situation(self._orders, did, at)
        return forecasting.situation_on(local(at)) if ordered is None else ordered

    def policy(self, did: str) -> Policy:
        return self._policies[did]

    def asks_queues(self, did: str) -> bool:
        """The PBX's queues are asked at each call of the line: its figures are never stale then."""
        return bool(self._queues[did])

    def state(self, did: str) -> State:
        return self._states[did]

    def newest(self, did: str) -> Decision | None:
        """The last decision on a line."""
        return self._newest.get(did)

    @property
    def orders(self) -> Sequence[Standing]:
        """What supervisors have ordered, as far as it is known here."""
        return self._orders

    async def refresh(self) -> None:
        """Take up orders at once."""
        try:
            self._orders = await self._records.read(orders.in_force, time.time())
        except RecordsUnavailable as error:
            log.warning("surge_orders_unknown", reason=str(error))  # what stood goes on
        except Exception as error:  # following goes on: an order must be able to end
            log.error("surge_orders_unknown", reason=type(error).__name__)

    def _kind(self, info: CallInfo, at: float) -> Kind:
        if info.trunk is Trunk.POLICE or info.called or self._in_danger(info.caller):
            return Kind.URGENT
        return Kind.LIMITED if self._is_limited(info.caller, at) else Kind.ORDINARY

    def _queue(self, did: str, region: str) -> str:
        """Of a region; of the line's own seats where none is named."""
        queues = self._queues[did]
        named = (each for each in queues if region and each.region == region)
        own = (each for each in queues if each.local)
        found = next(named, None) or next(own, None) or next(iter(queues), None)
        return found.name if found is not None else ""

    async def _ask_queues(self, call: DivertibleCall, did: str) -> None:
        queues = self._queues[did]
        if not queues:
            return
        try:
            async with asyncio.timeout(QUEUE_ASKED_S):
                found = await asyncio.gather(
                    *(call.queue_state(each.name, each.trunk) for each in queues)
                )
        except TimeoutError:
            log.warning("queues_not_read", line=did)
            return
        report = _report(did, queues, found)
        if report is not None:
            self.tell(report, time.time(), QUEUE_SETTLES_S)

    async def _follow_orders(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(ORDERS_EVERY_S)

    async def _learn(self) -> None:
        while True:
            try:
                self._profiles = await self._records.read(
                    forecasting.profiles,
                    local(time.time()),
                    self._settings.forecast_weeks,
                    self._settings.factors,
                )
            except RecordsUnavailable as error:
                log.warning("forecast_not_learnt", reason=str(error))
            except Exception as error:
                log.error("forecast_not_learnt", reason=type(error).__name__)
            await asyncio.sleep(FORECAST_EVERY_S)


def _report(
    did: str, queues: Sequence[SurgeQueue], found: Sequence[QueueState | None]
) -> SeatReport | None:
    """The PBX's queues as an ACD would report them; None when one of our own is not known."""
    groups, waiting = [], 0
    for queue, state in zip(queues, found, strict=True):
        if state is None:
            if queue.local:
                return None
            continue
        free = min(state.free, state.staffed)
        groups.append(
            GroupReport(region=queue.region, local=queue.local, staffed=state.staffed, free=free)
        )
        waiting += state.waiting if queue.local else 0
    return SeatReport(line=did, groups=groups, waiting=waiting)
