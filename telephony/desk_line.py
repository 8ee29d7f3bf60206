"""One call on the stand-in desk's line: it rings, is answered, and someone speaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect

from telephony import messages
from telephony.codecs import FRAME_SECONDS, Int16
from telephony.desk_records import DeskRecords
from telephony.errors import DeskError, MediaStreamError, RecordingError
from telephony.frame_sender import FrameSender
from telephony.masking import mask_number
from telephony.messages import DossierUpdate, Mark, Media, Stop, parse_message
from telephony.pacing import FrameClock
from telephony.playout import Playout
from telephony.recording import TwoChannelRecording
from telephony.resampling import StreamResampler
from telephony.speech_level import window_is_loud
from telephony.stream_start import StreamStart

RECORDING_RATE = 8000


class DeskMode(StrEnum):
    """How a number of the stand-in desk behaves."""

    ANSWER = "answer"
    BUSY = "busy"
    SILENT = "silent"
    """It rings for ever."""
    NO_VOICE = "no-voice"
    """It is answered, but nobody speaks."""


@dataclass(frozen=True, slots=True)
class DeskManner:
    """How the desk takes its calls.

    Parameters:
        answer_after_s: how long it rings.
        greeting: what the officer says, (n,) PCM and its rate; None for nothing.
        acknowledge_after_s: seconds after answering until it acknowledges; None for never.
        hang_up_after_s: seconds after answering until it hangs up; None for never.
    """

    answer_after_s: float = 1.0
    greeting: tuple[Int16, int] | None = field(default=None, repr=False)
    acknowledge_after_s: float | None = None
    hang_up_after_s: float | None = None


async def receive_message(websocket: WebSocket) -> str | bytes:
    """The next message of either kind. Errors: WebSocketDisconnect."""
    received = await websocket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code") or 1006)
    text: str | bytes | None = received.get("text")
    return text if text is not None else received.get("bytes") or b""


class DeskLine:
    """One call from a service to one number of the desk.

    Parameters:
        websocket: accepted; its start message is read.
        start: that message.
        mode, manner: how the number behaves.
        name: the number's name for people.
        records: where all is kept.
    """

    def __init__(
        self,
        websocket: WebSocket,
        start: StreamStart,
        mode: DeskMode,
        manner: DeskManner,
        name: str,
        records: DeskRecords,
    ) -> None:
        self._websocket, self._start, self._mode, self._manner = websocket, start, mode, manner
        self._name, self._records = name, records
        self._number = start.custom.get("number", "")
        self._handoff = start.custom.get("handoff", "")
        self._wire = start.wire
        self._sender = FrameSender(websocket.send_text, max_frames=100)
        self._playout = Playout()
        self._unsaid = np.zeros(0, np.int16)
        self._greeting = self._greeting_pcm()
        self._caller_heard = False
        self._end_reason = "caller_gone"
        self._problems: Counter[str] = Counter()

    async def run(self) -> None:
        """Takes the call through to its end; closes the socket."""
        path = self._records.line_path(self._handoff)
        self._records.keep_line(
            path,
            {
                "caller": self._start.caller,
                "did": self._start.did,
                "call_sid": self._start.call_sid,
                "mode": self._mode.value,
                **self._start.custom,
            },
        )
        self._note(
            "line_opened",
            detail={
                "caller": mask_number(self._start.caller),
                "mode": self._mode.value,
                "region": self._start.custom.get("region", ""),
                "category": self._start.custom.get("category", ""),
                "lines": self._start.custom.get("lines", ""),
                "line": path.name,
            },
            private={"caller": self._start.caller},
        )
        sending = asyncio.create_task(self._send())
        receiver = asyncio.create_task(self._receive())
        recording = TwoChannelRecording(path.with_suffix(".wav"), RECORDING_RATE)
        try:
            if self._mode is DeskMode.BUSY:
                self._say_state("busy")
                self._end_reason = "busy"
            else:
                await self._live(receiver, recording)
            await self._sender.drain(0.5)
        except RecordingError:
            self._end_reason = "cannot_record"
        finally:
            for task in (sending, receiver):
                task.cancel()
            await asyncio.gather(sending, receiver, return_exceptions=True)
            recording.close()
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._websocket.close()
            self._note(
                "ended",
                detail={
                    "reason": self._end_reason,
                    "seconds": round(self._playout.position / self._wire.sample_rate, 2),
                    "problems": dict(self._problems),
                },
            )

    async def _live(self, receiver: asyncio.Task[None], recording: TwoChannelRecording) -> None:
        clock = FrameClock()
        heard_side = StreamResampler(self._wire.sample_rate, RECORDING_RATE)
        said_side = StreamResampler(self._wire.sample_rate, RECORDING_RATE)
        self._say_state("ringing")
        answered_at: float | None = None
        acknowledged = False
        while not receiver.done():
            at = await clock.tick() * FRAME_SECONDS
            if answered_at is None and self._answers(at):
                answered_at = at
                self._say_state("answered")
                if self._mode is DeskMode.ANSWER:
                    self._unsaid = self._greeting
            since = None if answered_at is None else at - answered_at
            if not acknowledged and _due(self._manner.acknowledge_after_s, since):
                acknowledged = True
                self._say_state("acknowledged")
            if _due(self._manner.hang_up_after_s, since):
                self._say_state("ended", note=False)
                self._end_reason = "desk_hung_up"
                return
            said = self._say() if answered_at is not None else self._nothing()
            recording.write(heard_side.push(self._hear()), said_side.push(said))

    def _answers(self, at: float) -> bool:
        return self._mode is not DeskMode.SILENT and at >= self._manner.answer_after_s

    def _say_state(self, state: str, *, note: bool = True) -> None:
        self._sender.message(messages.progress(state))
        if note:
            self._note(state)

    def _nothing(self) -> Int16:
        return np.zeros(self._wire.frame_samples, np.int16)

    def _say(self) -> Int16:
        """Sends and gives the next 20 ms of the desk's side."""
        frame = self._nothing()
        part = self._unsaid[: len(frame)]
        frame[: len(part)] = part
        self._unsaid = self._unsaid[len(part) :]
        if len(part) and not len(self._unsaid):
            self._note("greeting_spoken")
        self._sender.audio(messages.media(self._start.stream_sid, self._wire.encode(frame)))
        return frame

    def _hear(self) -> Int16:
        heard, marks = self._playout.advance(self._wire.frame_samples)
        for mark in marks:
            self._sender.message(messages.mark(self._start.stream_sid, mark.name))
        if not self._caller_heard and window_is_loud(heard, self._wire.sample_rate)[0]:
            self._caller_heard = True
            self._note("caller_heard")
        return heard

    async def _send(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            await self._sender.run()

    async def _receive(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                try:
                    if not self._take(await receive_message(self._websocket)):
                        return
                except (MediaStreamError, DeskError) as error:
                    self._problems[error.code] += 1

    def _take(self, data: str | bytes) -> bool:
        """False when the caller's side has said goodbye."""
        match parse_message(data):
            case Media(payload=payload):
                self._playout.push(self._wire.decode(payload))
            case Mark(name=name):
                self._playout.mark(name)
            case DossierUpdate(dossier=dossier):
                named = dict(dossier)
                named.setdefault("handoff", self._handoff)
                self._records.take_dossier(named)
                self._note("dossier", private={"dossier": named})
            case Stop():
                self._end_reason = "caller_stopped"
                return False
            case _:
                pass
        return True

    def _greeting_pcm(self) -> Int16:
        if self._manner.greeting is None:
            return self._nothing()[:0]
        pcm, rate = self._manner.greeting
        resampler = StreamResampler(rate, self._wire.sample_rate)
        return np.concatenate([resampler.push(pcm), resampler.flush()])

    def _note(
        self,
        kind: str,
        detail: dict[str, object] | None = None,
        private: dict[str, object] | None = None,
    ) -> None:
        self._records.note(
            kind,
            handoff=self._handoff,
            number=self._number,
            name=self._name,
            detail=detail,
            private=private,
        )


def _due(after_s: float | None, since: float | None) -> bool:
    return after_s is not None and since is not None and since >= after_s
