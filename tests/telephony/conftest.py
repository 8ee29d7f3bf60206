"""A service that greets and echoes, and files to speak: no pipeline, real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from telephony import messages
from telephony.access import bearer_token, same_token
from telephony.desk_line import receive_message
from telephony.loopback_server import LoopbackServer
from telephony.messages import Dtmf, Mark, Media, Stop, parse_message
from telephony.speech_level import window_is_loud
from telephony.stream_start import StreamStart, receive_start

TOKEN = "test-token"


def tone(seconds: float, rate: int = 8000, amplitude: int = 8000) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(
        np.int16
    )


@dataclass
class Greeter:
    """Answers each call: a greeting, then an answer after the caller has fallen silent.

    Audio goes out as one burst, far faster than real time.
    """

    greeting_s: float = 0.4
    answer_s: float = 0.5
    reply_after_frames: int = 10
    hang_up_after_answer: bool = False
    interrupt_answer_after_frames: int | None = None
    garbage: bool = False
    starts: list[StreamStart] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.websocket("/media")
        async def media(websocket: WebSocket) -> None:
            if not same_token(bearer_token(websocket.headers.get("authorization")), TOKEN):
                await websocket.close(1008)
                return
            await websocket.accept()
            try:
                self.ends.append(await self._call(websocket))
            except WebSocketDisconnect as left:
                self.ends.append(f"disconnect {left.code}")
            self.gone.set()

        @app.websocket("/unknown-did")
        async def refuse(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.close(1008, "no such number here")

        return app

    async def _say(self, socket: WebSocket, start: StreamStart, name: str, seconds: float) -> None:
        sid, wire = start.stream_sid, start.wire
        await socket.send_text(messages.mark(sid, f"begin:{name}"))
        pcm = tone(seconds, wire.sample_rate)
        for at in range(0, len(pcm), wire.frame_samples):
            frame = pcm[at : at + wire.frame_samples]
            await socket.send_text(messages.media(sid, wire.encode(frame)))
        await socket.send_text(messages.mark(sid, "end:" + ":".join(name.split(":")[:2])))

    async def _call(self, socket: WebSocket) -> str:
        start = await receive_start(lambda: receive_message(socket))
        self.starts.append(start)
        if self.garbage:
            for text in ("{", '{"event":"media","media":{"payload":"***"}}', "x" * 70000):
                await socket.send_text(text)
        await self._say(socket, start, "prompt:greeting", self.greeting_s)
        spoke, still, answers, since_answer = False, 0, 0, 0
        while True:
            match parse_message(await receive_message(socket)):
                case Media(payload=payload):
                    self.frames.append(len(payload))
                    loud = bool(window_is_loud(start.wire.decode(payload), 8000).any())
                    spoke, still = spoke or loud, 0 if loud else still + 1
                    since_answer += 1
                    if spoke and still == self.reply_after_frames:
                        answers, spoke, since_answer = answers + 1, False, 0
                        await self._say(
                            socket, start, f"answer:a{answers}:KB-{answers}", self.answer_s
                        )
                    if answers and since_answer == self.interrupt_answer_after_frames:
                        await socket.send_text(messages.clear(start.stream_sid))
                case Mark(name=name):
                    self.marks.append(name)
                    if self.hang_up_after_answer and name == "end:answer:a1":
                        await socket.close(1000, "goodbye")
                        return "hung up"
                case Dtmf(digit=digit):
                    self.keys.append(digit)
                case Stop():
                    return "stop"
                case _:
                    pass


@contextlib.asynccontextmanager
async def serving(greeter: Greeter):
    async with LoopbackServer(greeter.app()) as server:
        yield f"{server.url}/media"


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """0.1 s of silence, 0.5 s of sound, 0.2 s of silence, at 16 kHz."""
    path = tmp_path / "speech.wav"
    rate = 16000
    pcm = np.concatenate([np.zeros(1600, np.int16), tone(0.5, rate), np.zeros(3200, np.int16)])
    soundfile.write(path, pcm, rate)
    return path
