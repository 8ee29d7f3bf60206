"""The pipeline that carries a call, between a real socket and a session of ours."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import connect

from telephony import messages
from telephony.codecs import WireFormat
from telephony.desk_line import receive_message
from telephony.loopback_server import LoopbackServer
from telephony.media_stream import MediaStreamSerializer
from telephony.stream_start import receive_start
from voicebot.call.pipeline import CallProcessor, carry_call

WIRE = WireFormat.named("alaw")
OLD, NEW = 2000, -2000


class Session:
    """Stands in for a call session: it says something, takes it back, says another thing."""

    def __init__(self, line: CallProcessor) -> None:
        self.line = line
        self.tasks: set[asyncio.Task[None]] = set()

    async def hear(self, pcm: Any) -> None:
        if not self.tasks:
            self.tasks.add(asyncio.create_task(self.change_its_mind()))

    async def change_its_mind(self) -> None:
        await self.line.send_mark("begin:prompt:u1")
        for _ in range(500):  # far more than the transport has sent a moment later
            await self.line.send_audio(np.full(160, OLD, np.int16))
        await self.line.send_mark("end:prompt:u1")
        await asyncio.sleep(0.03)
        await self.line.clear()
        await self.line.send_mark("begin:prompt:u2")
        for _ in range(3):
            await self.line.send_audio(np.full(160, NEW, np.int16))
        await self.line.send_mark("end:prompt:u2")

    def press(self, key: str) -> None:
        pass

    def caller_hung_up(self) -> None:
        pass


async def test_nothing_old_is_sent_after_a_clear_but_the_frame_on_its_way() -> None:
    """pipecat may be inside its sending of one frame, 20 ms, when the clear goes out."""
    app = FastAPI()

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        start = await receive_start(lambda: receive_message(websocket))
        line = CallProcessor(start.sample_rate)
        line.listen(Session(line))
        await carry_call(websocket, start, line, MediaStreamSerializer(start, hear=line.hear))

    received: list[str | int] = []
    async with LoopbackServer(app) as server, connect(f"{server.url}/media", proxy=None) as socket:
        await socket.send(messages.start("MZ1", "CA1", WIRE, {"caller": "1", "did": "2"}))
        async with asyncio.timeout(60):
            while "end:prompt:u2" not in received:
                silence = WIRE.encode(np.zeros(160, np.int16))
                await socket.send(messages.media("MZ1", silence, chunk=1))
                message = json.loads(await socket.recv())
                match message["event"]:
                    case "media":
                        payload = messages.parse_message(json.dumps(message))
                        assert isinstance(payload, messages.Media)
                        received.append(int(WIRE.decode(payload.payload)[0]))
                    case "mark":
                        received.append(message["mark"]["name"])
                    case event:
                        received.append(event)
    cleared = received.index("clear")
    after = received[cleared + 1 :]
    if isinstance(after[0], int) and after[0] > 0:
        del after[0]
    sounds = [each for each in after if isinstance(each, int)]
    assert len(sounds) == 3
    assert all(sound < 0 for sound in sounds)
    assert 0 < sum(isinstance(each, int) for each in received[:cleared]) < 500
    assert "end:prompt:u1" not in after
    assert after[0] == "begin:prompt:u2"
