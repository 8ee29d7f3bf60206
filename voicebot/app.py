"""The service: what is loaded, started and stopped together.

It says that it is ready only when a call would be answered. What it can do without
(DESIGN.md, When things fail) does not keep it from starting: a database that takes no
write leaves the spool, a knowledge base that cannot be read leaves tickets and humans,
and both are taken up again as soon as they are back.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import WebSocket, WebSocketDisconnect

from asr.pool import PoolFigures
from flows import events as ev
from flows.dialogue import Limits, Policy
from telephony.call_control import CallControl, CallInfo, Capability, IncomingCall, Rejection
from telephony.dialing import DutyDirectory
from telephony.errors import CallError, MediaStreamError
from telephony.numbers import caller_number
from telephony.stream_start import StreamStart, receive_start
from voicebot.admission import Admission, Occupancy, offer_key
from voicebot.call.agent_desks import AgentDesks
from voicebot.call.engines import Engines, open_ear_processes, open_engines
from voicebot.call.journal import Journal
from voicebot.call.live import LiveFeed
from voicebot.call.pipeline import MediaStreamCall, refuse
from voicebot.call.session import CallSession, recording_path
from voicebot.call.waiting_lines import WaitingLines
from voicebot.call_backs import CallBacks
from voicebot.callers.missed_claims import Claim
from voicebot.callers.service import CallerService
from voicebot.cluster import subjects
from voicebot.cluster.callers_elsewhere import CallersElsewhere, digest, digests
from voicebot.cluster.everywhere import (
    offer_recordings,
    surge_everywhere,
    waiting_elsewhere,
    with_nodes,
)
from voicebot.cluster.nodes import Node
from voicebot.cluster.shared_lines import SharedLines
from voicebot.cluster.signs_of_life import tell_life
from voicebot.cluster.surge_elsewhere import follow_surge, surge_elsewhere
from voicebot.config import Settings
from voicebot.duty.following import follow_directory
from voicebot.endpoints import Endpoint
from voicebot.incidents.watch import IncidentWatch
from voicebot.jobs import jobs_of
from voicebot.knowledge import KnowledgeBase, open_embedder
from voicebot.knowledge_following import follow_knowledge, published_or_none
from voicebot.left_open import RunningCalls, close_left_open
from voicebot.loop_lag import LoopLag
from voicebot.metrics.call import CallMeter
from voicebot.metrics.instruments import NOT_ANSWERED, Metrics
from voicebot.metrics.standing import Standing
from voicebot.readiness import Readiness, readiness
from voicebot.recording_vault import open_vault
from voicebot.records.store import Records
from voicebot.security import desk_token
from voicebot.surge import status
from voicebot.surge.control import SurgeControl
from voicebot.surge.diverting import Diverting

if TYPE_CHECKING:
    from voicebot.cluster.member import Member
    from voicebot.tracing.call import CallTrace
    from voicebot.tracing.service import Tracing

log = structlog.get_logger()

REFUSED = (Rejection.FULL, Rejection.TOO_MANY, Rejection.STOPPING)
"""Callers of ours who were not answered: they count in the figures."""
LEAVING_S = 3.0
"""How long an endpoint has to take over a caller whom the service leaves."""

CALLS_END_S = 5
"""How long running calls have to end when the service is stopped."""


class Service:
    """Answers calls. Made by `open_service`, which loads what it needs.

    Parameters:
        member: what it is among the other processes of the installation; None: the only one.
    """

    member: Member | None = None

    def __init__(
        self,
        settings: Settings,
        engines: Engines,
        records: Records,
        directory: DutyDirectory,
        desk_token: str | None,
        member: Member | None = None,
    ) -> None:
        self.settings, self.engines, self.records = settings, engines, records
        self.member = member
        self.live = member.live if member is not None else LiveFeed()
        self.loop_lag = LoopLag()
        self.metrics = Metrics()
        self.tracing: Tracing | None = None
        """Of calls that begin from now on."""
        self.endpoints: Mapping[str, Endpoint] = {}
        """The telephone endpoints that run beside it."""
        self._directory, self._desk_token = directory, desk_token
        self._policy = Policy(
            engines.triage,
            Limits(**settings.dialogue.model_dump()),
            settings.greetings,
            {name: prompt.text for name, prompt in engines.prompts.items()},
        )
        self._recordings = settings.paths.state / "recordings"
        self.vault = open_vault(settings)
        self.running_calls = RunningCalls(settings.paths.state / "running")
        self._sessions: dict[str, CallSession] = {}
        self._elsewhere = CallersElsewhere(member.nodes if member is not None else None)
        self._admission = Admission(
            settings.admission,
            lambda: sum(session.lines_in_use for session in self._sessions.values()),
            engines.pool,
            self._elsewhere.calls,
        )
        self.call_backs = CallBacks(
            settings.handoff.call_back_trunk,
            self._is_calling,
            partial(Claim, records),
            self._elsewhere.has_newer,
            self._elsewhere.stamp,
            self._tell_callers,
        )
        lines = settings.handoff.lines
        self.shared_lines = (
            SharedLines(records, lines, self.metrics.line_alone, member)
            if lines and settings.on_postgresql
            else None
        )
        self.waiting = WaitingLines(lines, partial(waiting_elsewhere, member), self.shared_lines)
        self.desks = AgentDesks()
        self.callers = CallerService(
            settings,
            records,
            self._is_calling,
            lambda: self.occupancy.calls + 1 < self.settings.admission.calls,
        )
        self.surge = SurgeControl(
            settings,
            records,
            lambda: self._admission.room,
            lambda number, at: bool(self.callers.limited.last_day(number, at)),
            self._in_danger,
            surge_elsewhere(member),
        )
        self.incidents = IncidentWatch(
            records, engines.library, self._sessions.keys, self._tell_incident
        )
        self._diverting = Diverting(records, self.surge, self.callers.window)
        self.started_at = time.time()
        if member is not None:
            follow_surge(member, self.surge)
            offer_recordings(member, self._recordings)
            member.describe_with(self._described)
            member.bus.subscribe(subjects.HEARTBEATS, lambda _: self.call_backs.give_way())

    @property
    def calls_in_progress(self) -> int:
        return self.occupancy.calls

    @property
    def occupancy(self) -> Occupancy:
        """Calls and lines in use."""
        return self._admission.occupancy

    @property
    def recognition(self) -> PoolFigures:
        """How busy the transcriber is."""
        return self.engines.pool.figures(
            self.settings.asr.partial_every_s, self.settings.admission.final_within_s
        )

    @property
    def transcriber_counts(self) -> dict[str, int]:
        """What did not go as it should with the transcriber's processes."""
        return self.engines.transcriber_counts

    @property
    def listener_counts(self) -> dict[str, int]:
        """What did not go as it should with the ear process."""
        return self.engines.listener_counts

    @property
    def standing(self) -> Standing:
        """What can be read off the service now, for the metrics."""
        occupancy, limits = self.occupancy, self.settings.admission
        return Standing(
            occupancy.calls,
            limits.calls,
            occupancy.lines,
            limits.handoff_lines,
            occupancy.stopping,
            self.records.available,
            self.recognition,
            self.loop_lag.figures,
            tuple(session.state for session in self._sessions.values()),
            len(self.waiting.waiting(time.monotonic())),
            self.transcriber_counts,
            {line.did: self.surge.state(line.did).mode for line in self.settings.lines},
            self.tracing.counts if self.tracing is not None else {},
            self.member.standing if self.member is not None else None,
            self.listener_counts,
        )

    @property
    def installation(self) -> Standing:
        """As `standing`, with the calls of all nodes."""
        return with_nodes(self.standing, self.member)

    def surge_status(self) -> dict[str, Any]:
        """As GET /v1/surge has it."""
        return surge_everywhere(self.surge, self.settings, self.member)

    def _described(self, node: Node) -> Node:
        occupancy, limits = self.occupancy, self.settings.admission
        return replace(
            node,
            ready=self.readiness.ready,
            stopping=occupancy.stopping,
            calls=tuple(self._sessions),
            room=limits.calls,
            lines=occupancy.lines,
            lines_room=limits.handoff_lines,
            waiting=tuple(self.waiting.waiting_here(time.monotonic())),
            surge=status.told(self.surge, (line.did for line in self.settings.lines)),
            callers=digests(self._admission.callers),
            calling_back=tuple((digest(number), at) for number, at in self.call_backs.going_on),
        )

    def _is_calling(self, number: str, but: Collection[str]) -> bool:
        """At whatever node a call of this number is running, beside those with these ids."""
        return self._admission.calling(number, but) or self._elsewhere.calls(number) > 0

    def _in_danger(self, number: str) -> bool:
        """A call of this number broke off in danger, and some node is calling it back."""
        return self.call_backs.pending(number) or self._elsewhere.called_back(number)

    def _tell_callers(self) -> None:
        """At once: the caller may be ringing at another node."""
        if self.member is not None:
            self.member.beat()

    @property
    def readiness(self) -> Readiness:
        """Whether new calls should be sent here."""
        return readiness(
            stopping=self.occupancy.stopping,
            endpoints={name: each.up() for name, each in self.endpoints.items()},
        )

    @property
    def sessions(self) -> Mapping[str, CallSession]:
        """The calls that are running here, by id."""
        return self._sessions

    @property
    def directory(self) -> DutyDirectory:
        """The numbers that may be dialled now."""
        return self._directory

    def take_directory(self, directory: DutyDirectory) -> None:
        """The numbers that may be dialled, in running calls too."""
        self._directory = directory
        for session in self._sessions.values():
            session.take_directory(directory)

    def take_settings(self, settings: Settings) -> None:
        """What new calls go by from now on (`voicebot.reloading`); running ones keep theirs."""
        self.settings = settings
        self._policy = replace(
            self._policy,
            limits=Limits(**settings.dialogue.model_dump()),
            greetings=settings.greetings,
        )
        self._admission.take_settings(settings.admission)
        self.callers.take_settings(settings)
        self.surge.take_settings(settings)

    def _tell_incident(self, call: str, handoff: str, incident: str) -> None:
        session = self._sessions.get(call)
        if session is not None:
            session.take_incident(handoff, incident)

    def seal_recordings(self) -> None:
        """What a crash has left plain; before any call is running."""
        count = self.vault.seal_leftovers(self._recordings)
        if count:
            log.info("recordings_sealed", count=count)

    async def drain(self) -> None:
        """Takes no new call; running ones may finish until the deadline of [admission], then
        the endpoints that can keep their callers are left with them.
        """
        self._admission.stop()
        if self.member is not None:
            self.member.beat()
        await self._until_no_call(self.settings.admission.drain_s)

        async def leave(session: CallSession) -> None:
            async with asyncio.timeout(LEAVING_S):
                await session.leave()

        left = await asyncio.gather(*map(leave, self._sessions.values()), return_exceptions=True)
        for error in left:
            if error is not None:
                log.error("call_not_handed_over", reason=repr(error))

    async def ended(self) -> None:
        """All calls have put their last words on record, or `CALLS_END_S` have passed."""
        await self._until_no_call(CALLS_END_S)

    async def _until_no_call(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.calls_in_progress:  # noqa: ASYNC110 - once, at the very end
                    await asyncio.sleep(0.05)

    async def handle_media(self, websocket: WebSocket, *, authorised: bool) -> None:
        """One call over a media WebSocket, from its first message to its last record.

        Parameters:
            websocket: accepted already.
            authorised: the upgrade carried a token; else the start message must.
        """
        try:
            start = await receive_start(lambda: _text(websocket), dict(websocket.query_params))
        except WebSocketDisconnect:
            return
        except MediaStreamError as error:
            log.warning("call_refused", reason=error.code)
            await refuse(websocket, error.message)
            return
        if not authorised and not await self._token_fits(start):
            log.warning("call_refused", reason="wrong_token")
            await refuse(websocket, "The token is missing or wrong.")
            return
        await self.take(MediaStreamCall(websocket, start))

    async def take(self, call: IncomingCall) -> None:
        """One offered call, from whatever endpoint, to its last record."""
        offered_at = time.time()
        info = replace(call.info, caller=caller_number(call.info.caller).number)
        if self.settings.line(info.did) is None:
            await self._turn_away(call, Rejection.NOT_OURS)
            return
        routed = await self.surge.route(call, info)
        self.metrics.routed(info.did, routed.decision)
        if not routed.to_people:
            self._diverting.forget(info.call_id)
        refusal = (
            self._admission.divert(info, outside=routed.outside)
            if routed.to_people
            else self._admission.reserve(info, in_danger=self._in_danger(info.caller))
        )
        if refusal is not None:
            if refusal is not Rejection.DUPLICATE:  # the call that has this id goes on
                self._diverting.forget(info.call_id)
            await self._turn_away(call, refusal)
            return
        self._tell_callers()
        try:
            if await self.records.known(info.call_id):
                await self._turn_away(call, Rejection.DUPLICATE)
            elif routed.to_people:
                await self._diverting.give(call, info, routed, offered_at)
            else:
                await self._serve(call, info, offered_at)
        finally:
            self._sessions.pop(info.call_id, None)
            self.desks.leave(info.call_id)
            self.waiting.leave(info.call_id)
            self._admission.release(info.call_id)
            self._tell_callers()

    async def _token_fits(self, start: StreamStart) -> bool:
        return start.token is not None and await self.records.token_fits(
            start.token, roles=("media", "admin")
        )

    async def _turn_away(self, call: IncomingCall, why: Rejection) -> None:
        log.warning("call_refused", reason=why.value)
        self.metrics.refused(why.value)
        if why in REFUSED:
            self._not_answered(call.info, why.value)
            self.callers.turned_away(call.info, why)
        self._offered(call.info.called, served=False)
        await call.reject(why, self.settings.admission.retry_after_s)

    def _not_answered(self, info: CallInfo, why: str) -> None:
        self.records.refuse_call(info.call_id, info.did, why, time.time(), offer_key(info))

    def _offered(self, reference: str, *, served: bool) -> None:
        """What became of an answered call of ours; nothing for any other."""
        self.call_backs.offered(reference, served=served)
        self.callers.calling.offered(reference, served=served)

    def _trace(self, call_id: str) -> CallTrace | None:
        try:
            return self.tracing.call(call_id) if self.tracing is not None else None
        except Exception:  # no trace is worth a call
            log.exception("call_not_traced")
            return None

    async def _serve(self, call: IncomingCall, info: CallInfo, offered_at: float) -> None:
        dialled = self.settings.line(info.did)
        started = ev.CallStarted(
            0.0,
            info.call_id,
            info.caller,
            info.did,
            did_region=dialled.region if dialled else None,
            known_region=await self.records.last_region(info.caller),
            trunk=info.trunk.value,
            order=info.order,
            called_back=self.call_backs.matter(info.called),
        )
        started = await self.callers.known(started, info)
        region = started.known_region or started.did_region
        announced = self.incidents.announcement(started.serves_as or info.did, region)
        started = replace(started, announcement=announced)
        try:
            line = await call.answer()
        except CallError as error:
            log.warning("call_not_answered", reason=error.code)
            self.metrics.refused(NOT_ANSWERED)
            self._not_answered(info, NOT_ANSWERED)
            self._offered(info.called, served=False)
            return
        self._offered(info.called, served=True)
        self.callers.calling.seen(line)
        session = CallSession(
            line,
            replace(started, calls_back=self.call_backs.possible(line, info.caller)),
            engines=self.engines,
            journal=Journal(
                self.records,
                self.live,
                partial(self.engines.text, line=started.serves_as or info.did),
                offered_at,
                self.callers.window,
                offer_key(info),
            ),
            directory=self._directory,
            desk_token=self._desk_token,
            settings=self.settings,
            policy=self._policy,
            call_backs=self.call_backs,
            waiting=self.waiting,
            meter=CallMeter(self.metrics),
            desks=self.desks,
            trace=self._trace(info.call_id),
        )
        recording = recording_path(self._recordings, info.call_id)
        self._sessions[info.call_id] = session
        noting = asyncio.create_task(asyncio.to_thread(self.running_calls.begin, info.call_id))
        try:
            await session.run(recording, self.vault.kept_as(recording))
        except BaseException:
            if Capability.OUTLIVES_US not in line.capabilities:
                await _ended_by_us(line, call)
            # Else the endpoint finds the caller neither hung up nor released, and keeps them.
            raise
        else:
            if not (session.left and await _ended_by_others(call)):
                await _ended_by_us(line, call)
            await noting
            await asyncio.to_thread(self.running_calls.end, info.call_id)
        finally:
            await asyncio.to_thread(self.vault.seal, recording)


async def _ended_by_others(call: IncomingCall) -> bool:
    """Who has the caller ends our part of the call; we do so only if that does not come."""
    try:
        async with asyncio.timeout(LEAVING_S):
            await call.closed()
    except TimeoutError:
        log.error("call_not_ended_by_others")
        return False
    return True


async def _ended_by_us(line: CallControl, call: IncomingCall) -> None:
    try:
        async with asyncio.timeout(LEAVING_S):
            await line.hang_up()
    except Exception:
        log.exception("caller_not_hung_up")
    await call.closed()


async def _text(websocket: WebSocket) -> str | bytes:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return message.get("text") or message.get("bytes") or ""


@contextlib.asynccontextmanager
async def open_service(settings: Settings, member: Member | None = None) -> AsyncIterator[Service]:
    """The service with everything it needs, and its background work, until the block ends: what
    belongs to its own calls, and as role `worker` what an installation needs once.

    Raises:
        VoicebotError: a model that it cannot do without is missing.
    """
    records = await Records.open(settings, member.run_id if member is not None else "")
    tasks: list[asyncio.Task[None]] = []
    knowledge = KnowledgeBase(settings)
    service: Service | None = None
    engines: Engines | None = None
    try:
        embedder = open_embedder(settings)
        published = await asyncio.to_thread(published_or_none, knowledge, embedder)
        engines = await asyncio.to_thread(open_engines, settings, published, embedder)
        await open_ear_processes(settings, engines)
        directory = await records.duty_directory()
        service = Service(settings, engines, records, directory, desk_token(settings), member)
        service.tracing = _open_tracing(settings)
        await asyncio.to_thread(service.seal_recordings)
        left_open = await asyncio.to_thread(service.running_calls.left)
        tasks = [
            asyncio.create_task(engines.pool.run()),
            asyncio.create_task(service.loop_lag.run()),
            asyncio.create_task(
                close_left_open(
                    service.running_calls,
                    left_open,
                    records,
                    service.callers.window if settings.on_postgresql else None,
                )
            ),
            asyncio.create_task(service.callers.run()),
            asyncio.create_task(service.surge.run()),
            asyncio.create_task(service.incidents.run()),
            asyncio.create_task(follow_knowledge(knowledge, engines)),
            asyncio.create_task(service.vault.run()),
            asyncio.create_task(follow_directory(records, directory, service.take_directory)),
            asyncio.create_task(
                jobs_of(settings, records, engines.embedder, service.metrics, member)
            ),
        ]
        if settings.on_postgresql:
            tasks.append(
                asyncio.create_task(tell_life(records, settings.node, service.sessions.keys))
            )
        if service.shared_lines is not None:
            tasks.append(asyncio.create_task(service.shared_lines.run(service.waiting)))
        settle()
        yield service
    finally:
        gc.unfreeze()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if service is not None:
            await service.call_backs.close()
            if service.shared_lines is not None:
                await service.shared_lines.close()
            if service.tracing is not None:
                await asyncio.to_thread(service.tracing.close)
        if engines is not None and engines.ear_processes is not None:
            await engines.ear_processes.close()
        knowledge.close()
        await records.close()


def _open_tracing(settings: Settings) -> Tracing | None:
    """Where no collector is named, nothing is loaded for it."""
    if not settings.tracing.url:
        return None
    from voicebot.tracing.service import Tracing

    return Tracing(settings.tracing)


def settle() -> None:
    """What is loaded stays: the collector need not look through it again and again.

    Its 390,000 objects cost a full collection 130 ms, on a busy machine 240, in which no call
    got a frame.
    """
    gc.collect()
    gc.freeze()
