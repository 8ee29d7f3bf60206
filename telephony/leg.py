"""An outgoing call leg to a duty desk over a media WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from telephony import messages
from telephony.codecs import FRAME_SECONDS, Framer, Int16, WireFormat
from telephony.dial import open_media_socket
from telephony.dossier_message import dossier_message
from telephony.errors import LegError, MediaStreamError, TelephonyError
from telephony.frame_sender import FrameSender
from telephony.leg_events import LegAudio, LegEnded, LegEvent, LegEvents, LegKey, LegProgress
from telephony.leg_state import END_REASONS, LegEndReason, LegInput, LegState, transition
from telephony.messages import Dtmf, Media, Progress, Stop, parse_message
from telephony.resampling import StreamResampler

__all__ = [
    "LegAudio",
    "LegEndReason",
    "LegEnded",
    "LegEvent",
    "LegKey",
    "LegProgress",
    "WebSocketLeg",
]

_DESK_STATES = frozenset({"ringing", "answered", "busy", "acknowledged", "ended"})
_OFF_HOOK = (LegState.ANSWERED, LegState.ACKNOWLEDGED)

_LOOK_S = 0.1
"""How often the desk's audio is looked for."""


class WebSocketLeg:
    """One leg: `connect`, then iterate over its events until `LegEnded`.

    Parameters:
        url: where the desk takes calls.
        token: bearer token that opens it.
        answer_timeout_s: how long the desk may ring.
        connect_timeout_s: how long the socket may take to open.
        encoding: how we ask for audio on the wire.
        max_queued_s: audio kept in each direction while the other side stalls; the
            oldest is dropped first and counted. Send at the speed of speech.
        ping_interval_s, ping_timeout_s: how soon a dead desk is noticed while it rings.
        media_timeout_s: a desk that is off-hook sends a frame every 20 ms, silent or not;
            without any for so long it is lost.
    """

    bridged = False

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        answer_timeout_s: float = 20.0,
        connect_timeout_s: float = 2.0,
        encoding: str = "alaw",
        max_queued_s: float = 2.0,
        ping_interval_s: float = 2.0,
        ping_timeout_s: float = 4.0,
        media_timeout_s: float = 2.0,
    ) -> None:
        self._url, self._token = url, token
        self._answer_timeout_s = answer_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._ping = (ping_interval_s, ping_timeout_s)
        self._media_timeout_s = media_timeout_s
        self._frames_in = 0
        self._wire = WireFormat.named(encoding)
        self._max_frames = max(1, round(max_queued_s / FRAME_SECONDS))
        self._framer = Framer(self._wire.frame_samples)
        self._resampler: StreamResampler | None = None
        self._state = LegState.IDLE
        self._stream_sid = "MZ" + uuid.uuid4().hex
        self._chunk = 0
        self._socket: ClientConnection | None = None
        self._sender: FrameSender | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._events = LegEvents(self._max_frames)
        self.problems: Counter[str] = Counter()
        """Faults in the messages of the desk, and in ours, by code."""

    @property
    def state(self) -> LegState:
        return self._state

    @property
    def dropped_in(self) -> int:
        """Frames from the desk dropped because nobody took them in time."""
        return self._events.dropped

    @property
    def dropped_out(self) -> int:
        """Frames for the desk dropped because it did not take them in time."""
        return self._sender.dropped_frames if self._sender else 0

    async def connect(
        self,
        start_params: Mapping[str, Any],
        dossier: Mapping[str, Any] | None = None,
    ) -> None:
        """Opens the socket, sends the start message and the dossier so far, if it can be sent.

        `start_params` become customParameters: text and numbers as they are, lists
        joined by commas, None left out.

        Errors: LegError `unreachable`, `timeout`, `wrong_token`, `refused`, `bad_url`,
        `tls_required`; the leg has then ended and a new one is needed.
        """
        if self._state is not LegState.IDLE:
            raise LegError("leg_used", "A leg is dialled once; make a new one.")
        self._apply(LegInput.DIAL)
        try:
            socket = await open_media_socket(
                self._url,
                self._token,
                connect_timeout_s=self._connect_timeout_s,
                ping_interval_s=self._ping[0],
                ping_timeout_s=self._ping[1],
            )
        except TelephonyError as error:
            self._apply(LegInput.UNREACHABLE)
            raise LegError(error.code, error.message) from None
        except BaseException:
            self._apply(LegInput.UNREACHABLE)
            raise
        self._socket = socket
        if self.state is LegState.ENDED:  # hung up while it was connecting
            await self._close()
            return
        self._apply(LegInput.OPEN)
        self._sender = FrameSender(socket.send, max_frames=self._max_frames)
        self._sender.message(messages.connected())
        self._sender.message(
            messages.start(
                self._stream_sid, "CA" + uuid.uuid4().hex, self._wire, _parameters(start_params)
            )
        )
        if dossier is not None:
            self.send_dossier(dossier)
        self._tasks = [
            asyncio.create_task(self._send(self._sender), name="leg-send"),
            asyncio.create_task(self._receive(socket), name="leg-receive"),
            asyncio.create_task(self._watch_answer(), name="leg-deadline"),
            asyncio.create_task(self._watch_media(socket), name="leg-media"),
        ]

    def send_audio(self, pcm: bytes | Int16, rate: int) -> None:
        """Queues PCM16 mono at `rate` Hz for the desk; never waits, never raises late."""
        if self._sender is None or self._state is LegState.ENDED:
            return
        samples = (
            np.frombuffer(pcm[: len(pcm) // 2 * 2], np.int16) if isinstance(pcm, bytes) else pcm
        )
        if self._resampler is None or self._resampler.rate_in != rate:
            self._resampler = StreamResampler(rate, self._wire.sample_rate)
        for frame in self._framer.push(self._resampler.push(samples)):
            self._chunk += 1
            self._sender.audio(
                messages.media(
                    self._stream_sid,
                    self._wire.encode(frame),
                    chunk=self._chunk,
                    timestamp_ms=round((self._chunk - 1) * FRAME_SECONDS * 1000),
                )
            )

    def send_dossier(self, dossier: Mapping[str, Any]) -> bool:
        """Queues the dossier's newest state, or as much of it as a message holds.

        One still waiting is replaced. False when it cannot be written at all, which is
        counted in `problems` and costs the call nothing.
        """
        try:
            text = dossier_message(dossier)
        except MediaStreamError as error:
            self.problems[error.code] += 1
            return False
        if self._sender is not None and self._state is not LegState.ENDED:
            self._sender.newest("dossier", text)
        return True

    async def hangup(self) -> None:
        """Ends the leg; harmless when it has ended already."""
        if self._apply(LegInput.HANG_UP) and self._sender is not None:
            self._sender.message(messages.stop(self._stream_sid))
            await self._sender.drain(0.2)
        await self._close()

    def __aiter__(self) -> AsyncIterator[LegEvent]:
        return self

    async def __anext__(self) -> LegEvent:
        return await anext(self._events)

    def _apply(self, event: LegInput) -> bool:
        """Moves on by the table; True when the state has changed."""
        before, self._state = self._state, transition(self._state, event)
        if self._state is before:
            return False
        if self._state is LegState.ENDED:
            self._events.put(LegEnded(END_REASONS[event]))
        elif self._state in (LegState.RINGING, LegState.ANSWERED, LegState.ACKNOWLEDGED):
            self._events.put(LegProgress(self._state))
        return True

    async def _send(self, sender: FrameSender) -> None:
        # A closed socket is the receiver's to report.
        with contextlib.suppress(ConnectionClosed):
            await sender.run()

    async def _receive(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                try:
                    self._take(data)
                except MediaStreamError as error:
                    self.problems[error.code] += 1
                if self._state is LegState.ENDED:
                    break
        except ConnectionClosed:
            pass
        # However cleanly it closed: a desk that hangs up says so, and one that is
        # restarted under a conversation (1000, 1001, 1012) has not hung up.
        self._apply(LegInput.CLOSED)
        await self._close()

    def _take(self, data: str | bytes) -> None:
        match parse_message(data):
            case Media(payload=payload):
                self._frames_in += 1
                pcm = self._wire.decode(payload)
                early = self._state in (LegState.REACHED, LegState.RINGING)
                if len(pcm) and self._state is not LegState.ENDED:
                    self._events.put(LegAudio(pcm.tobytes(), self._wire.sample_rate, early))
            case Progress(state=state):
                if state in _DESK_STATES:
                    self._apply(LegInput(state))
            case Dtmf(digit=digit):
                if self._state in _OFF_HOOK:
                    self._events.put(LegKey(digit))
            case Stop():
                self._apply(LegInput.FAR_END)
            case _:
                pass  # marks and whatever a desk may add: no business of a leg

    async def _watch_answer(self) -> None:
        await asyncio.sleep(self._answer_timeout_s)
        if self._apply(LegInput.DEADLINE) and self._socket is not None:
            await self._socket.close()

    async def _watch_media(self, socket: ClientConnection) -> None:
        """A desk that is off-hook and sends nothing is dead, whatever its socket says."""
        seen, quiet_s = -1, 0.0
        while quiet_s < self._media_timeout_s:
            # Counted in looks, so that a stall of our own is not held against the desk.
            await asyncio.sleep(_LOOK_S)
            if self._state not in _OFF_HOOK or self._frames_in != seen:
                seen, quiet_s = self._frames_in, 0.0
            else:
                quiet_s += _LOOK_S
        if self._apply(LegInput.CLOSED):
            socket.transport.abort()  # it will not say goodbye either

    async def _close(self) -> None:
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if self._socket is not None:
            await self._socket.close()
        await asyncio.gather(*others, return_exceptions=True)


def _parameters(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: _parameter(value) for name, value in given.items() if value is not None}


def _parameter(value: object) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return ",".join(str(item) for item in value)
    return str(value)
