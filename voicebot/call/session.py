"""One call's life: events in order through the dialogue core, its actions out.

Everything that decides is in `flows`; everything here carries: audio to the ears,
hypotheses to the core, its actions to the performer. One task takes the events one
by one, so the core sees a single ordered stream (pipecat#5056); models run in threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from flows import actions as act
from flows import events as ev
from flows.dialogue import Policy, step
from flows.legs import due_at as handoff_due_at
from flows.state import State
from flows.waiting_list import Grant
from telephony.call_control import CallControl, Capability, Leg
from telephony.codecs import FRAME_SECONDS, Int16
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.leg import WebSocketLeg
from telephony.recording import file_stem
from telephony.resampling import StreamResampler
from telephony.trunk_address import CONSOLE, trunk_address
from voicebot.call.agent_desks import AgentDesks
from voicebot.call.ears import Ears
from voicebot.call.echo import EchoGate
from voicebot.call.endpointing import EndpointingLimits
from voicebot.call.engines import Engines
from voicebot.call.event_queue import EventQueue
from voicebot.call.far_words import FarWords
from voicebot.call.handoff import HandoffDriver, HandoffLimits
from voicebot.call.intake import Intake
from voicebot.call.journal import Journal
from voicebot.call.look_ahead import LookAhead
from voicebot.call.performer import Performer
from voicebot.call.player import Player
from voicebot.call.preparing import Preparer
from voicebot.call.recorder import CallRecorder
from voicebot.call.rendering import Parts
from voicebot.call.resuming import resume_point
from voicebot.call.silence import SilenceWatch
from voicebot.call.turn_audio import RATE
from voicebot.call.voice import voice_probabilities
from voicebot.call.waiting_lines import WaitingLines
from voicebot.call.waiting_lines import why as why_this_call
from voicebot.call_backs import CallBacks
from voicebot.config import Settings
from voicebot.exchange.dossier import TranscriptTurn
from voicebot.metrics.call import CallMeter
from voicebot.records.duty import duty_lines
from voicebot.tracing.current import TRACE

if TYPE_CHECKING:
    from voicebot.tracing.call import CallTrace

log = structlog.get_logger()

HANG_UP_PATIENCE_S = 2.0
"""A caller who is gone ends the call after this, whatever becomes of the event."""

LAST_EVENTS_S = 2.0
"""How long what happened at the very end may take to be decided on."""


class CallSession:
    """One answered call.

    Parameters:
        line: the caller's line.
        engines: the models, shared by all calls.
        journal: where the call is written down and watched from.
        directory: the numbers it may be handed to.
        call_backs: calls the number back if the caller is gone while danger is open.
        waiting: which of all calls has a line to 110, and which waits for one.
        meter: counts what happens.
        desks: agents' desks in browsers, where seats may ring.
        trace: its OpenTelemetry trace; None: there is none.
    """

    def __init__(
        self,
        line: CallControl,
        start: ev.CallStarted,
        *,
        engines: Engines,
        journal: Journal,
        directory: DutyDirectory,
        desk_token: str | None,
        settings: Settings,
        policy: Policy,
        call_backs: CallBacks,
        waiting: WaitingLines,
        meter: CallMeter,
        desks: AgentDesks,
        trace: CallTrace | None = None,
    ) -> None:
        self._line, self._engines = line, engines
        self._start = replace(start, duty_lines=duty_lines(directory))
        self._journal, self._settings, self._policy = journal, settings, policy
        self._desk_token = desk_token
        self._call_backs, self._meter, self._desks = call_backs, meter, desks
        self._trace = trace
        self._state = State()
        self._events = EventQueue()
        self._began = time.monotonic()
        self._ended, self._hurry = asyncio.Event(), asyncio.Event()
        self._caller_gone = False
        self._echo = EchoGate(line.rate)
        self._to_ears = StreamResampler(line.rate, RATE)
        self._closing = False
        self.left = False
        """The far side has taken the caller's line over: it is not ours to hang up."""
        self._recorder: CallRecorder | None = None
        self._intake = Intake(
            line.rate, self.now, self._at_once, self._hear_now, self._ears_are_behind
        )
        self._preparer = Preparer(
            engines.embedder, engines.work_executor, policy, lambda: self._state, self._events.put
        )
        self._ahead = LookAhead(self._speak)
        self._player = Player(line, self._render, self._post, self.now, self._record_sent)
        self._driver = HandoffDriver(
            directory,
            self._new_leg,
            self._post,
            self._player.far_side,
            voice_probabilities,
            self.now,
            HandoffLimits(
                settings.handoff.confirm_timeout_s,
                settings.handoff.queue_patience_s,
                settings.handoff.queue_timeout_s,
                settings.handoff.answer_timeout_s,
            ),
            engines.far_ear,
            self._new_words,
        )
        self._lines = waiting.of_call(start.call_id, self._line_free)
        self._performer = Performer(
            line,
            self._player,
            self._driver,
            journal,
            engines,
            self._transcribe_now,
            self._post,
            self.now,
            self._over,
            self._call_back,
            partial(self._lines.may_dial, now=time.monotonic),
        )
        self._ears: Ears | None = None

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self._state

    @property
    def transcript(self) -> tuple[tuple[str, TranscriptTurn], ...]:
        """What was said so far: (key of the turn, its newest state), in order."""
        return self._journal.transcript

    @property
    def unsettled(self) -> tuple[tuple[str, TranscriptTurn], ...]:
        """What far sides are saying, as far as it was heard: (key of the turn, its words)."""
        return self._journal.unsettled

    @property
    def confidential(self) -> bool:
        """The caller has asked in this call that nobody learn who he is (保密)."""
        return self._journal.confidential

    def keep_confidential(self) -> None:
        """Somebody has noted that wish for him."""
        self._journal.keep_confidential()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Of the caller's line."""
        return self._line.capabilities

    @property
    def answered_at(self) -> float:
        """When the call was answered, seconds since the epoch."""
        return self._journal.began

    @property
    def lines_in_use(self) -> int:
        """Outgoing lines of this call's hand-off."""
        return self._driver.lines_in_use

    def now(self) -> float:
        """Seconds since the call was answered."""
        return time.monotonic() - self._began

    # ── the call ──────────────────────────────────────────────────────────────────

    async def run(self, recording: Path | None = None, kept_as: Path | None = None) -> None:
        """Everything from the greeting to the last record; returns when the call is over.

        Parameters:
            recording: file of the two-channel recording, None for none.
            kept_as: the file that it will be afterwards, if another.
        """
        structlog.contextvars.bind_contextvars(call_id=self._start.call_id)
        TRACE.set(self._trace)
        ears = self._ears = await self._open_ears()
        try:
            recorder = await self._begin(recording, kept_as)
        except BaseException:
            await ears.close()
            raise
        workers = [
            asyncio.create_task(_kept_up(work))
            for work in (
                self._take_events,
                self._preparer.run,
                self._player.run,
                self._intake.keep_time,
                self._intake.feed,
                recorder.run,
                self._watch_time,
            )
        ]
        try:
            await self._ended.wait()
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self._wind_up(ears, recorder)
            self._meter.ended(self._state)
            self._end_trace()
            structlog.contextvars.unbind_contextvars("call_id")

    async def _begin(self, recording: Path | None, kept_as: Path | None) -> CallRecorder:
        """Clock, record and line begin; what there is no engine for is told."""
        recorder = self._recorder = CallRecorder(recording, self._line.rate, self.now)
        self._began = time.monotonic()
        if self._trace is not None:
            self._trace.begin()
        await self._journal.start(self._start, str(kept_as or recording or ""))
        self._post(self._start)
        self._line.listen(self)
        for ear, engine in (
            (ev.Ear.LISTENER, self._engines.listener),
            (ev.Ear.TRANSCRIBER, self._engines.transcriber),
        ):
            if engine is None:
                self._post(ev.EngineFailed(0.0, ear, "not_installed"))
        return recorder

    async def _wind_up(self, ears: Ears, recorder: CallRecorder) -> None:
        """Legs down, files closed, the record complete; whatever fails, the rest is done."""

        async def close_recording() -> None:
            recorder.close()

        for last in (
            self._take_rest,
            self._driver.close,
            self._hear_rest,
            ears.close,
            close_recording,
            self._performer.writes_done,
            self._take_rest,  # a write that was confirmed meanwhile counts in the figures
            lambda: self._journal.finish(self._state),
        ):
            try:
                await last()
            except Exception:
                log.exception("call_not_wound_up")

    async def _hear_rest(self) -> None:
        """What the ears were behind with comes on record."""
        if not self._caller_gone:
            self._hurry.set()
        await self._intake.feed_rest(self._hurry)

    async def _take_rest(self) -> None:
        """What had happened when the call ended, and was not yet decided on."""
        async with asyncio.timeout(LAST_EVENTS_S):
            while (event := self._events.get_nowait()) is not None:
                await self._take(event)

    async def _open_ears(self) -> Ears:
        turn = self._settings.turn
        return Ears(
            self._post,
            ear=self._engines.caller_ear(),
            transcriber=self._engines.transcriber,
            pool=self._engines.pool,
            smart_turn=self._engines.smart_turn,
            limits=EndpointingLimits(turn.start_s, turn.stop_s, turn.ceiling_s, turn.max_turn_s),
            threshold=turn.vad_confidence,
            partial_every_s=self._settings.asr.partial_every_s,
            now=self.now,
            words=self._engines.knowledge.words,
        )

    async def hear(self, pcm: Int16) -> None:
        """Audio of the caller at the line's rate, as it arrives."""
        if not self._closing:
            self._intake.push(pcm)

    def press(self, key: str) -> None:
        """The caller pressed a key."""
        self._post(ev.KeyPressed(self.now(), key))

    def caller_hung_up(self) -> None:
        """The caller's line is gone."""
        self._caller_gone = True
        self._post(ev.HungUp(self.now()))
        asyncio.get_running_loop().call_later(HANG_UP_PATIENCE_S, self._ended.set)

    def ask(self, act: ev.AgentAct, agent: str, *, destination: str = "", entry: str = "") -> None:
        """An agent asks for something; what becomes of it `flows.agent` decides."""
        self._post(ev.AgentAsked(self.now(), act, agent, destination, entry))

    def take_directory(self, directory: DutyDirectory) -> None:
        """The duty directory has changed."""
        self._driver.take_directory(directory)
        self._post(ev.DutyLinesChanged(self.now(), duty_lines(directory)))

    def take_incident(self, handoff: str, incident: str) -> None:
        """A hand-off of this call belongs to an incident; its dossier says so from now on."""
        self._journal.incident(handoff, incident)
        self._performer.renew_dossier(self._state)

    async def leave(self) -> None:
        """The service is being stopped: the endpoint keeps the caller, where it can.

        Where it cannot, the call goes on until the service ends.
        """
        self._hurry.set()
        if Capability.OUTLIVES_US in self._line.capabilities:
            await self._line.release()
            self._closing = True
            self._post(ev.Released(self.now()))
            asyncio.get_running_loop().call_later(HANG_UP_PATIENCE_S, self._ended.set)

    # ── audio ─────────────────────────────────────────────────────────────────────

    def _at_once(self, pcm: Int16) -> Int16:
        self._driver.send_caller_audio(pcm, self._line.rate)
        if self._recorder is not None:
            self._recorder.said(pcm)
        return self._echo.heard(pcm)

    def _record_sent(self, pcm: Int16) -> None:
        self._echo.sent(pcm, self.now() + self._intake.ahead_s)
        if self._recorder is not None:
            self._recorder.sent(pcm)

    async def _hear_now(self, pcm: Int16) -> None:
        assert self._ears is not None
        await self._ears.feed(self._to_ears.push(pcm))

    def _transcribe_now(self, turn: int) -> None:
        assert self._ears is not None
        self._ears.transcribe_now(turn)

    def _ears_are_behind(self) -> None:
        for ear in ev.Ear:
            self._post(ev.EngineFailed(self.now(), ear, "behind"))

    # ── events ────────────────────────────────────────────────────────────────────

    def _post(self, event: ev.Event) -> None:
        if isinstance(event, ev.Heard) and (event.text or event.ear is ev.Ear.TRANSCRIBER):
            self._preparer.take(event)  # and from there to the queue
        elif isinstance(event, ev.TurnEnded):
            self._preparer.take_end(event)
        else:
            self._events.put(event)

    async def _take_events(self) -> None:
        while True:
            event = await self._events.get()
            try:
                await self._take(event)
            except Exception:
                # A fault of ours must not cost the caller the line.
                log.exception("event_failed", kind=type(event).__name__)

    async def _take(self, event: ev.Event) -> None:
        if isinstance(event, ev.TransferProgress):
            self._lines.heard_of(event, time.monotonic())
        if isinstance(event, ev.Heard):
            loop, began = asyncio.get_running_loop(), time.monotonic()
            self._state, actions = await loop.run_in_executor(
                self._engines.work_executor, step, self._state, event, self._policy
            )
            decided_s = time.monotonic() - began
            self._meter.decided(decided_s)
            if self._trace is not None:
                self._trace.decided(decided_s)
        else:
            self._state, actions = step(self._state, event, self._policy)
            if isinstance(event, ev.Silence) and not (actions or event.talking):
                self._ahead.silent(self._state, event, self._policy)
        self._note(event, actions)
        for action in actions:
            self._closing = self._closing or isinstance(action, act.HangUp | act.Leave)
            try:
                await self._performer.perform(action, self._state)
            except Exception:
                # One action that fails must not take the others with it.
                log.exception("action_failed", kind=type(action).__name__)
        self._lines.renew(self._state, self._began, time.monotonic())
        self._performer.renew_dossier(self._state)

    def _note(self, event: ev.Event, actions: tuple[act.Action, ...]) -> None:
        try:
            self._journal.note(event, actions, self._state)
            if isinstance(event, ev.TransferProgress):
                self._journal.transfer(event)
            self._meter.note(event, actions, self._state, self.now())
            if self._trace is not None:
                self._trace.note(event, actions, self._state, self.now())
        except Exception:
            # What cannot be put on record is done all the same.
            log.exception("event_not_noted", kind=type(event).__name__)

    def _end_trace(self) -> None:
        TRACE.set(None)
        try:
            if self._trace is not None:
                self._trace.ended(self._state, self.now())
        except Exception:
            log.exception("trace_not_ended")

    def _over(self, left: bool) -> None:
        self.left = left
        self._ended.set()

    # ── what the player and the hand-off need ─────────────────────────────────────

    async def _speak(self, say: act.Say) -> Parts:
        parts = self._engines.spoken(say, self._line.rate, self._state.did)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            yield part

    async def _render(self, say: act.Say) -> Parts:
        try:
            parts = self._ahead.audio(say)
            if say.heard_s:
                pcm = np.concatenate([part async for part in parts])
                yield pcm[resume_point(pcm, self._line.rate, say.heard_s) :]
                return
            async for part in parts:
                yield part
        except Exception as error:
            # The call goes on: silence brings the next prompt.
            log.exception("speech_failed", prompt=say.prompt, entry=say.entry)
            self._post(ev.EngineFailed(self.now(), "speech", type(error).__name__))

    def _call_back(self, wanted: act.CallBack) -> None:
        note = partial(self._journal.note_later, wanted.matter.handoff)
        self._call_backs.begin(self._line, self._start.did, wanted, note)

    def _line_free(self, grant: Grant) -> None:
        event = ev.LineFree(
            self.now(), grant.handoff, grant.destination, grant.sure, why_this_call(grant)
        )
        self._post(event)

    def _new_leg(self, number: DutyNumber) -> Leg:
        """To a desk's own media WebSocket, else by the telephone endpoint of this call."""
        timeout_s = self._settings.handoff.answer_timeout_s
        if number.url.startswith(CONSOLE):
            return self._desks.new_leg(number, self._start.call_id, answer_timeout_s=timeout_s)
        if trunk_address(number.url) is None:
            return WebSocketLeg(number.url, self._desk_token, answer_timeout_s=timeout_s)
        return self._line.new_leg(number, answer_timeout_s=timeout_s)

    def _new_words(self, kind: str) -> FarWords | None:
        hearing = self._engines.hearing()
        if hearing is None:
            return None
        return FarWords(hearing, lambda spoken: self._journal.far_side(kind, spoken), self.now)

    async def _watch_time(self) -> None:
        """Report what the caller does not hear, and what was put off."""
        silence, reminded = SilenceWatch(), 0.0
        while True:
            await asyncio.sleep(0.05)
            now = self.now()
            self._lines.tick(self._began + now)
            put_off = handoff_due_at(self._state)
            if put_off is not None and reminded < put_off <= now:
                reminded = now
                self._post(ev.TimePassed(now))
            assert self._ears is not None
            event = silence.look(
                now,
                speaking=self._player.busy,
                voiced_at=self._ears.voiced_at,
                far_side_at=self._player.far_side_loud_at,
            )
            if event is not None:
                self._post(event)


async def _kept_up(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a worker of the call; a fault of ours must not leave the caller without it."""
    while True:
        try:
            await work()
            return
        except Exception:
            log.exception("worker_failed", worker=work.__qualname__)
            await asyncio.sleep(FRAME_SECONDS)


def recording_path(folder: Path, call_id: str) -> Path:
    """Where a call's recording goes."""
    return folder / f"{file_stem(call_id)}.wav"
