"""Calls over a carrier's media WebSocket: a pipecat pipeline that decides nothing.

pipecat's frames stop here, behind `telephony.call_control`: a fast-moving library
stays behind our own port (FINDINGS section 6).
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from fastapi import WebSocket
from pipecat.frames.frames import (
    Frame,
    InputDTMFFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner

from telephony.call_control import CallEvents, CallInfo, Capability, PlainControl, Rejection
from telephony.codecs import Int16
from telephony.media_stream import MediaStreamSerializer, mark_frame
from telephony.stream_start import StreamStart

log = structlog.get_logger()

POLICY_VIOLATION = 1008

REFUSALS = {
    Rejection.FULL: "All lines are in use; try again in a moment.",
    Rejection.NOT_OURS: "The dialled number is not one of this service's lines.",
    Rejection.TOO_MANY: "Too many calls of this number are in progress.",
    Rejection.DUPLICATE: "A call with this id is in progress or on record already.",
    Rejection.STOPPING: "The service is being stopped.",
}


class CallProcessor(PlainControl, FrameProcessor):  # type: ignore[misc]
    """Translates pipecat's frames, and is the call's control."""

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.gone = asyncio.Event()
        """Set when either side has hung up."""
        self._events: CallEvents | None = None

    def listen(self, events: CallEvents) -> None:
        self._events = events
        if self.gone.is_set():
            events.caller_hung_up()

    def caller_gone(self) -> None:
        """The socket is closed, or the carrier said stop."""
        if not self.gone.is_set():
            self.gone.set()
            if self._events is not None:
                self._events.caller_hung_up()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        events = self._events
        match frame:
            case InputDTMFFrame():
                if events is not None:
                    events.press(str(frame.button.value))
            case InputTransportMessageFrame():
                if frame.message.get("event") == "stop":
                    self.caller_gone()
            case _:
                await self.push_frame(frame, direction)

    async def hear(self, pcm: Int16) -> None:
        """Audio of the caller's, past the pipeline."""
        if self._events is not None:
            await self._events.hear(pcm)

    async def send_audio(self, pcm: Int16) -> None:
        await self.push_frame(
            OutputAudioRawFrame(audio=pcm.tobytes(), sample_rate=self.rate, num_channels=1)
        )

    async def send_mark(self, name: str) -> None:
        await self.push_frame(mark_frame(name))

    async def clear(self) -> None:
        # Not the bare message: it would overtake the audio that waits within pipecat,
        # which would then be heard after it.
        await self.push_frame(InterruptionFrame())

    async def hang_up(self) -> None:
        self.gone.set()


class MediaStreamCall:
    """A call that a carrier's media WebSocket brings; accepted, its start message read."""

    def __init__(self, websocket: WebSocket, start: StreamStart) -> None:
        self.info = CallInfo(start.call_sid, start.caller, start.did, start.sample_rate)
        self._websocket, self._start = websocket, start
        self._carrying: asyncio.Task[None] | None = None

    async def answer(self) -> CallProcessor:
        line = CallProcessor(self._start.sample_rate)
        serializer = MediaStreamSerializer(
            self._start,
            on_problem=lambda code, _, count: log.warning(
                "media_problem", reason=code, count=count
            ),
            hear=line.hear,
        )
        self._carrying = asyncio.create_task(
            carry_call(self._websocket, self._start, line, serializer)
        )
        return line

    async def reject(self, why: Rejection, retry_after_s: int = 0) -> None:
        await refuse(self._websocket, REFUSALS[why])

    async def closed(self) -> None:
        if self._carrying is not None:
            await self._carrying


async def refuse(websocket: WebSocket, reason: str) -> None:
    """Closes an accepted socket that brings no call of ours."""
    with contextlib.suppress(RuntimeError):
        await websocket.close(POLICY_VIOLATION, reason[:120])


async def carry_call(
    websocket: WebSocket,
    start: StreamStart,
    line: CallProcessor,
    serializer: MediaStreamSerializer,
) -> None:
    """Runs the pipeline until either side hangs up; the socket is closed then."""
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            serializer=serializer,
            audio_out_enabled=True,
            audio_out_10ms_chunks=2,
            audio_out_end_silence_secs=0,
        ),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), line, transport.output()]),
        params=PipelineParams(
            audio_in_sample_rate=start.sample_rate, audio_out_sample_rate=start.sample_rate
        ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )

    async def disconnected(*_: object) -> None:
        line.caller_gone()

    transport.add_event_handler("on_client_disconnected", disconnected)
    runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        gone = asyncio.create_task(line.gone.wait())
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
    finally:
        line.caller_gone()
        await worker.cancel()
        await asyncio.wait({running}, timeout=5.0)
        running.cancel()
