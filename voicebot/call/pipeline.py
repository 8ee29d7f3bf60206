"""The pipecat pipeline of one call: it carries frames and decides nothing.

pipecat's frames stop here; the session knows only PCM, keys and a hang-up
(FINDINGS section 6: a fast-moving library stays behind our own port).
"""

from __future__ import annotations

import asyncio

import numpy as np
from fastapi import WebSocket
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
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

from telephony.media_stream import MediaStreamSerializer, mark_frame
from telephony.stream_start import StreamStart
from voicebot.call.line import Int16
from voicebot.call.session import CallSession


class CallProcessor(FrameProcessor):  # type: ignore[misc]
    """Translates frames for a session, and is the session's line."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.session: CallSession | None = None
        self.gone = asyncio.Event()
        """Set when either side has hung up."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        session = self.session
        match frame:
            case InputAudioRawFrame() if session is not None:
                await session.hear(np.frombuffer(frame.audio, np.int16))
            case InputDTMFFrame() if session is not None:
                session.press(str(frame.button.value))
            case InputTransportMessageFrame():
                if session is not None and frame.message.get("event") == "stop":
                    session.caller_hung_up()
            case _:
                await self.push_frame(frame, direction)

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


async def carry_call(
    websocket: WebSocket,
    start: StreamStart,
    line: CallProcessor,
    session: CallSession,
    serializer: MediaStreamSerializer,
) -> None:
    """Runs the pipeline until either side hangs up; the socket is closed then."""
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            serializer=serializer,
            audio_in_enabled=True,
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
    line.session = session

    async def disconnected(*_: object) -> None:
        session.caller_hung_up()
        line.gone.set()

    transport.add_event_handler("on_client_disconnected", disconnected)
    runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        gone = asyncio.create_task(line.gone.wait())
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
    finally:
        session.caller_hung_up()
        await worker.cancel()
        await asyncio.wait({running}, timeout=5.0)
        running.cancel()
