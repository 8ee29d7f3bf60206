"""The test caller's call while it lasts.

One clock drives both directions, so both channels of the recording share one
time, and frame k is sent when it has been spoken, at the end of its 20 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from telephony import messages
from telephony.call_measurement import CallTrace
from telephony.call_report import KeyPress
from telephony.clips import Clip
from telephony.codecs import FRAME_SECONDS, Int16, WireFormat
from telephony.errors import MediaStreamError
from telephony.frame_sender import FrameSender
from telephony.heard import UtteranceTrack, read_mark
from telephony.messages import Clear, Mark, Media, Unknown, parse_message
from telephony.pacing import FrameClock
from telephony.playout import Playout
from telephony.recording import TwoChannelRecording
from telephony.resampling import StreamResampler
from telephony.speaking_plan import EndReason, HangUp, Press, Say, SpeakingPlan, Step
from telephony.speech_level import window_is_loud

RECORDING_RATE = 8000

MAX_FRAMES_QUEUED = 500
"""Ten seconds of the caller's audio, should the service stop reading."""


@dataclass(frozen=True, slots=True)
class CallProgress:
    """Something happened in the call.

    Parameters:
        kind: `connected`, `speaking`, `spoken`, `heard` (an utterance begins), `heard_end`,
            `interrupted` (the service took back its audio), `key`, `closed`.
        at: seconds from the start of the call.
        detail: the file, utterance, purpose, entry, key or reason.
    """

    kind: str
    at: float
    detail: Mapping[str, Any] = field(default_factory=dict)


OnEvent = Callable[[CallProgress], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """How the call ended: by `caller`, `limit`, `service` or `vanished`."""

    closed_by: str
    code: int | None = None
    reason: str = ""


class CallSession:
    """A frame clock, what is said, what is heard.

    Parameters:
        socket: connected media WebSocket; the owner closes it.
        wire: format of both directions.
        clips: at the wire's rate.
        plan: decides when to speak them.
        on_event: told what happens.
        recording: at `RECORDING_RATE`; left is said, right is heard. The owner closes it.
    """

    def __init__(
        self,
        socket: ClientConnection,
        wire: WireFormat,
        clips: Sequence[Clip],
        plan: SpeakingPlan,
        *,
        on_event: OnEvent | None = None,
        recording: TwoChannelRecording | None = None,
    ) -> None:
        self.stream_sid = "MZ" + uuid.uuid4().hex
        self.started_at = 0.0
        """time.time() at second 0 of the call."""
        self.clock = FrameClock()
        self.playout = Playout()
        self.sender = FrameSender(socket.send, max_frames=MAX_FRAMES_QUEUED)
        self.problems: Counter[str] = Counter()
        self.keys: list[KeyPress] = []
        self._socket, self._wire, self._clips, self._plan = socket, wire, clips, plan
        self._on_event, self._recording = on_event, recording
        self._track = UtteranceTrack()
        self._heard: list[Int16] = []
        self._begun: list[int] = []
        self._unspoken = np.zeros(0, np.int16)
        self._to_recording = [StreamResampler(wire.sample_rate, RECORDING_RATE) for _ in range(2)]

    @property
    def heard_marks(self) -> bool:
        """The service has said something."""
        return self._track.begun > 0

    def trace(self) -> CallTrace:
        heard = np.concatenate([*self._heard, np.zeros(0, np.int16)])
        return CallTrace(self._wire.sample_rate, self._clips, self._begun, heard, self._track.spans)

    async def run(self, start_message: str, vanish_after: float | None = None) -> Ending:
        """Lives the call through."""
        self.sender.message(messages.connected())
        self.sender.message(start_message)
        receiver = asyncio.create_task(self._receive())
        sending = asyncio.create_task(self._send())
        try:
            ending = await self._live(receiver, vanish_after)
        finally:
            for task in (receiver, sending):
                task.cancel()
            await asyncio.gather(receiver, sending, return_exceptions=True)
        self._track.cut(self.playout.position)
        self._tell("closed", by=ending.closed_by, code=ending.code, reason=ending.reason)
        return ending

    async def _live(self, receiver: asyncio.Task[None], vanish_after: float | None) -> Ending:
        said = np.zeros(self._wire.frame_samples, np.int16)
        loud = False
        while True:
            index = await self.clock.tick()
            at = index * FRAME_SECONDS
            if index == 0:
                self.started_at = time.time()
                self._tell("connected")
            else:
                self._send_frame(said, index)
            if receiver.done():
                code, reason = self._socket.close_code, self._socket.close_reason
                return Ending("service", code, reason or "")
            if vanish_after is not None and at >= vanish_after:
                self._socket.transport.abort()
                return Ending("vanished")
            step = self._plan.step(
                at, loud=loud, in_utterance=self._track.in_utterance, greeted=self._greeted()
            )
            if isinstance(step, HangUp):
                self.sender.message(messages.stop(self.stream_sid))
                await self.sender.drain(0.5)
                return Ending("limit" if step.reason is EndReason.LIMIT else "caller")
            self._do(step, at)
            said, heard = self._say(), self._hear()
            loud = bool(window_is_loud(heard, self._wire.sample_rate)[0])
            if self._recording is not None:
                left, right = self._to_recording
                self._recording.write(left.push(said), right.push(heard))

    def _greeted(self) -> bool:
        return self._track.ended > 0 and not self._track.in_utterance and self.playout.idle

    def _do(self, step: Step | None, at: float) -> None:
        if isinstance(step, Press):
            self.keys.append(KeyPress(step.key, at))
            self.sender.message(messages.dtmf(self.stream_sid, step.key))
            self._tell("key", key=step.key)
        elif isinstance(step, Say):
            clip = self._clips[step.index]
            self._unspoken = clip.pcm
            self._begun.append(self.playout.position)
            self._tell("speaking", file=str(clip.path))

    def _say(self) -> Int16:
        """The next 20 ms of the caller's side."""
        frame = np.zeros(self._wire.frame_samples, np.int16)
        part = self._unspoken[: len(frame)]
        frame[: len(part)] = part
        self._unspoken = self._unspoken[len(part) :]
        if len(part) and not len(self._unspoken):
            self._tell("spoken", file=str(self._clips[len(self._begun) - 1].path))
        return frame

    def _hear(self) -> Int16:
        """The next 20 ms of the far side; answers the marks that playout reaches."""
        heard, marks = self.playout.advance(self._wire.frame_samples)
        self._heard.append(heard)
        for mark in marks:
            self._track.reached(mark.name, mark.at)
            self.sender.message(messages.mark(self.stream_sid, mark.name))
            if (ours := read_mark(mark.name)) is not None:
                self._tell(
                    "heard" if ours.begins else "heard_end",
                    purpose=ours.purpose,
                    utterance=ours.utterance,
                    entry=ours.entry,
                )
        return heard

    def _send_frame(self, pcm: Int16, chunk: int) -> None:
        stamp = round((chunk - 1) * FRAME_SECONDS * 1000)
        payload = self._wire.encode(pcm)
        self.sender.audio(messages.media(self.stream_sid, payload, chunk=chunk, timestamp_ms=stamp))

    async def _send(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.sender.run()

    async def _receive(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for data in self._socket:
                try:
                    self._take(data)
                except MediaStreamError as error:
                    self.problems[error.code] += 1

    def _take(self, data: str | bytes) -> None:
        match parse_message(data):
            case Media(payload=payload):
                self.playout.push(self._wire.decode(payload))
            case Mark(name=name):
                self.playout.mark(name)
            case Clear():
                # As Twilio does: marks of audio that is never played come back at once.
                for name in self.playout.clear():
                    self.sender.message(messages.mark(self.stream_sid, name))
                self._track.cut(self.playout.position)
                self._tell("interrupted")
            case Unknown():
                self.problems["unknown_event"] += 1
            case _:
                pass

    def _tell(self, kind: str, **detail: Any) -> None:
        if self._on_event is not None:
            at = self.playout.position / self._wire.sample_rate
            self._on_event(CallProgress(kind, at, detail))
