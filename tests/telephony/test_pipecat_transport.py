"""The serializer inside pipecat's own WebSocket transport, with the test caller outside."""

import numpy as np
import pytest
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import (
    ClientConnectedFrame,
    InputDTMFFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from telephony.caller import place_call
from telephony.desk_line import receive_message
from telephony.loopback_server import LoopbackServer
from telephony.media_stream import MediaStreamSerializer, mark_frame, receive_start

from .conftest import tone


class Answerer(FrameProcessor):
    """Greets when a client connects; key 1 is answered, key 2 interrupts."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.marks = []

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, ClientConnectedFrame):
            await self.say("prompt:g", 0.3)
        elif isinstance(frame, InputDTMFFrame) and frame.button.value == "1":
            await self.say("answer:a:KB-1", 2.0)
        elif isinstance(frame, InputDTMFFrame):
            await self.push_frame(InterruptionFrame())
        elif isinstance(frame, InputTransportMessageFrame) and frame.message["event"] == "mark":
            self.marks.append(frame.message["mark"]["name"])
        await self.push_frame(frame, direction)

    async def say(self, name, seconds):
        await self.push_frame(mark_frame(f"begin:{name}"))
        pcm = tone(seconds, self.rate).tobytes()
        await self.push_frame(OutputAudioRawFrame(pcm, self.rate, 1))
        await self.push_frame(mark_frame("end:" + ":".join(name.split(":")[:2])))


def an_application(answerers):
    app = FastAPI()

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        start = await receive_start(lambda: receive_message(websocket))
        transport = FastAPIWebsocketTransport(
            websocket,
            FastAPIWebsocketParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_out_10ms_chunks=2,
                serializer=MediaStreamSerializer(start),
            ),
        )
        answerers.append(Answerer(start.sample_rate))
        worker = PipelineWorker(
            Pipeline([transport.input(), answerers[-1], transport.output()]),
            params=PipelineParams(
                audio_in_sample_rate=16000, audio_out_sample_rate=start.sample_rate
            ),
        )

        @transport.event_handler("on_client_disconnected")
        async def gone(_transport, _socket):
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    return app


@pytest.mark.parametrize("encoding", ["alaw", "l16"])
async def test_marks_keep_their_place_round_the_audio(encoding):
    answerers = []
    async with LoopbackServer(an_application(answerers)) as server:
        report = await place_call(
            f"{server.url}/media", [], "1", "2", token=None, encoding=encoding, dtmf="1",
            quiet_s=1.0, max_s=12,
        )  # fmt: skip
    greeting, answer = (u for u in report.heard if u.purpose != "unmarked")
    assert (greeting.purpose, answer.purpose, answer.entry) == ("prompt", "answer", "KB-1")
    # On a machine at its limit pipecat sends late, and playout then has gaps: never less audio.
    late = report.worst_lateness_ms / 1000
    assert greeting.sound_start - greeting.start < 0.3 + late
    assert answer.sound_start - answer.start < 0.3 + late
    assert 1.98 <= answer.end - answer.start < 4.0 + late
    assert not [u for u in report.heard if u.purpose == "unmarked"]
    assert answerers[0].marks == [
        "begin:prompt:g",
        "end:prompt:g",
        "begin:answer:a:KB-1",
        "end:answer:a",
    ]


async def test_an_interruption_is_silent_at_once():
    async with LoopbackServer(an_application([])) as server:
        report = await place_call(
            f"{server.url}/media", [], "1", "2", token=None, dtmf="1w2", quiet_s=1.0, max_s=12
        )
    answer = next(u for u in report.heard if u.purpose == "answer")
    assert not answer.complete
    late = report.worst_lateness_ms / 1000
    assert answer.end - report.keys[1].at < 0.5 + late
    assert np.isclose(report.seconds, answer.end + 1.0, atol=0.5 + late)
